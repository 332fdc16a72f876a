"""Settings written into the files that own them, and the request that those files then make."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from reconciler.model import FileChange, Place, Reason, Refused
from reconciler.source.render import HelmRequest
from reconciler.source.tracing.charts import parameter_keys, value_at
from reconciler.source.tracing.owners import Owners, Read, file_bytes, is_whole_layer
from reconciler.source.tracing.wishes import Setting
from reconciler.source.units import Layer, Unit
from reconciler.source.yamledit import Assignment, decode, layout, parse, rewrite, scalars
from reconciler.source.yamledit.values import UnreadableError, read_values

FileKey = tuple[str, str]  # repository, path


class Written(NamedTuple):
    """The files that change, and what helm would be asked with them."""

    files: dict[FileKey, FileChange]
    request: HelmRequest


def write(
    unit: Unit,
    request: HelmRequest,
    settings: Iterable[Setting],
    read: Read | None,
    *,
    overlay: bool = False,
) -> Written | Refused:
    owners = Owners(unit, read, overlay=overlay)
    assignments: dict[FileKey, list[Assignment]] = {}
    for setting in settings:
        owner = owners.owner(setting.keys)
        if owner.refused is not None:
            return owner.refused
        place = owner.place
        text = setting.text or owner.parameter >= 0  # a parameter's value is a string to Argo CD
        assignments.setdefault((place.repository, place.path), []).append(
            Assignment(place.document, place.keys, setting.value, text, place.inner)
        )
    files: dict[FileKey, FileChange] = {}
    for (repository, path), wanted in assignments.items():
        data = file_bytes(unit, read, repository, path)
        if data is None:
            return Refused(Reason.UNPROVEN, f"{path} is in no repository that can be read here")
        after = _rewritten(data, wanted, is_whole_layer(unit, repository, path))
        if isinstance(after, Refused):
            return after
        if after != data:
            files[repository, path] = FileChange(path, data, after)
    try:
        return Written(files, _rebuilt(unit, request, files))
    except UnreadableError as error:
        return Refused(Reason.UNPROVEN, f"what was written can't be read back: {error}")


def _rewritten(data: bytes, wanted: list[Assignment], plain: bool) -> bytes | Refused:
    text = decode(data)
    if isinstance(text, Refused):
        return text
    if parse(text):
        return rewrite(data, wanted, as_it_stands=plain)
    return _begun(text, wanted).encode()


def _begun(text: str, wanted: list[Assignment]) -> str:
    """A file of comments alone, or an empty one, gets its first values."""
    new: layout.New = {}
    for one in wanted:
        below: Any = new
        for key in one.keys[:-1]:
            below = below.setdefault(str(key), {})
        below[str(one.keys[-1])] = scalars.written(one.value, text=one.text, json=False)
    head = text if not text or text.endswith("\n") else text + "\n"
    return head + "".join(line + "\n" for line in layout.block_lines(new, 0, 2, quotes=False))


# -- the request, made of the edited files --------------------------------------------------------


def _rebuilt(unit: Unit, request: HelmRequest, files: dict[FileKey, FileChange]) -> HelmRequest:
    chart, values, at = request.chart, list(request.values), 0
    for layer in unit.layers:
        changed = files.get((layer.place.repository, layer.place.path))
        if changed is not None and layer.shared:
            chart = {**chart, "values.yaml": _content(layer, changed.after)}
        elif changed is not None:
            values[at] = _content(layer, changed.after)
        at += not layer.shared
    parameters = list(request.parameters)
    for one in unit.parameters:
        changed = files.get((one.place.repository, one.place.path))
        if changed is None:
            continue
        value = _value(one.place, changed.after)
        for index, parameter in enumerate(parameters):
            if parameter_keys(parameter.name) == parameter_keys(one.name):
                parameters[index] = parameter._replace(value=str(value))
    return request._replace(chart=chart, values=tuple(values), parameters=tuple(parameters))


def _content(layer: Layer, data: bytes) -> bytes:
    """What helm is given of a layer: the file, a mapping in it, or the text of a block."""
    if not layer.place.keys:
        return data
    value = _value(layer.place._replace(inner=()), data)
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def _value(place: Place, data: bytes) -> Any:
    text = data.decode()
    document = parse(text)[place.document]
    value = value_at(read_values(text[document.start : document.end]), place.keys)
    return value_at(read_values(value), place.inner) if place.inner and isinstance(value, str) else value
