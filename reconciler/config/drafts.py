"""Policies written for the first time, to be read and changed by a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.config.starter import scalar

Setting = str | tuple[str, ...] | bool
_WIDTH: Final = 110
_HEAD: Final = """\
# Taken over by `reconcile import`: the rules by which other tools choose the tags of these images.
# Look through them, and put this file where `policies` in the settings leads. Then switch the other tools
# off for these images: as long as they are on, the images are left to them (owned-by).
"""


class ImageDraft(NamedTuple):
    """A policy that says something of images alone."""

    name: str
    match: Sequence[tuple[str, Sequence[str]]]
    settings: Sequence[tuple[str, Setting]]
    comments: Sequence[str]  # where it comes from
    lost: Sequence[str]  # what it doesn't say, and should perhaps


def drafted(drafts: Sequence[ImageDraft]) -> str:
    """A file of policies that loads as it is."""
    return _HEAD + "".join(f"---\n{_policy(each)}" for each in drafts)


def _policy(draft: ImageDraft) -> str:
    lines = [f"# From {_comment(each)}" for each in draft.comments]
    lines += [f"# Not taken over: {_comment(each)}" for each in draft.lost]
    lines += ["apiVersion: reconciler/v1", "kind: Policy", f"metadata: {{name: {scalar(draft.name)}}}"]
    if draft.match:
        lines.append("match:")
    for key, names in draft.match:
        lines += _list(key, names)
    lines += ["mode: {images: propose}", "images:"]
    for key, value in draft.settings:
        if isinstance(value, bool):
            lines.append(f"  {key}: {str(value).lower()}")
        elif isinstance(value, str):
            lines.append(f"  {key}: {scalar(value)}")
        else:
            lines += _list(key, value)
    return "\n".join(lines) + "\n"


def _list(key: str, values: Sequence[str]) -> list[str]:
    """In one line where there is room."""
    short = f"  {key}: [{', '.join(map(scalar, values))}]"
    return [short] if len(short) <= _WIDTH else [f"  {key}:", *(f"    - {scalar(each)}" for each in values)]


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
