"""New values as edits of the files that own them, proven by rendering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import ContainerRef, Field, FileChange, NewValue, Reason, Refused
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.tracing.helm import Extra, Traced
from reconciler.source.tracing.owners import Read, shown
from reconciler.source.tracing.proof import Copy, Difference, Intent, Spot, Verdict, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render, RenderedContainer
from reconciler.source.tracing.wishes import Setting, settings_of
from reconciler.source.tracing.writing import Written, write
from reconciler.source.yamledit.values import Plain

_MOST_NAMED: Final = 4
_AGAIN: Final = b"# rendered once more\n"  # makes a request of its own, so that no cache answers


class Proof(NamedTuple):
    """What a reviewer is told: what changed, what followed, and what was set besides to keep the rest."""

    changed: tuple[Intent, ...]
    copies: tuple[Copy, ...]
    carried: tuple[Setting, ...]
    noise: int  # places that differ between two renders of the same
    renderer: str
    renders: int


class Edited(NamedTuple):
    """The files of each repository, before and after; none where all is so already."""

    files: tuple[tuple[str, FileChange], ...]
    proof: Proof


class NewNumber(NamedTuple):
    """A new count of replicas, or a new target of an autoscaler."""

    extra: Extra
    new: str


def edit(
    traced: Traced,
    wishes: Sequence[NewValue],
    renderer: Renderer,
    read: Read | None = None,
    numbers: Sequence[NewNumber] = (),
) -> Edited | Refused:
    """The edits that make every wish true and change nothing else that is rendered, or why not."""
    if traced.refused is not None:
        return traced.refused
    request = traced.unit.request
    if not isinstance(request, HelmRequest) or traced.plain is None:
        return Refused(Reason.NOT_TRACED, "this is no chart")
    settings = _settings(traced, wishes, numbers)
    if isinstance(settings, Refused):
        return settings
    return _Attempt(traced, request, renderer, read).made(settings, _intents(traced, wishes, numbers))


def _settings(
    traced: Traced, wishes: Sequence[NewValue], numbers: Sequence[NewNumber]
) -> list[Setting] | Refused:
    settings: list[Setting] = []
    for wish in wishes:
        found = settings_of(traced, wish)
        if isinstance(found, Refused):
            return found
        settings.extend(found)
    for number in numbers:
        if number.extra.refused is not None:
            return number.extra.refused
        settings.append(Setting(number.extra.keys, number.new))
    return list(dict.fromkeys(settings))


def _intents(traced: Traced, wishes: Sequence[NewValue], numbers: Sequence[NewNumber]) -> tuple[Intent, ...]:
    unit = traced.unit
    plain = Render(traced.plain.text if traced.plain else "", unit.cluster, unit.namespace)
    containers = {each.ref: each for each in plain.containers()}
    found: dict[Spot, Intent] = {}
    for wish in wishes:
        field = wish.slot.field
        for ref in wish.slot.consumers:
            if (each := containers.get(ref)) is not None:
                spot = Spot(each.identity, (*each.path, *WAYS[field]))
                found[spot] = Intent(ref, field, spot, each.values[field], wish.new)
    for number in numbers:
        spot = Spot(number.extra.identity, number.extra.path)
        found[spot] = Intent(None, None, spot, number.extra.value, number.new)
    return tuple(found.values())


class _Attempt:
    """Writes, renders and compares, until the difference is what was meant or can't be."""

    def __init__(self, traced: Traced, request: HelmRequest, renderer: Renderer, read: Read | None) -> None:
        self.traced = traced
        self.request = request
        self.renderer = renderer
        self.read = read
        assert traced.plain is not None
        self.program = traced.plain.renderer
        self.plain = Render(traced.plain.text, traced.unit.cluster, traced.unit.namespace)
        self.noise: frozenset[Spot] | None = None
        self.renders = 0

    def made(self, settings: list[Setting], intents: tuple[Intent, ...]) -> Edited | Refused:
        tried = self.tried(settings, intents, [])
        if isinstance(tried, Verdict) and (carried := self.lost(tried, settings)):
            tried = self.tried(settings, intents, carried)
        return _refusal(tried, settings) if isinstance(tried, Verdict) else tried

    def tried(
        self, settings: list[Setting], intents: tuple[Intent, ...], carried: list[Setting]
    ) -> Edited | Verdict | Refused:
        """One way of writing it: proven, or what it did instead."""
        written = write(self.traced.unit, self.request, [*settings, *carried], self.read)
        if isinstance(written, Refused):
            return written
        verdict = self.verdict(written, intents)
        if isinstance(verdict, Refused) or verdict.missing or verdict.beyond:
            return verdict
        return self.edited(written, verdict, carried)

    def edited(self, written: Written, verdict: Verdict, carried: list[Setting]) -> Edited:
        files = tuple((repository, change) for (repository, _), change in written.files.items())
        noise = len(self.noise or ())
        proof = Proof(verdict.done, verdict.copies, tuple(carried), noise, self.program, self.renders)
        return Edited(files, proof)

    def verdict(self, written: Written, intents: tuple[Intent, ...]) -> Verdict | Refused:
        if not written.files:
            return judge({}, intents, frozenset())
        after = self.render(written.request)
        if isinstance(after, Refused):
            return after._replace(detail=f"with the new value: {after.detail}")
        found = differences(self.plain, after)
        verdict = judge(found, intents, self.noise or frozenset())
        if verdict.beyond and self.noise is None:
            again = self.render(self.request._replace(values=(*self.request.values, _AGAIN)))
            self.noise = (
                frozenset() if isinstance(again, Refused) else frozenset(differences(self.plain, again))
            )
            verdict = judge(found, intents, self.noise)
        return verdict

    def render(self, request: HelmRequest) -> Render | Refused:
        self.renders += 1
        answer = self.renderer.render(request)
        if isinstance(answer, Refused):
            return answer
        self.program = answer.renderer
        return Render(answer.text, self.traced.unit.cluster, self.traced.unit.namespace)

    def lost(self, verdict: Verdict, settings: list[Setting]) -> list[Setting]:
        """What the first setting of a `resources` switched off, to be set beside it."""
        effects = dict(verdict.beyond)
        carried: dict[tuple[object, ...], Setting] = {one.keys: one for one in settings}
        mine = set(carried)
        for each in self.plain.containers():
            base = self.base(each, mine)
            if base is None:
                continue
            for way, amount in each.resources.items():
                if Spot(each.identity, (*each.path, "resources", *way)) in effects:
                    text = not isinstance(amount, Plain)
                    carried.setdefault((*base, *way), Setting((*base, *way), str(amount), text))
        return [one for keys, one in carried.items() if keys not in mine]

    def base(self, each: RenderedContainer, mine: set[tuple[object, ...]]) -> tuple[str | int, ...] | None:
        """The value path of the `resources` that a container takes, if one of its fields is set now."""
        for field in Field:
            origin = self.traced.origins.get((each.ref, field))
            if origin is not None and field is not Field.IMAGE:
                keys = origin.seen.candidate.keys
                if keys in mine and keys[-2:] == tuple(field.value.split(".")):
                    return keys[:-2]
        return None


