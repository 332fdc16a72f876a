"""New values as edits of the files that own them, proven by rendering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model import FIELDS, ContainerRef, Field, FileChange, NewValue, Reason, Refused
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.tracing.helm import Extra, Traced
from reconciler.source.tracing.owners import Read, shown
from reconciler.source.tracing.proof import Copy, Difference, Intent, Spot, Verdict, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render, RenderedContainer
from reconciler.source.tracing.wishes import Setting, becomes, settings_of
from reconciler.source.tracing.writing import Written, write
from reconciler.source.yamledit.values import Plain

_MOST_NAMED: Final = 4
_AGAIN: Final = b"# rendered once more\n"  # makes a request of its own, so that no cache answers


class Derived(NamedTuple):
    """A field that the chart works out from the one that was changed; "" where there was, or is, none."""

    spot: Spot
    old: str
    new: str


class Proof(NamedTuple):
    """What a reviewer is told: what changed, what followed, and what was set besides to keep the rest."""

    changed: tuple[Intent, ...]
    copies: tuple[Copy, ...]
    carried: tuple[Setting, ...]
    noise: int  # places that differ between two renders of the same
    renderer: str
    renders: int
    derived: tuple[Derived, ...] = ()


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
    *,
    derived: bool = False,
    overlay: bool = False,
) -> Edited | Refused:
    """The edits that make every wish true and change nothing else that is rendered, or why not.

    `derived`: what the chart works out from the new value in the same workload may change with it.
    `overlay`: set in the unit's last file of values, on top of whatever sets it today.
    """
    if traced.refused is not None:
        return traced.refused
    request = traced.unit.request
    if not isinstance(request, HelmRequest) or traced.plain is None:
        return Refused(Reason.NOT_TRACED, "this is no chart")
    settings = _settings(traced, wishes, numbers)
    if isinstance(settings, Refused):
        return settings
    intents = _intents(traced, wishes, numbers)
    if isinstance(intents, Refused):
        return intents
    return _Attempt(traced, request, renderer, read, derived, overlay).made(settings, intents)


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
    return _agreeing(settings)


def _agreeing(settings: list[Setting]) -> list[Setting] | Refused:
    """Each setting once; two wishes may not want different things of one value."""
    found: dict[tuple[object, ...], Setting] = {}
    for one in settings:
        if found.setdefault(one.keys, one) != one:
            both = f"`{found[one.keys].value}` and `{one.value}`"
            return Refused(Reason.SIDE_EFFECT, f"`{shown(one.keys)}` can't be {both} at once")
    return list(found.values())


def _intents(
    traced: Traced, wishes: Sequence[NewValue], numbers: Sequence[NewNumber]
) -> tuple[Intent, ...] | Refused:
    """Every field that the wishes are about; consumers that another unit renders are proven there."""
    unit = traced.unit
    plain = Render(traced.plain.text if traced.plain else "", unit.cluster, unit.namespace)
    containers = {each.ref: each for each in plain.containers()}
    found: dict[Spot, Intent] = {}
    for wish in wishes:
        field = wish.slot.field
        for ref in wish.slot.consumers:
            if (each := containers.get(ref)) is None:
                continue
            new = becomes(traced, wish, ref, each.values[field])
            if isinstance(new, Refused):
                return new
            spot = Spot(each.identity, (*each.path, *WAYS[field]))
            found[spot] = Intent(ref, field, spot, each.values[field], new)
    for number in numbers:
        spot = Spot(number.extra.identity, number.extra.path)
        found[spot] = Intent(None, None, spot, number.extra.value, number.new)
    return tuple(found.values())


class _Tried(NamedTuple):
    written: Written
    verdict: Verdict
    carried: list[Setting]


class _Attempt:
    """Writes, renders and compares, until the difference is what was meant or can't be."""

    def __init__(
        self,
        traced: Traced,
        request: HelmRequest,
        renderer: Renderer,
        read: Read | None,
        derived: bool,
        overlay: bool,
    ) -> None:
        self.traced = traced
        self.overlay = overlay
        self.derived = derived
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
        if isinstance(tried, _Tried) and (carried := self.lost(tried.verdict, settings)):
            tried = self.tried(settings, intents, carried)
        if isinstance(tried, Refused):
            return tried
        verdict = tried.verdict
        derived = derived_in(verdict.beyond, intents) if self.derived else ()
        if verdict.missing or len(derived) < len(verdict.beyond):
            return _refusal(verdict, settings)
        return self.edited(tried, derived)

    def tried(
        self, settings: list[Setting], intents: tuple[Intent, ...], carried: list[Setting]
    ) -> _Tried | Refused:
        """One way of writing it, and what it did."""
        wanted = [*settings, *carried]
        written = write(self.traced.unit, self.request, wanted, self.read, overlay=self.overlay)
        if isinstance(written, Refused):
            return written
        verdict = self.verdict(written, intents)
        return verdict if isinstance(verdict, Refused) else _Tried(written, verdict, carried)

    def edited(self, tried: _Tried, derived: tuple[Derived, ...]) -> Edited:
        written, verdict, carried = tried
        files = tuple((repository, change) for (repository, _), change in written.files.items())
        noise = len(self.noise or ())
        proof = Proof(
            verdict.done, verdict.copies, tuple(carried), noise, self.program, self.renders, derived
        )
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
        for field in FIELDS:
            origin = self.traced.origins.get((each.ref, field))
            if origin is not None and field is not Field.IMAGE:
                keys = origin.seen.candidate.keys
                if keys in mine and keys[-2:] == tuple(field.value.split(".")):
                    return keys[:-2]
        return None


def derived_in(
    beyond: tuple[tuple[Spot, Difference], ...], intents: tuple[Intent, ...]
) -> tuple[Derived, ...]:
    """Of what else changed, all that the chart may have worked out: values of the workloads meant.

    What vanishes from a `resources` isn't worked out but switched off.
    """
    workloads = {intent.spot.identity for intent in intents}
    return tuple(
        Derived(spot, _short(one.old, ""), _short(one.new, ""))
        for spot, one in beyond
        if spot.identity in workloads
        and spot.path
        and not (one.new is None and "resources" in spot.path[-3:])
    )


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


def _short(value: object, nothing: str = "nothing") -> str:
    if value is None:
        return nothing
    if isinstance(value, dict | list):
        return "…"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "…"
