"""What a new value of a field means: for the values of the chart, and for all that they feed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from reconciler.model import ContainerRef, Field, NewValue, Reason, Refused
from reconciler.quantity import BadQuantity, read
from reconciler.source.tracing import images
from reconciler.source.tracing.candidates import DIGEST, IMAGE
from reconciler.source.tracing.charts import Keys, value_at
from reconciler.source.tracing.helm import Origin, Traced
from reconciler.source.tracing.owners import shown
from reconciler.source.tracing.sentinels import Seen

_REGISTRY: Final = ("registry", "imageRegistry", "hub")
_NAME: Final = ("repository", "repo", "name", "image", "imageName", "imageRepository")
_DIGEST: Final = ("digest", "sha", "sha256", "imageDigest")
_TAG: Final = ("tag", "imageTag", "version")


class Setting(NamedTuple):
    """A value path of the chart, and what it is to hold. `text`: a string, whatever it looks like."""

    keys: Keys
    value: str
    text: bool = False


def settings_of(traced: Traced, wish: NewValue) -> tuple[Setting, ...] | Refused:
    """The values of the chart that make a field what it shall be."""
    slot = wish.slot
    if slot.refused is not None:
        return slot.refused
    found = _origin(traced, wish)
    if found is None:
        return Refused(Reason.NOT_TRACED, f"no value of the chart is known to lead to {slot.field.value}")
    if slot.field is Field.IMAGE:
        return _Image(traced, found, slot.value or "", wish.new).settings()
    value = _amount(slot.field, found.seen, wish.new)
    return value if isinstance(value, Refused) else (Setting(found.seen.candidate.keys, value),)


def becomes(traced: Traced, wish: NewValue, ref: ContainerRef, current: str | None) -> str | Refused:
    """What a consumer's field is to be: what was wished, as the chart writes it there.

    Two containers may have a tag in common, but not a name; or one gets the bare amount, the other a unit.
    """
    field, lead, own = wish.slot.field, _origin(traced, wish), traced.origins.get((ref, wish.slot.field))
    if lead is None or own is None or (current is not None and current == wish.slot.value):
        return wish.new
    if field is Field.IMAGE:
        return _Follower(lead.seen, own.seen, wish, current or "").reference()
    value = _amount(field, lead.seen, wish.new)
    return value if isinstance(value, Refused) else f"{own.seen.before}{value}{own.seen.after}"


def _origin(traced: Traced, wish: NewValue) -> Origin | None:
    """The way into the container that the wish speaks of; else one at whose end the same would stand.

    The wish may speak of a container that only another unit renders.
    """
    slot, values = wish.slot, {one.ref: one.slot(wish.slot.field).value for one in traced.containers}
    known = [ref for ref in slot.consumers if (ref, slot.field) in traced.origins]
    ours = [ref for ref in known if traced.origins[ref, slot.field].owner.place == slot.place] or known
    equal = [ref for ref in ours if values.get(ref) == slot.value]
    origins = [traced.origins[ref, slot.field] for ref in equal or ours]
    alike = (one for one in origins if _would_be(traced, one.seen, slot.field, slot.value or ""))
    return next(alike, origins[0] if origins else None)


def _would_be(traced: Traced, seen: Seen, field: Field, text: str) -> bool:
    """Whether what the chart makes of the value that is set now is that text, or ends as it does."""
    held = str(value_at(traced.values, seen.candidate.keys))
    if field is Field.IMAGE and seen.candidate.kind != IMAGE:
        return "".join(_around(seen, held)) in images.parts(text)[1:]
    return f"{seen.before}{held}{seen.after}" == text


def _amount(field: Field, seen: Seen, new: str) -> str | Refused:
    """An amount without what the chart puts around it; in the chart's unit, where that is exact."""
    value = _without(seen.before, new, seen.after)
    if isinstance(value, Refused) and seen.after and not seen.before:
        try:
            count, rest = divmod(read(field, new), read(field, f"1{seen.after}"))
        except (BadQuantity, ZeroDivisionError):
            return value
        return value if rest else str(count)
    return value


def _without(before: str, new: str, after: str) -> str | Refused:
    """A new value without what the chart itself puts around it."""
    if new.startswith(before) and new.endswith(after) and len(new) > len(before) + len(after):
        return new[len(before) : len(new) - len(after)]
    return Refused(
        Reason.COMPUTED, f"the chart itself writes `{before}…{after}`, and `{new}` has another shape"
    )


