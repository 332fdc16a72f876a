"""What branches of ours are called."""

from __future__ import annotations

import re
from typing import NamedTuple

from reconciler.model import ChangeClass
from reconciler.proposals.templates import fill


class Naming(NamedTuple):
    """How branches of ours are called, and which branches are never ours whatever they are called."""

    template: str
    never: frozenset[str] = frozenset()

    @property
    def prefix(self) -> str:
        return self.template.partition("{")[0]

    def of(self, key: str) -> str:
        klass, _, segment = key.partition("/")
        return fill(self.template, {"class": klass, "group": segment})

    def fits(self, branch: str, base: str) -> bool:
        return branch not in self.never and branch != base and bool(self._form.fullmatch(branch))

    @property
    def _form(self) -> re.Pattern[str]:
        classes = "|".join(klass.value for klass in ChangeClass)
        form = re.escape(self.template).replace(r"\{class\}", f"(?:{classes})")
        return re.compile(form.replace(r"\{group\}", "[a-z0-9._-]+"))