# -- refusals -------------------------------------------------------------------------------------


def _refusal(verdict: Verdict, settings: list[Setting]) -> Refused:
    what = " and ".join(f"`{shown(one.keys)}`" for one in settings)
    if verdict.beyond:
        effects = "; ".join(_named(verdict.beyond))
        return Refused(Reason.SIDE_EFFECT, f"setting {what} would change more than was meant: {effects}")
    left = "; ".join(
        f"{_subject(one.ref, one.spot)} stays {one.old or 'unset'}" for one in verdict.missing[:_MOST_NAMED]
    )
    return Refused(Reason.NO_EFFECT, f"setting {what} doesn't do it, for something overrides it: {left}")


def _subject(ref: ContainerRef | None, spot: Spot) -> str:
    return f"{ref} {'.'.join(spot.path[-2:])}" if ref is not None else str(spot)


def _named(beyond: tuple[tuple[Spot, Difference], ...]) -> Iterator[str]:
    for spot, one in beyond[:_MOST_NAMED]:
        secret = spot.identity.kind in ("Secret", "ConfigMap")  # a name says enough of what they hold
        yield str(spot) if secret else f"{spot} ({_short(one.old)} → {_short(one.new)})"
    if len(beyond) > _MOST_NAMED:
        yield f"and {len(beyond) - _MOST_NAMED} more"


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "…"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "…"
