"""Merge requests as files: one JSON record each, readable and repairable by hand."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import Problem

_NAME: Final = re.compile(r"([1-9]\d{0,8})\.json")


class Said(BaseModel):
    """A comment. One without a topic was written by a person."""

    model_config = ConfigDict(frozen=True)

    at: int
    by: str
    topic: str = ""
    text: str


class Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: int
    by: str
    what: str  # opened | updated | closed | reopened | merged


class Record(BaseModel):
    """One merge request as the file has it."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    number: int
    branch: str
    base: str
    head: str  # the branch's tip when it was last seen
    state: str  # open | merged | closed
    title: str
    body: str
    labels: tuple[str, ...] = ()
    merge_commit: str = ""
    comments: tuple[Said, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def opened_at(self) -> int:
        return self.events[0].at if self.events else 0


class Records:
    """The folder they lie in. Written by one at a time, and each file whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def all(self) -> list[Record]:
        """Newest first."""
        return [self.get(number) for number in sorted(self._numbers(), reverse=True)]

    def get(self, number: int) -> Record:
        path = self.path(number)
        try:
            return Record.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise Problem(f"!{number}", f"there is no merge request {number}{self._hint()}.") from None
        except (OSError, ValidationError) as error:
            reason = "it is no record of a merge request" if isinstance(error, ValidationError) else error
            text = f"this merge request can't be read ({reason}): correct the file, or remove it."
            raise Problem(f"!{number}", text, path=str(path)) from error

    def next_number(self) -> int:
        return max(self._numbers(), default=0) + 1

    def put(self, record: Record) -> Record:
        """Beside its place, then moved there: a reader and a crash see the old one or the new one."""
        text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        descriptor, beside = tempfile.mkstemp(prefix=".", suffix=".new", dir=self.folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(descriptor)
            os.replace(beside, self.path(record.number))
        except BaseException:
            os.unlink(beside)
            raise
        return record

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Numbers and states are read and written by one process at a time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / ".lock", "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Problem(
                str(self.folder),
                f"merge requests can't be written ({error.strerror or error}): make the folder writable.",
                path=str(self.folder),
            ) from error

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        found = (_NAME.fullmatch(name) for name in os.listdir(self.folder))
        return [int(match[1]) for match in found if match]

    def _hint(self) -> str:
        numbers = sorted(self._numbers())
        return f": the last one is {numbers[-1]}" if numbers else ": there is none yet"
