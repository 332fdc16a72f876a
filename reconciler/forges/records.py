"""Merge requests as files: one JSON record each, readable and repairable by hand.

A file that can't be read takes only its own branch out of the game, as far as it still tells
which one that is: no other request is opened for it, because it may have one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.errors import Problem
from reconciler.forges.port import Page

_NAME: Final = re.compile(r"([1-9]\d{0,8})\.json")
_BRANCH: Final = re.compile(rb'"branch"\s*:\s*("(?:[^"\\]|\\.)*")')
_TICK: Final = 100_000_000  # nanoseconds in which two writes may leave the same time behind
LATEST: Final = 253_402_300_799  # the end of the year 9999: what a calendar can show

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Time = Annotated[int, Field(ge=0, le=LATEST)]


class Said(BaseModel):
    """A comment. One without a topic was written by a person."""

    model_config = ConfigDict(frozen=True)

    at: Time
    by: str
    topic: str = ""
    text: str


class Approval(BaseModel):
    """Somebody's yes to one commit. Another commit needs another."""

    model_config = ConfigDict(frozen=True)

    at: Time
    by: str
    head: Commit


class Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: Time
    by: str
    what: str  # opened | updated | approved | closed | reopened | merged


class Record(BaseModel):
    """One merge request as the file has it."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    number: int
    branch: str
    base: str
    head: Commit  # the branch's tip when it was last seen
    since: Commit | Literal[""] = ""  # the base's tip when it was opened
    state: Literal["open", "merged", "closed"]
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    approved_by: tuple[Approval, ...] = ()
    merge_commit: Commit | Literal[""] = ""
    comments: tuple[Said, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def opened_at(self) -> int:
        return self.events[0].at if self.events else 0

    @property
    def author(self) -> str:
        return next((event.by for event in self.events if event.what == "opened"), "")


class Unreadable(NamedTuple):
    """A file that is no record, and the branch it may have been of; None when it can be any."""

    branch: str | None
    why: Problem


class _Kept(NamedTuple):
    """What a file held, and how it looked from outside then; None when that may not last a moment."""

    stamp: tuple[int, int, int] | None
    held: Record | Unreadable


class Records:
    """The folder they lie in. Written by one at a time, and each file whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: dict[int, _Kept] = {}
        self._names: dict[str, int] = {}  # of files that were there once, so that each is parsed once

    def path(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def all(self) -> list[Record]:
        """Newest first, without those that can't be read."""
        found = (self._held(number) for number in sorted(self._numbers(), reverse=True))
        return [each for each in found if isinstance(each, Record)]

    def of_branch(self, branch: str) -> list[Record]:
        """Newest first. A Problem when one that can't be read may be of this branch.

        The branch of a record never changes: only those of this one are looked at again.
        """
        found = []
        for number in sorted(self._numbers(), reverse=True):
            known = self._kept.get(number)
            if known is None or known.held.branch in (branch, None):
                found.append(self._held(number))
        for each in found:
            if isinstance(each, Unreadable) and each.branch in (branch, None):
                raise each.why
        return [each for each in found if isinstance(each, Record) and each.branch == branch]

    def get(self, number: int) -> Record:
        held = self._held(number)
        if held is None:
            raise Problem(f"!{number}", f"there is no merge request {number}{self._hint()}.")
        if isinstance(held, Unreadable):
            raise held.why
        return held

    def _held(self, number: int) -> Record | Unreadable | None:
        """What the file holds now; read again only when it looks different. None: there is none."""
        path = f"{self.folder}/{number}.json"
        try:
            seen = os.stat(path)
            stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
            known = self._kept.get(number)
            if known is not None and known.stamp == stamp:
                return known.held
            is_old = time.time_ns() - seen.st_mtime_ns > _TICK
            if not stat.S_ISREG(seen.st_mode):
                return _unreadable(number, b"", "it is no file", path)
            with open(path, "rb") as file:
                held = _parsed(number, file.read(), path)
        except FileNotFoundError:
            self._kept.pop(number, None)
            return None
        except OSError as error:
            return _unreadable(number, b"", error.strerror or str(error), path)
        self._kept[number] = _Kept(stamp if is_old else None, held)
        return held

    def next_number(self) -> int:
        return max(self._numbers(), default=0) + 1

    def put(self, record: Record) -> Record:
        self._replace(self.path(record.number), record.model_dump(mode="json"))
        return record

    def page(self, topic: str) -> Page | None:
        """A text that is kept current, as `page-TOPIC.json`."""
        path = self._page_path(topic)
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            text = f"{path.name} can't be read ({error}): correct the file, or remove it."
            raise Problem(topic, text, path=str(path)) from error
        told = found if isinstance(found, dict) else {}
        return Page(topic, str(told.get("title", "")), str(told.get("body", "")), str(path))

    def put_page(self, page: Page) -> Page:
        known, path = self.page(page.topic), self._page_path(page.topic)
        if known is None or (known.title, known.body) != (page.title, page.body):
            self._replace(path, {"title": page.title, "body": page.body})
        return page._replace(url=str(path))

    def _page_path(self, topic: str) -> Path:
        return self.folder / f"page-{re.sub(r'[^a-z0-9-]', '-', topic.lower())[:60]}.json"

    def _replace(self, path: Path, plain: object) -> None:
        """Beside its place, then moved there: a reader and a crash see the old one or the new one."""
        text = json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
        descriptor, beside = tempfile.mkstemp(prefix=".", suffix=".new", dir=self.folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(descriptor)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise

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
        numbers = []
        for name in os.listdir(self.folder):
            number = self._names.get(name, 0)
            if not number and (match := _NAME.fullmatch(name)):
                number = self._names[name] = int(match[1])
            if number:
                numbers.append(number)
        return numbers

    def _hint(self) -> str:
        numbers = sorted(self._numbers())
        return f": the last one is {numbers[-1]}" if numbers else ": there is none yet"


def _parsed(number: int, content: bytes, path: str) -> Record | Unreadable:
    try:
        record = Record.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return _unreadable(number, content, f"{where}: {first['msg']}" if where else first["msg"], path)
    if record.number != number:
        return _unreadable(number, content, f"it says that it is number {record.number}", path)
    return record


def _unreadable(number: int, content: bytes, why: str, path: str) -> Unreadable:
    text = (
        f"the record of merge request {number} can't be read ({why}), and no other is opened for its branch: "
        "correct the file, or remove it."
    )
    return Unreadable(_branch_in(content), Problem(f"!{number}", text, path=path))


def _branch_in(content: bytes) -> str | None:
    """The branch that a damaged record still names; None when that isn't sure."""
    named = set(_BRANCH.findall(content))
    try:
        found = json.loads(named.pop()) if len(named) == 1 else None
    except ValueError:
        return None
    return found if isinstance(found, str) else None
