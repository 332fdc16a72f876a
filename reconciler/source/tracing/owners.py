"""From a value path to the place in Git that sets it, or where it would be set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from reconciler.model import Place, Reason, Refused
from reconciler.source.tracing.charts import Keys, mapping, parameter_keys, sets
from reconciler.source.units import Layer, Unit
from reconciler.source.yamledit import Document, decode, parse, untemplated, where

# The bytes of a file of a repository; None when there is none.
Read = Callable[[str, str], bytes | None]


class Owner(NamedTuple):
    """Where a value path is set: the place, its line, and why it can't be edited there, if so."""

    place: Place
    line: int
    refused: Refused | None
    layer: int = -1  # of the unit's layers, or
    parameter: int = -1  # of its parameters


class Owners:
    """Answers for one unit, each layer read once.

    `overlay`: where a value would be set on top of whatever sets it, in the last file of the unit.
    """

    def __init__(self, unit: Unit, read: Read | None = None, *, overlay: bool = False) -> None:
        self.unit = unit
        self._overlay = overlay
        self._read = read
        self._values = [mapping(layer.content) for layer in unit.layers]
        self._parameters = [parameter_keys(one.name) for one in unit.parameters]
        self._documents: dict[tuple[str, str], tuple[str, tuple[Document, ...]] | Refused] = {}

    def owner(self, keys: Keys) -> Owner:
        for at in range(len(self._parameters) - 1, -1, -1):
            theirs = self._parameters[at]
            if theirs == keys:
                place = self.unit.parameters[at].place
                return self._found(place, parameter=at)
            if theirs and theirs == keys[: len(theirs)]:
                name = self.unit.parameters[at].name
                return self._nowhere(Refused(Reason.NO_EFFECT, f"the parameter `{name}` sets all of it"))
        # helm merges mappings, but takes a list from the last file that has it
        whole = next((keys[:at] for at, key in enumerate(keys) if isinstance(key, int)), keys)
        setting = [at for at, values in enumerate(self._values) if sets(values, whole)]
        own = [at for at in setting if not self.unit.layers[at].shared]
        last = own[-1] if own and not self._overlay else self._last_editable(setting)
        if last is None:
            return self._nowhere(
                Refused(Reason.NOT_TRACED, f"no file of values here can hold `{shown(keys)}`")
            )
        layer = self.unit.layers[last]
        owner = self._found(place_of(layer, keys), layer=last)
        if layer.refused:
            return owner._replace(refused=layer.refused)
        if whole != keys and setting and last not in setting:
            why = f"the list `{shown(whole)}` of the chart's defaults would have to be repeated whole"
            return owner._replace(refused=Refused(Reason.NOT_TRACED, why))
        return owner

    def _last_editable(self, setting: list[int]) -> int | None:
        layers = self.unit.layers
        own = [at for at, layer in enumerate(layers) if not layer.shared]
        editable = [at for at in own if layers[at].refused is None]
        if editable or own:
            return (editable or own)[-1]
        everywhere = setting or list(range(len(layers)))
        return everywhere[-1] if everywhere else None

    def _nowhere(self, refused: Refused) -> Owner:
        return Owner(Place(self.unit.repository, self.unit.path, 0, ()), self.unit.line, refused)

    def _found(self, place: Place, *, layer: int = -1, parameter: int = -1) -> Owner:
        text = self._text(place, layer)
        if isinstance(text, Refused):
            return Owner(place, 0, text, layer, parameter)
        documents = text[1]
        if not documents and not place.inner and place.document == 0:  # empty, or comments alone
            return Owner(place, max(1, len(text[0].splitlines())), None, layer, parameter)
        if not 0 <= place.document < len(documents):
            refused = Refused(Reason.UNPROVEN, f"{place.path} has no document {place.document}")
            return Owner(place, 0, refused, layer, parameter)
        found = where(documents[place.document], text[0], place.keys, place.inner)
        return Owner(place, found.line, found.refused, layer, parameter)

    def _text(self, place: Place, layer: int) -> tuple[str, tuple[Document, ...]] | Refused:
        key = (place.repository, place.path)
        if key not in self._documents:
            self._documents[key] = self._parsed(place, layer)
        return self._documents[key]

    def _parsed(self, place: Place, layer: int) -> tuple[str, tuple[Document, ...]] | Refused:
        data = file_bytes(self.unit, self._read, place.repository, place.path)
        if data is None:
            return Refused(Reason.UNPROVEN, f"{place.path} is in no repository that can be read here")
        text = decode(data)
        if isinstance(text, Refused):
            return text
        documents = parse(text)
        plain = is_whole_layer(self.unit, place.repository, place.path)
        return text, untemplated(documents) if plain else documents


def file_bytes(unit: Unit, read: Read | None, repository: str, path: str) -> bytes | None:
    """A file's content: from the repository, or from the layer that is the whole file."""
    if read is not None and (data := read(repository, path)) is not None:
        return data
    return next((layer.content for layer in _whole_layers(unit, repository, path)), None)


def is_whole_layer(unit: Unit, repository: str, path: str) -> bool:
    """Whether helm is given this file as it stands: it obeys no template in it, in a comment or elsewhere."""
    return any(_whole_layers(unit, repository, path))


def _whole_layers(unit: Unit, repository: str, path: str) -> Iterator[Layer]:
    for layer in unit.layers:
        whole = not layer.block and not layer.place.keys
        if whole and (layer.place.repository, layer.place.path) == (repository, path):
            yield layer


def place_of(layer: Layer, keys: Keys) -> Place:
    if layer.block:
        return layer.place._replace(inner=(*layer.place.inner, *keys))
    return layer.place._replace(keys=(*layer.place.keys, *keys))


def shown(keys: Keys) -> str:
    """A path as people write it: `workers[0].resources`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
