"""What the programs of a render are started with; the ConfigMaps beside them are known too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.model import ContainerRef, RuntimeOption
from reconciler.source import runtimes
from reconciler.source.objects import KINDS
from reconciler.source.started import Configs, Given
from reconciler.source.tracing.rendered import Object, Render, RenderedContainer, get, objects_of, text_of
from reconciler.source.yamledit.values import read_part

_CONFIG_MAP: Final = re.compile(r"\bkind\b[\"']?\s*:\s*[\"']?(?:ConfigMap\b|\w*List\b)")


def options_of(render: Render) -> dict[ContainerRef, tuple[RuntimeOption, ...]]:
    """Of each container that has any."""
    found: dict[ContainerRef, tuple[RuntimeOption, ...]] = {}
    configs = _ConfigMaps(render)
    by_object: dict[object, list[RenderedContainer]] = {}
    for container in render.containers():
        by_object.setdefault(container.identity, []).append(container)
    for each in render.workloads():
        if each.identity.kind not in KINDS or each.identity not in by_object:
            continue
        inside = by_object[each.identity]
        started = dict(_started(each))
        resources = {one.ref.container: _resources(one) for one in inside}
        for one in inside:
            given = started.get(one.ref.container)
            if given is not None:
                known = configs.of(each.identity.namespace)
                options = runtimes.read(given, one.ref.container, resources, known)
                if options:
                    found[one.ref] = options
    return found


def _started(found: Object) -> Iterator[tuple[str, Given]]:
    pods = get(found.value, KINDS[found.identity.kind][1])
    for key in ("initContainers", "containers"):
        items = pods.get(key) if isinstance(pods, dict) else None
        for item in items if isinstance(items, list) else ():
            name = text_of(item.get("name")) if isinstance(item, dict) else None
            given = runtimes.given(item) if name else None
            if name and given is not None:
                yield name, given


def _resources(container: RenderedContainer) -> Mapping[str, str | None]:
    return {".".join(path): amount for path, amount in container.resources.items()}


class _ConfigMaps:
    """Those of a render, read when the first is asked for."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._data: dict[tuple[str, str], Mapping[str, str]] | None = None

    def of(self, namespace: str) -> Configs:
        def data(name: str) -> Mapping[str, str] | None:
            if self._data is None:
                self._data = dict(self._read())
            own = namespace or self._render.namespace
            return self._data.get((own, name))

        return data

    def _read(self) -> Iterator[tuple[tuple[str, str], Mapping[str, str]]]:
        for text in self._render.parts:
            if _CONFIG_MAP.search(text) is None:
                continue
            for identity, value in objects_of(read_part(text)):
                if identity.kind == "ConfigMap" and identity.version == "v1":
                    namespace = identity.namespace or self._render.namespace
                    yield (namespace, identity.name), _data(value)


def _data(value: dict[str, Any]) -> Mapping[str, str]:
    data = value.get("data")
    pairs = data.items() if isinstance(data, dict) else ()
    return {str(key): str(text) for key, text in pairs if isinstance(text, str)}
