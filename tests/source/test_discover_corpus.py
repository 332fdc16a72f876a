"""Discovery of several hundred manifests of every style, against what another parser reads there."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
import yaml12
from corpus.manifest_corpus import manifests
from trees import found_in

from reconciler.model import FIELDS, Container, Discovery, Field
from reconciler.source.rewrite import rewrite_values
from reconciler.source.wishes import new_values

CORPUS = {manifest.name: manifest for manifest in manifests(400)}


def _path(name: str) -> str:
    return f"{name}/{name}.{'json' if CORPUS[name].style.json else 'yaml'}"


@pytest.fixture(scope="module")
def found() -> Discovery:
    return found_in({_path(name): manifest.data for name, manifest in CORPUS.items()})


def _documents(data: bytes) -> list[Any]:
    return list(yaml12.parse_yaml(data.decode("utf-8-sig"), multi=True))


def _in_force(container: Any, field: Field) -> str | None:
    keys = ("image",) if field is Field.IMAGE else ("resources", *field.value.split("."))
    value = reduce(lambda here, key: (here or {}).get(key), keys, container)
    return None if value is None else str(value)


def _by_place(found: Discovery) -> dict[tuple[str, int, tuple[str | int, ...]], Container]:
    at = {}
    for workload in found.workloads:
        for container in workload.containers:
            place = container.slots[0].place
            at[place.path, place.document, place.keys[:-3]] = container
    return at


def test_every_container_is_found_at_its_place_and_nothing_else(found: Discovery) -> None:
    expected = {
        (_path(name), document, tuple(keys))
        for name, manifest in CORPUS.items()
        for document, keys in manifest.containers
    }
    assert found.failures == ()
    assert set(_by_place(found)) == expected
    assert len(expected) > 500


def test_every_value_is_what_another_parser_reads(found: Discovery) -> None:
    at = _by_place(found)
    for name, manifest in CORPUS.items():
        documents = _documents(manifest.data)
        for document, keys in manifest.containers:
            body = reduce(lambda here, key: here[key], keys, documents[document])
            for field in FIELDS:
                value, expected = (
                    at[_path(name), document, tuple(keys)].slot(field).value,
                    _in_force(body, field),
                )
                if value is None or expected is None:
                    assert value == expected, (name, field)
                else:
                    assert value == expected or float(value) == float(expected), (name, field)


def test_every_line_holds_the_value(found: Discovery) -> None:
    checked = 0
    for (path, _, _), container in _by_place(found).items():
        text = CORPUS[path.partition("/")[0]].data.decode("utf-8-sig").split("\n")
        for slot in container.slots:
            if slot.value is not None and slot.refused is None:
                assert slot.value[:10] in text[slot.line - 1], (path, slot)
                checked += 1
    assert checked > 1000


def test_what_is_set_is_found_set_and_all_else_is_as_before(found: Discovery) -> None:
    """One container in ten: each field that can be set, by its slot alone."""
    before = _by_place(found)
    for (path, document, keys), container in list(before.items())[::10]:
        data = CORPUS[path.partition("/")[0]].data
        wishes = [
            f"{slot.field}={new}"
            for slot, new in zip(container.slots, ("7m", "7Mi", "70m", "70Mi", "other.io/x:7"), strict=True)
            if slot.refused is None
        ]
        changed, refused = (
            rewrite_values({path: data}, new_values(container, wishes)) if wishes else ({}, None)
        )
        if refused is not None or not wishes:
            continue
        again = found_in({path: changed[path].after})
        for where, after in _by_place(again).items():
            for slot in after.slots:
                wish = f"{slot.field}={slot.value}"
                if where == (path, document, keys) and any(w.startswith(f"{slot.field}=") for w in wishes):
                    assert wish in wishes
                else:
                    assert slot.value == before[where].slot(slot.field).value
