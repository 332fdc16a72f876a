"""A file to be written, with the repository that it lies in."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import FileChange


class Changed(NamedTuple):
    repository: str
    change: FileChange  # `before` is empty for a new file
