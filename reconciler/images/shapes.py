"""What can be seen in a tag without being told: which others are versions of the same kind.

    v1.25.3-alpine   prefix "v", numbers 1.25.3, suffix "alpine"
    2024-01-15       a date, also with a time: 2024-01-15T10-30-00
    1234             one number alone: of a build, or a major version
    1.2.3-rc.1       not stable
    1.2.3-debian-12-r5   suffix "debian-12", revision 5
    21.0.2_13-jdk    four numbers, the last one behind another sign
    pr-123, sha-1234567   no versions: another number is another piece of work

Two tags are of one kind when they differ in their numbers alone. So `1.25` never becomes `1.25.3`,
`-alpine` never `-slim`, and a version never a date or a commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class Scheme(StrEnum):
    VERSION = "version"
    DATE = "date"
    NUMBER = "number"


class Shape(NamedTuple):
    """A tag taken apart. `order` compares tags of one kind."""

    prefix: str
    numbers: tuple[int, ...]
    scheme: Scheme
    dots: str  # what stands between the numbers
    widths: tuple[int, ...]  # digits of each number
    padded: bool  # whether a number has zeros in front
    pre: tuple[tuple[int, int, str], ...]  # () for a stable one
    suffix: str
    revision: int | None

    @property
    def kind(self) -> tuple[object, ...]:
        written = (self.prefix, len(self.numbers), self.scheme, self.dots, self.suffix)
        return (*written, self.revision is None, self._variant)

    @property
    def _variant(self) -> str:
        """`1.2.3-dev` may be the image with a shell in it: `1.2.4` isn't known to be its successor."""
        word = self.pre[0][2] if len(self.pre) == 1 else ""
        return word if word in _VARIANTS else ""

    def is_like(self, other: Shape) -> bool:
        """Whether both are versions of one kind. 24.04 is like 24.10, and not like 24.4."""
        if self.kind != other.kind:
            return False
        if self.scheme is Scheme.DATE and self.widths[0] != other.widths[0]:
            return False  # a day, and one with its hours
        return not (self.padded or other.padded) or self.widths == other.widths

    @property
    def is_calendar(self) -> bool:
        """For who says that these are dates: 24.04, too, and 24.35, a week."""
        if self.scheme is Scheme.DATE:
            return True
        return len(self.numbers) > 1 and self.widths[0] == _YEAR_2 and 1 <= self.numbers[1] <= _WEEKS

    @property
    def order(self) -> tuple[object, ...]:
        return (self.numbers, self.pre or _STABLE, self.revision or 0)


_STABLE: Final = ((2, 0, ""),)
_SIGNATURE = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z0-9]+)?|.*\.(?:sig|att|sbom)")
# Words, each with what parts it from the next. A dot parts words alone: `alpine3.19` isn't "alpine3." and 19.
_WORDS = r"(?:[A-Za-z][A-Za-z0-9]{0,30}(?:\.[0-9]+)*[-_]|[A-Za-z](?:[A-Za-z0-9]{0,29}[A-Za-z])?\.)"
_PREFIX = rf"(?P<prefix>{_WORDS}*?[vV]?)"
_DAY = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-[0-3][0-9](?:T[0-9]{2}-[0-9]{2}-[0-9]{2})?"
_NUMBERS = r"[0-9]+(?:[.][0-9]+)*(?:_[0-9]+)?"
_TAKEN = re.compile(_PREFIX + rf"(?P<numbers>{_NUMBERS})(?P<rest>(?:(?:[^0-9.]|[.][^0-9.]).*)?)")
_DASHED_DATE = re.compile(_PREFIX + rf"(?P<numbers>{_DAY})(?P<rest>(?:[^0-9].*)?)")
_HASH = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{7,40}")
_REVISION = re.compile(r"(?P<suffix>.*?)[-_.]?(?<![0-9A-Za-z])(?:r|build|b|rev)(?P<revision>[0-9]{1,9})")
_PRE_WORDS: Final = (
    *("alpha", "beta", "rc", "cr", "prerelease", "preview", "pre", "development", "develop", "devel", "dev"),
    *("snapshot", "nightly", "canary", "edge", "next", "ea", "milestone", "insiders", "unstable", "testing"),
    *("test", "experimental", "exp", "main", "master", "draft", "wip"),
)
_PRE = re.compile(
    rf"[-_.]?(?P<word>{'|'.join(_PRE_WORDS)}|[abm](?=[0-9]))(?P<number>[-_.]?[0-9]*)(?![A-Za-z])",
    re.IGNORECASE,
)
# Words that name an image of its own as often as a version that isn't ready.
_VARIANTS: Final = frozenset(
    ("dev", "devel", "develop", "development", "test", "testing", "main", "master", "edge", "next",
     "nightly", "canary", "unstable", "experimental", "exp", "insiders", "ea", "wip", "draft")
)  # fmt: skip
_LATE_PRE = re.compile(
    r"(?P<suffix>.*?)[-_.](?P<pre>(?:alpha|beta|rc|cr|preview|milestone|snapshot)[-_.]?[0-9]*)", re.IGNORECASE
)
# A number behind one of these is somebody's work or a commit: the next number is nobody's newer version.
_WORK = re.compile(
    r"(?:.*[-_.])?(?:pr|mr|pull|merge|issue|feature|feat|fix|bugfix|hotfix|branch|ticket|sha|sha1|git|commit)[-_.]",
    re.IGNORECASE,
)
_TICKET = re.compile(r"(?!BUILD|RELEASE|REL|VERSION|VER|DATE)[A-Z][A-Z0-9]{1,9}-")
_COMMIT_TAG = re.compile(rf"(?P<prefix>{_WORDS}*)(?P<commit>(?=[0-9]*[a-f])[0-9a-f]{{7,12}})(?:[-_.].*)?")
_LONGEST_NUMBER: Final = 18
_DATE_8: Final = 8
_YEAR_2: Final = 2  # digits of a year such as 24
_WEEKS: Final = 53


