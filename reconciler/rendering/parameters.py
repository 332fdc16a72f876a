"""Parameters out of sight: whatever is text reaches helm in a file.

The words of a command can be read by everybody on the machine for as long as it runs, and a
parameter may be a password. `--set-file name=FILE` sets what `--set-string name=...` would, and what
`--set name=...` would where helm takes that for text. The rest stays where it is: numbers, `true`,
`false` and `null` are no secrets; lists in braces, and names that are part of each other, have a
meaning that a file doesn't have.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.source.render import FileParameter, HelmRequest, Parameter

_PLAIN_NAME: Final = re.compile(r"(?:[A-Za-z0-9_/-]|\\\.)+(?:\.(?:[A-Za-z0-9_/-]|\\\.)+|\[[0-9]{1,4}\])*")
_STEP: Final = re.compile(r"(?:[^.\[\\]|\\.)+|\[[^\]]*\]")
_TYPED: Final = re.compile(r"(?:true|false|null|[+-]?[0-9]+|)", re.IGNORECASE)

Steps = tuple[str, ...]


def in_files(request: HelmRequest) -> HelmRequest:
    """The same request, with its parameters in files as far as that means the same."""
    parameters = _last_of_each(request.parameters)
    names = [*(one.name for one in parameters), *(file.name for file in request.file_parameters)]
    steps = [_steps(name) for name in names]
    moved: list[FileParameter] = []
    kept: list[Parameter] = []
    for at, one in enumerate(parameters):
        text = _text(one)
        if text is None or any(_overlap(steps[at], other) for other in steps[:at] + steps[at + 1 :]):
            kept.append(one)
        else:
            moved.append(FileParameter(one.name, text))
    return request._replace(parameters=tuple(kept), file_parameters=(*moved, *request.file_parameters))


def escaped(value: str) -> str:
    """A comma would begin the next parameter; one that is escaped already stays, and so does a list."""
    if value.startswith("{") and value.endswith("}"):
        return value
    before = ["", *value]
    return "".join(
        "\\," if char == "," and last != "\\" else char for last, char in zip(before, value, strict=False)
    )


def _last_of_each(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """Argo CD keeps them in tables, one of texts and one of the others, so that the last one holds."""
    return list({(one.as_text, one.name): one for one in parameters}.values())


def _text(one: Parameter) -> bytes | None:
    """What helm makes of the value, where that is a text and nothing else."""
    if not _PLAIN_NAME.fullmatch(one.name) or one.value.startswith("{") or "\0" in one.value:
        return None
    text = _unescaped(escaped(one.value))
    if text is None or (not one.as_text and _TYPED.fullmatch(text)):
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _unescaped(value: str) -> str | None:
    """Without its backslashes; None where a comma ends it early, or the last backslash stands alone."""
    found: list[str] = []
    rest = iter(value)
    for char in rest:
        if char == "\\":
            char = next(rest, "")
            if not char:
                return None
        elif char == ",":
            return None
        found.append(char)
    return "".join(found)


def _steps(name: str) -> Steps:
    return tuple(_STEP.findall(name))


def _overlap(one: Steps, other: Steps) -> bool:
    shortest = min(len(one), len(other))
    return one[:shortest] == other[:shortest]
