"""What registries tell of all images of a run: each repository's tags once, and of tags only what is needed.

Of those that a rule lets through, the best is looked at first, and the next only where something stands
against it. Nothing is asked of an image that is the newest already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Final, NamedTuple

from reconciler.errors import Misconfigured
from reconciler.images.choose import NoChoice, choose
from reconciler.images.decide import against, by_people, rule_of
from reconciler.images.facts import Age, Asked, Sighting, Snapshot
from reconciler.images.keyless import Identity
from reconciler.images.reference import BadReferenceError, Image, image
from reconciler.images.registry.client import Head, Repository
from reconciler.images.registry.documents import Config, Manifest, Platform
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import MissingError, NotAnImageError, UnreachableError
from reconciler.images.rules import BadRuleError, Compiled, ImageRule, Strategy
from reconciler.images.shapes import is_signature
from reconciler.images.signatures import Key, Signed, signed
from reconciler.model import ImageFacts, ImagePolicy, TagSeen

_FINALISTS: Final = 5  # of one image, that are looked at
_MOST_DATED: Final = 2000  # tags that are asked about for strategy newest
_THREADS: Final = 8
_SAYS: Final = "org.opencontainers.image."
_LABELS: Final = (f"{_SAYS}source", f"{_SAYS}revision", f"{_SAYS}url")


class Surroundings(NamedTuple):
    """What is needed besides the registries."""

    now: int
    keys: Mapping[str, Key | Identity]  # by the name that policies use
    first_seen: Mapping[Sighting, Age]


def snapshot(
    asked: Sequence[Asked],
    registries: Registries,
    around: Surroundings,
    advance: Callable[[int], None] = lambda amount: None,
) -> Snapshot:
    """Whatever fails is a fact of its image, and never the end of the others."""
    wanted = list(dict.fromkeys(asked))
    looking = _Looking(registries, around)

    def one(each: Asked) -> ImageFacts:
        found = looking.facts(each)
        advance(1)
        return found

    with ThreadPoolExecutor(_THREADS) as pool:
        found = dict(zip(wanted, pool.map(one, wanted), strict=True))
    return Snapshot(found, dict(sorted(looking.sightings.items())), registries.requests)


class _Looking:
    def __init__(self, registries: Registries, around: Surroundings) -> None:
        self._registries, self._around = registries, around
        self._turn = Lock()
        self._turns: dict[str, Lock] = {}
        self._tags: dict[str, tuple[str, ...] | UnreachableError] = {}
        self.sightings: dict[Sighting, int | None] = {}

    def facts(self, asked: Asked) -> ImageFacts:
        nothing = ImageFacts(None, (), 0, holds=asked.holds)
        try:
            meant, rule = image(asked.text), rule_of(asked.policy)
        except (BadReferenceError, BadRuleError, ValueError) as bad:
            return nothing._replace(none=str(bad))
        unknown = [name for name in asked.policy.signed_by if name not in self._around.keys]
        if unknown:
            words = (
                f"signedBy names {', '.join(unknown)}, which the settings don't (imageKeys, imageIdentities)"
            )
            return nothing._replace(none=words)
        if meant.digest and not meant.tag:
            return nothing._replace(none="it has a digest and no tag, so nobody knows what would be newer")
        try:
            repository = self._registries.repository(meant)
            tags = self._all_tags(meant, repository)
            return self._among(asked, meant, _Details(repository, rule.strategy, self), tags)
        except UnreachableError as gone:
            return nothing._replace(unanswered=gone.words)
        except Misconfigured as problem:
            return nothing._replace(unanswered=str(problem).rstrip("."))

    def _all_tags(self, meant: Image, repository: Repository) -> tuple[str, ...]:
        """Asked once for each repository, however many images come from it, and at the same time."""
        with self._turn:
            turn = self._turns.setdefault(meant.name, Lock())
        with turn:
            if meant.name not in self._tags:
                try:
                    self._tags[meant.name] = repository.tags()
                except UnreachableError as gone:
                    self._tags[meant.name] = gone
            found = self._tags[meant.name]
        if isinstance(found, UnreachableError):
            raise found
        return found

    def _among(self, asked: Asked, meant: Image, details: _Details, tags: tuple[str, ...]) -> ImageFacts:
        rule = rule_of(asked.policy)
        current = meant.tag or "latest"
        made: Mapping[str, int] = {}
        if rule.strategy is Strategy.NEWEST:
            some = _dated(rule, tags)
            if len(some) > _MOST_DATED:
                words = f"{len(some)} tags pass the filter; newest asks about each, at most {_MOST_DATED}"
                return ImageFacts(None, (), len(tags), none=words, holds=asked.holds)
            made = details.made(some)
        found = choose(rule, current, tags, made)
        lost = tuple((one.tag, one.why) for one in found.lost)  # as evidence has them when it is read again
        if isinstance(found, NoChoice):
            return ImageFacts(None, (), len(tags), lost, none=found.why, holds=asked.holds)
        facts = ImageFacts(None, (), len(tags), lost, holds=asked.holds)
        ranked = found.ranked or (found.tag,)
        if ranked[0] == current and not _follows_digest(asked.policy, meant):
            return facts
        if current in tags:
            aged = current in ranked and _follows_digest(asked.policy, meant)
            with suppress(NotAnImageError):
                facts = facts._replace(current=details.seen(meant, current, asked.policy, aged=aged))
        for tag in _looked_at(asked, ranked):
            if tag != current and by_people(asked.policy, tag, asked.holds) is not None:
                facts = facts._replace(finalists=(*facts.finalists, TagSeen(tag, "", (), None, "")))
                continue
            known = facts.current if tag == current else None
            try:
                one = known or details.seen(meant, tag, asked.policy)
            except NotAnImageError:
                facts = facts._replace(lost=((tag, "it is no image"), *facts.lost))
                continue
            if one is None:
                continue  # it went away meanwhile
            facts = facts._replace(finalists=(*facts.finalists, one))
            if tag == current or against(asked.policy, self._around.now, one, facts) is None:
                break
        return facts

    @property
    def around(self) -> Surroundings:
        return self._around


def _dated(rule: ImageRule, tags: Sequence[str]) -> list[str]:
    """Those whose time counts: nobody is asked about what the filter leaves out."""
    try:
        passes = Compiled(rule).passes
    except BadRuleError:
        return []  # nothing is chosen then
    return [tag for tag in tags if not is_signature(tag) and passes(tag) is not None]


def _looked_at(asked: Asked, ranked: Sequence[str]) -> list[str]:
    """The best that people refuse, so that it can be told, and the best few that they don't."""
    refused: list[str] = []
    free: list[str] = []
    for tag in ranked:
        if by_people(asked.policy, tag, asked.holds) is None:
            free.append(tag)
        elif not refused:
            refused.append(tag)
        if len(free) == _FINALISTS:
            break
    return [tag for tag in ranked if tag in {*refused, *free}]


