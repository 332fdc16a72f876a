"""Templates of branches, titles and messages: `{name}` and nothing else.

Python's own format strings would let a template reach into objects; these only replace the
names that are offered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"\{([a-z_]+)\}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Every `{name}` that is offered, replaced; the settings have refused any other."""
    return _NAME.sub(lambda found: values.get(found[1], found[0]), template)
