"""What policies say of images: which tags follow, and what must be known of them before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool

from reconciler.config import units
from reconciler.config.fields import UNSET, Duration, Glob, Line, Name, Written
from reconciler.model import ImagePolicy

# The strategies by their own names and by those that others have for them; images/rules.py says the same.
Strategy = Literal[
    "auto",
    "semver",
    "calver",
    "numerical",
    "alphabetical",
    "newest",
    "digest",
    "newest-build",
    "latest",
    "name",
]
_LONGEST_AGE = 366 * 86_400


def _bounded(seconds: int) -> int:
    if not 0 <= seconds <= _LONGEST_AGE:
        raise ValueError("expected at most 366d")
    return seconds


def _moment(text: str) -> str:
    units.moment(text)
    return text


class Images(Written):
    """How images are updated."""

    strategy: Strategy = Field(
        default=UNSET, description="Which tags follow: auto goes by the looks of the one in force."
    )
    range: Line | None = Field(default=None, description="For semver: ^1.2, >=1.2 <3, 1.x; null for any.")
    filter: Line | None = Field(
        default=None, description="Only tags in which this expression (RE2) is found; null for all."
    )
    extract: Line | None = Field(
        default=None, description="What counts of a tag: $1 or $name of the filter; null for all of it."
    )
    order: Literal["asc", "desc"] = Field(
        default=UNSET, description="For numerical and alphabetical: which end is the newest."
    )
    level: Literal["patch", "minor", "major"] = Field(
        default=UNSET, description="The largest step, where no range is given."
    )
    pre_releases: StrictBool = Field(
        default=UNSET, description="Whether versions that aren't stable are taken."
    )
    minimum_age: Annotated[Duration, AfterValidator(_bounded)] = Field(
        default=UNSET, description="How long a tag must have been there."
    )
    platforms: tuple[Line, ...] = Field(
        default=UNSET, description="Platforms that must be there, besides those of the image in force."
    )
    signed_by: tuple[Name, ...] = Field(
        default=UNSET,
        description="Names (settings: imageKeys, imageIdentities), one of which must have signed it.",
    )
    digest: Literal["keep", "pin"] = Field(
        default=UNSET,
        description="keep: a digest is followed where one is written. pin: it is written everywhere.",
    )
    pin: Line | None = Field(default=None, description="The only tag that there may be; null for none.")
    ignore: tuple[Glob, ...] = Field(default=UNSET, description="Tags that are never taken: patterns.")
    together: Name | None = Field(
        default=None,
        description="Name of a set: all images of it move to one tag at once, or none does; null for none.",
    )
    hold_until: Annotated[Line, AfterValidator(_moment)] | None = Field(
        default=None, description="Nothing is changed before this day or moment; null for no hold."
    )


def image_policy(said: Callable[[str], Any]) -> ImagePolicy:
    """Of what is said for each key."""
    until = said("holdUntil")
    return ImagePolicy(
        strategy=said("strategy"),
        range=said("range"),
        filter=said("filter"),
        extract=said("extract"),
        order=said("order"),
        level=said("level"),
        pre_releases=said("preReleases"),
        minimum_age=said("minimumAge"),
        signed_by=tuple(said("signedBy")),
        digest=said("digest"),
        pin=said("pin"),
        ignore=tuple(said("ignore")),
        hold_until=units.moment(until) if until else 0,
        platforms=tuple(said("platforms")),
        together=said("together"),
    )
