"""What a new value of a field means for the values of the chart."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from reconciler.model import Field, NewValue, Reason, Refused
from reconciler.source.tracing import images
from reconciler.source.tracing.candidates import DIGEST, IMAGE
from reconciler.source.tracing.charts import Keys, value_at
from reconciler.source.tracing.helm import Origin, Traced
from reconciler.source.tracing.owners import shown

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
    found = next((traced.origins.get((ref, slot.field)) for ref in slot.consumers), None)
    if found is None:
        return Refused(Reason.NOT_TRACED, f"no value of the chart is known to lead to {slot.field.value}")
    if slot.field is Field.IMAGE:
        return _Image(traced, found, slot.value or "", wish.new).settings()
    value = _without(found.seen.before, wish.new, found.seen.after)
    if isinstance(value, Refused):
        return value
    return (Setting(found.seen.candidate.keys, value),)


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
        """The place is the tag's; a digest may have a place of its own beside it."""
        beside = self._sibling(_DIGEST)
        settings: list[Setting] = []
        tag = self.tag
        if self.digest != self.old_digest:
            if beside is not None and (self.old_digest or not self.tag):
                settings.append(Setting(beside, self.digest, True))
            elif self.tag and self.digest:
                tag = f"{self.tag}@{self.digest}"
            else:
                return Refused(Reason.NOT_TRACED, f"no value beside `{shown(self.keys)}` holds the digest")
        if self.tag != self.old_tag or tag != self.tag:
            if not self.tag:
                return tuple(settings)
            _, around, _ = images.parts(self.seen.before + self.seen.text + self.seen.after)
            head, found, tail = around.partition(self.seen.text)
            value = _without(head, tag, tail) if found else tag
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