class _Image:
    """An image's new reference, set part by part where the chart takes it in parts."""

    def __init__(self, traced: Traced, origin: Origin, old: str, new: str) -> None:
        self.seen = origin.seen
        self.keys = origin.seen.candidate.keys
        self.beside = value_at(traced.values, self.keys[:-1])
        self.new = new
        self.old_name, self.old_tag, self.old_digest = images.parts(old)
        self.name, self.tag, self.digest = images.parts(new)

    def settings(self) -> tuple[Setting, ...] | Refused:
        if self.seen.candidate.kind == IMAGE:
            value = _without(self.seen.before, self.new, self.seen.after)
            return value if isinstance(value, Refused) else (Setting(self.keys, value, True),)
        named = self._named() if self.name != self.old_name else ()
        if isinstance(named, Refused):
            return named
        version = self._pinned() if self.seen.candidate.kind == DIGEST else self._tagged()
        return version if isinstance(version, Refused) else (*named, *version)

    def _tagged(self) -> tuple[Setting, ...] | Refused:
        """The place is the tag's; a digest may have a place of its own beside it, or stand in the tag."""
        beside = self._sibling(_DIGEST)
        settings: list[Setting] = []
        tag = self.tag
        inside = self.old_digest != "" and self._text(self.keys).endswith(f"@{self.old_digest}")
        if inside and self.tag:
            tag = f"{self.tag}@{self.digest}" if self.digest else self.tag
        elif self.digest != self.old_digest:
            if beside is not None and (self.old_digest or not self.tag):
                settings.append(Setting(beside, self.digest, True))
            elif self.tag and self.digest:
                tag = f"{self.tag}@{self.digest}"
            else:
                return Refused(Reason.NOT_TRACED, f"no value beside `{shown(self.keys)}` holds the digest")
        if inside or self.tag != self.old_tag or tag != self.tag:
            if not self.tag:
                return tuple(settings)
            value = _without(*_around(self.seen, tag))
            if isinstance(value, Refused):
                return value
            settings.append(Setting(self.keys, value, True))
        return tuple(settings)

    def _pinned(self) -> tuple[Setting, ...] | Refused:
        """The place is the digest's, and what is rendered may not even show the tag."""
        settings = [Setting(self.keys, self.digest, True)] if self.digest != self.old_digest else []
        if self.tag != self.old_tag:
            beside = self._sibling(_TAG)
            if beside is None:
                return Refused(Reason.NOT_TRACED, f"no value beside `{shown(self.keys)}` holds the tag")
            settings.append(Setting(beside, self.tag, True))
        return tuple(settings)

    def _named(self) -> tuple[Setting, ...] | Refused:
        """Registry and name, where they stand beside the tag and make up what is rendered."""
        registry, name = self._sibling(_REGISTRY), self._sibling(_NAME)
        held = [self._text(keys) for keys in (registry, name)]
        if name is not None and held[1] and self.old_name == held[1]:
            return (Setting(name, self.name, True),)
        if name is not None and registry is not None and self.old_name == "/".join(held):
            if self.name.startswith(held[0] + "/"):
                return (Setting(name, self.name.removeprefix(held[0] + "/"), True),)
            host, slash, rest = self.name.partition("/")
            if slash and ("." in host or ":" in host or host == "localhost"):
                return (Setting(registry, host, True), Setting(name, rest, True))
        return Refused(
            Reason.NOT_TRACED, f"no values beside `{shown(self.keys)}` make up the name of the image"
        )

    def _sibling(self, names: tuple[str, ...]) -> Keys | None:
        beside = self.beside if isinstance(self.beside, dict) else {}
        name = next((name for name in names if name in beside and name != self.keys[-1]), None)
        return None if name is None else (*self.keys[:-1], name)

    def _text(self, keys: Keys | None) -> str:
        value: Any = self.beside.get(keys[-1]) if keys is not None and isinstance(self.beside, dict) else None
        return value if isinstance(value, str) else ""


def _around(seen: Seen, tag: str) -> tuple[str, str, str]:
    """A tag, between what the chart writes before and after the value that it is made of."""
    head, found, tail = images.parts(seen.before + seen.text + seen.after)[1].partition(seen.text)
    return (head, tag, tail) if found else ("", tag, "")


class _Follower:
    """Another image at the same place: its own name, with the tag and digest that it shares."""

    def __init__(self, lead: Seen, own: Seen, wish: NewValue, current: str) -> None:
        self.lead = lead
        self.own = own
        self.new = wish.new
        self.current = current
        self.old_parts = images.parts(wish.slot.value or "")
        self.new_parts = images.parts(wish.new)
        self.own_parts = images.parts(current)

    def reference(self) -> str | Refused:
        if self.own.candidate.kind == IMAGE:
            value = _without(self.lead.before, self.new, self.lead.after)
            return value if isinstance(value, Refused) else f"{self.own.before}{value}{self.own.after}"
        (old_name, old_tag, old_digest), (name, new_tag, digest) = self.old_parts, self.new_parts
        own_name, own_tag, own_digest = self.own_parts
        mirror = own_name == old_name or (old_digest != "" and own_digest == old_digest)
        if digest and digest != old_digest and not mirror:
            return self._another_digest()
        tag = self._tag(own_tag, old_tag, new_tag)
        if isinstance(tag, Refused):
            return tag
        made = digest if own_digest == old_digest else own_digest
        head = name if own_name == old_name else own_name
        return head + (f":{tag}" if tag else "") + (f"@{made}" if made else "")

    def _tag(self, own: str, old: str, new: str) -> str | Refused:
        if own == old or new == old or not own:
            return new if own == old else own
        value = _without(*_around(self.lead, new))
        if isinstance(value, Refused):
            return value
        before, _, after = _around(self.own, value)
        return f"{before}{value}{after}"

    def _another_digest(self) -> Refused:
        return Refused(
            Reason.SIDE_EFFECT,
            f"`{shown(self.own.candidate.keys)}` also makes up {self.current}, which has no such digest",
        )
