"""Schemas of values that lead off the chart: helm would fetch them, even for `helm template`.

A schema decides whether a chart renders, never what it renders to. So one that can't be read
without a network or another file is left out, and every other one holds.
"""

from __future__ import annotations

import json
import re
from typing import Final

from reconciler.model import Refused
from reconciler.rendering import plain
from reconciler.rendering.archive import unpack
from reconciler.source.render import Files

_NAME: Final = "values.schema.json"
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$schema"})
_PACKED: Final = (".tgz", ".tar.gz")
_DEEPEST: Final = 3  # of packed charts in packed charts
# helm has these within.
_WELL_KNOWN: Final = re.compile(
    r"https?://json-schema\.org/(?:draft-0[467]|draft/20(?:19-09|20-12))/schema#?(?:/.*)?"
)


def without_outside_schemas(chart: Files) -> Files:
    """The chart's files but for the schemas that lead out of themselves."""
    outside = {path for path in chart if path.rpartition("/")[2] == _NAME and leads_outside(chart[path])}
    return {path: data for path, data in chart.items() if path not in outside} if outside else chart


def leads_outside(schema: bytes) -> bool:
    try:
        body = json.loads(schema)
    except ValueError:
        return False  # helm says what is wrong with it
    except RecursionError:
        return True
    return any(
        keys and keys[-1] in _REFERENCES and not text.startswith("#") and not _WELL_KNOWN.fullmatch(text)
        for keys, text in plain.leaves(body)
    )


def packed_that_leads_outside(files: Files, deepest: int = _DEEPEST) -> str | None:
    """The path of a packed chart with a schema that leads out of itself, or that can't be looked through."""
    return next((path for path in files if path.endswith(_PACKED) and _leads(files[path], deepest)), None)


def _leads(data: bytes, deepest: int) -> bool:
    files = unpack(data)
    if isinstance(files, Refused) or not deepest:
        return True
    if any(path.rpartition("/")[2] == _NAME and leads_outside(files[path]) for path in files):
        return True
    return packed_that_leads_outside(files, deepest - 1) is not None