def _follows_digest(policy: ImagePolicy, meant: Image) -> bool:
    return policy.digest == "pin" or bool(meant.digest)


class _Details:
    """What is asked of single tags of one repository."""

    def __init__(self, repository: Repository, strategy: Strategy, looking: _Looking) -> None:
        self._repository, self._strategy, self._looking = repository, strategy, looking
        self._config = cache(self._config_of)

    def seen(self, meant: Image, tag: str, policy: ImagePolicy, *, aged: bool = True) -> TagSeen | None:
        """`aged`: whether anybody will ask how old it is."""
        head = self._repository.head(tag)
        if head is None:
            return None
        manifest = self._image(head.digest)
        platforms = self._platforms(manifest)
        config = self._config(_first(manifest))
        wait = policy.minimum_age if aged and head.digest != meant.digest else 0
        since, known_by = self._since(meant, tag, head, wait)
        return TagSeen(
            tag=tag,
            digest=head.digest,
            platforms=platforms,
            since=since,
            known_by=known_by,
            created=config.created if config else None,
            signed_by=self._signed_by(head.digest, policy),
            labels=tuple((name, config.labels[name]) for name in _LABELS if config and name in config.labels),
        )

    def made(self, tags: Sequence[str]) -> Mapping[str, int]:
        """By what images say of themselves: the one strategy that has to ask about every tag."""
        found = {}
        for tag in tags:
            head = self._repository.head(tag)
            if head is None:
                continue
            with suppress(NotAnImageError):
                config = self._config(_first(self._image(head.digest)))
                if config is not None and config.created is not None:
                    found[tag] = config.created
        return found

    def _image(self, digest: str) -> Manifest:
        """NotAnImageError also where a tag leads to nothing: the others may be all right."""
        try:
            found = self._repository.manifest(digest)
        except MissingError as gone:
            raise NotAnImageError(gone.words) from None
        if not found.is_image:
            raise NotAnImageError(f"{digest[:19]}… is no image but {found.artifact or 'something else'}")
        return found

    def _platforms(self, manifest: Manifest) -> tuple[tuple[str, str], ...]:
        if manifest.is_index:
            return tuple(sorted({(str(child.platform), child.digest) for child in manifest.children}))
        config = self._config(manifest.digest)
        known = config.platform if config else Platform("", "")
        return ((str(known), manifest.digest),)

    def _config_of(self, digest: str) -> Config | None:
        """A registry may keep it elsewhere, where we don't go: then it isn't known."""
        try:
            found = self._repository.manifest(digest)
            return self._repository.config(found.config) if found.config else None
        except UnreachableError:
            return None

    def _since(self, meant: Image, tag: str, head: Head, wait: int) -> tuple[int | None, str]:
        """By what is surest: the registry's own word on the tag, then on what it points to, then the ledger.
        A time that is still to come is nobody's: it would make the wait endless."""
        now, sighting = self._looking.around.now, (meant.name, tag, head.digest)
        known = self._looking.around.first_seen.get(sighting)
        if known is not None and known.known_by == "pushed":
            return known
        pushed = self._repository.pushed(tag, head.digest) if wait else None
        if pushed is not None and pushed <= min(now, known.since if known else now):
            self._looking.sightings[sighting] = pushed
            return pushed, "pushed"
        modified = head.modified if head.modified is not None and head.modified <= now else None
        if known is None and wait and (modified is None or now - modified < wait):
            self._looking.sightings.setdefault(sighting, None)  # a registry may say "today" every day
        if modified is not None and (known is None or modified <= known.since):
            return modified, "last-modified"
        return known or (None, "first-seen")

    def _signed_by(self, digest: str, policy: ImagePolicy) -> str:
        if not policy.signed_by:
            return ""
        found = signed(
            self._repository, digest, [self._looking.around.keys[name] for name in policy.signed_by]
        )
        return found.key if isinstance(found, Signed) else ""


def _first(manifest: Manifest) -> str:
    """The digest of an image: its own, or that of the first of an index."""
    return manifest.children[0].digest if manifest.children else manifest.digest