def is_signature(tag: str) -> bool:
    """What stands beside an image in its repository, and never runs."""
    return _SIGNATURE.fullmatch(tag) is not None


def shape(tag: str) -> Shape | None:
    """None for what is no version: a name, a commit, a signature."""
    if is_signature(tag) or _HASH.fullmatch(tag):
        return None
    found = _DASHED_DATE.fullmatch(tag) or _TAKEN.fullmatch(tag)
    if found is None:
        return None
    written, rest = found["numbers"], found["rest"]
    dots = "-" if "-" in written else "._" if "_" in written else "."
    parts = re.split(r"[-._T]", written)
    if any(len(part) > _LONGEST_NUMBER for part in parts) or _is_commit(written + rest):
        return None
    pre, rest = _pre_of(rest)
    suffix, revision = _revision_of(rest.lstrip("-_.+"))
    if suffix is None:
        return None
    late = _LATE_PRE.fullmatch(suffix) if not pre else None
    if late is not None:
        (pre, _), suffix = _pre_of(late["pre"]), late["suffix"]
    if len(parts) == 1 and _is_work(found["prefix"], parts[0]):
        return None
    return Shape(
        prefix=found["prefix"],
        numbers=tuple(map(int, parts)),
        scheme=_scheme(parts),
        dots=dots if len(parts) > 1 else "",
        widths=tuple(map(len, parts)),
        padded=any(len(part) > 1 and part[0] == "0" for part in parts),
        pre=pre,
        suffix=suffix,
        revision=revision,
    )


def _is_work(prefix: str, number: str) -> bool:
    """`pr-123`, `ABC-123`, `sha-1234567`; but `git-20240115` is a date."""
    if _is_day(number):
        return False
    return _WORK.fullmatch(prefix) is not None or _TICKET.fullmatch(prefix) is not None


def commits(tags: Iterable[str]) -> frozenset[tuple[str, int]]:
    """How commits look in a list of tags, by what stands before them and their length: one in thirty of
    them has digits alone, and only its neighbours tell that it is no number."""
    found = (_COMMIT_TAG.fullmatch(tag) for tag in tags)
    return frozenset((each["prefix"], len(each["commit"])) for each in found if each is not None)


def _is_commit(text: str) -> bool:
    """`12ab34f` has its digits first; `main-12ab34f` is caught by its rest."""
    return bool(_HASH.fullmatch(re.split(r"[-_.+]", text)[0]))


def _pre_of(rest: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    found = _PRE.match(rest)
    if found is None:
        return (), rest
    digits = found["number"].lstrip("-_.")
    after = rest[found.end() :]
    more = re.match(r"(?:[.][0-9]+)+", after)
    numbers = [digits] if digits else []
    if more:
        numbers += more[0][1:].split(".")
        after = after[more.end() :]
    words: list[tuple[int, int, str]] = [(1, 0, found["word"].lower())]
    words += [(0, int(each[:_LONGEST_NUMBER]), "") for each in numbers]
    return tuple(words), after


def _revision_of(rest: str) -> tuple[str | None, int | None]:
    """The suffix, and the count of builds at its end; None for a suffix that names a commit."""
    if any(_HASH.fullmatch(part) for part in re.split(r"[-_.+]", rest.removeprefix("g"))):
        return None, None
    found = _REVISION.fullmatch(rest)
    if found is None:
        return rest, None
    return found["suffix"].rstrip("-_."), int(found["revision"])


def _scheme(parts: list[str]) -> Scheme:
    first = parts[0]
    if len(parts) == 1:
        return Scheme.DATE if _is_day(first) else Scheme.NUMBER
    is_year = len(first) == 4 and "1990" <= first <= "2099"
    return Scheme.DATE if is_year or _is_day(first) else Scheme.VERSION


def _is_day(text: str) -> bool:
    """20240115, also with hours, minutes and seconds behind."""
    if len(text) not in (_DATE_8, _DATE_8 + 4, _DATE_8 + 6):
        return False
    return "1990" <= text[:4] <= "2099" and "01" <= text[4:6] <= "12" and "01" <= text[6:8] <= "31"
