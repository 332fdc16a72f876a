"""Facts of many images from a registry: with as few questions as there can be."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from servers.registries import MANIFEST, Blob, Built, multi, single
from servers.small_registry import Memory, Said, SmallRegistry

from reconciler.images.facts import Age, Asked
from reconciler.images.reference import image
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import Wire
from reconciler.images.snapshot import Surroundings, snapshot
from reconciler.model import Hold, ImageFacts, ImagePolicy

_NOW = 1_800_000_000
_AROUND = Surroundings(_NOW, {}, {})


@pytest.fixture
def registries(registry: SmallRegistry) -> Iterator[Registries]:
    wire = Wire(lambda host: ssl.create_default_context(), 5.0, proxies={})
    made = Registries(wire, Endpoints([Endpoint(registry.host, plain=True)]), Memory(), lambda seconds: None)
    yield made
    made.close()


def _facts(registries: Registries, text: str, around: Surroundings = _AROUND, **said: Any) -> ImageFacts:
    holds = said.pop("holds", ())
    asked = Asked(text, ImagePolicy(**said), holds)
    return snapshot([asked], registries, around).facts[asked]


def test_the_newest_is_not_asked_about(registry: SmallRegistry, registries: Registries) -> None:
    registry.push("app", single(), "1.0.0", "0.9.0")
    found = _facts(registries, f"{registry.host}/app:1.0.0")
    assert (found.finalists, found.none, found.unanswered, found.tags) == ((), "", "", 2)
    assert registry.paths() == ["/v2/app/tags/list"]


def test_one_list_for_a_repository_and_metadata_for_the_finalist(
    registry: SmallRegistry, registries: Registries
) -> None:
    old, new = (
        multi(words="old"),
        multi(words="new", labels={"org.opencontainers.image.source": "https://x.io/y"}),
    )
    registry.push("app", old, "1.0.0")
    registry.push("app", new, "1.1.0", "1.2.0")
    asked = [
        Asked(f"{registry.host}/app:1.0.0", ImagePolicy(level=level)) for level in ("major", "minor", "patch")
    ]
    found = snapshot(asked, registries, _AROUND).facts
    assert registry.paths().count("/v2/app/tags/list") == 1
    facts = found[asked[0]]
    assert facts.current is not None
    assert facts.current.digest == old.digest
    best = facts.finalists[0]
    assert (best.tag, best.digest, len(facts.finalists)) == ("1.2.0", new.digest, 1)
    assert [name for name, _ in best.platforms] == ["linux/amd64", "linux/arm64"]
    assert best.labels == (("org.opencontainers.image.source", "https://x.io/y"),)
    assert "/v2/app/manifests/1.1.0" not in registry.paths()
    assert found[asked[2]].finalists == ()


def test_the_next_is_looked_at_where_the_best_may_not_be(
    registry: SmallRegistry, registries: Registries
) -> None:
    registry.push("app", multi(), "1.0.0", "1.1.0")
    registry.push("app", single(), "1.2.0")
    found = _facts(registries, f"{registry.host}/app:1.0.0")
    assert [one.tag for one in found.finalists] == ["1.2.0", "1.1.0", "1.0.0"]
    held = _facts(registries, f"{registry.host}/app:1.0.0", holds=(Hold("1.2.0", 1, "closed"),))
    assert [one.tag for one in held.finalists] == ["1.2.0"]


def test_ages(registry: SmallRegistry, registries: Registries) -> None:
    digest = registry.push("app", single(), "1.1.0")
    registry.push("app", single(words="x"), "1.0.0")
    text = f"{registry.host}/app:1.0.0"
    name = image(text).name
    asked = Asked(text, ImagePolicy(minimum_age=86_400))
    fresh = snapshot([asked], registries, _AROUND)
    assert (name, "1.1.0", digest) in fresh.seen
    assert fresh.facts[asked].finalists[0].since is None
    known = snapshot(
        [asked], registries, Surroundings(_NOW, {}, {(name, "1.1.0", digest): Age(_NOW - 99, "first-seen")})
    )
    assert known.facts[asked].finalists[0].since == _NOW - 99
    assert (name, "1.1.0", digest) not in known.seen
    registry.modified = "Fri, 01 Jan 2027 00:00:00 GMT"
    told = snapshot([asked], registries, _AROUND)
    assert (told.facts[asked].finalists[0].known_by, told.seen) == ("last-modified", {})


def test_newest_by_what_images_say(registry: SmallRegistry, registries: Registries) -> None:
    days = {"a": "2026-01-01", "b": "2026-03-01", "c": "1970-01-01"}
    for name, day in days.items():
        registry.push("app", single(created=f"{day}T00:00:00Z"), name)
    found = _facts(registries, f"{registry.host}/app:a", strategy="newest")
    assert [one.tag for one in found.finalists] == ["b"]


def test_a_digest_that_moved(registry: SmallRegistry, registries: Registries) -> None:
    digest = registry.push("app", single(), "stable")
    found = _facts(registries, f"{registry.host}/app:stable", strategy="digest", digest="pin")
    assert [(one.tag, one.digest) for one in found.finalists] == [("stable", digest)]


def test_whatever_fails_is_a_fact_of_its_image(registry: SmallRegistry, registries: Registries) -> None:
    registry.push("app", single(), "1.0.0", "1.1.0")
    registry.answers = lambda asked: Said(500) if "/broken/" in asked.path else None
    texts = [
        f"{registry.host}/app:1.0.0",
        f"{registry.host}/broken:1",
        "evil.example.org/x:1",
        "no image",
        "nginx@x",
    ]
    asked = [Asked(text, ImagePolicy()) for text in texts]
    asked.append(Asked(f"{registry.host}/app:1.0.0", ImagePolicy(filter="(")))
    found = snapshot(asked, registries, _AROUND).facts
    assert found[asked[0]].finalists[0].tag == "1.1.0"
    assert "answers with 500" in found[asked[1]].unanswered
    assert "no registry that may be asked" in found[asked[2]].unanswered
    assert all(found[each].none for each in asked[3:])


def test_hostile_blobs_are_not_fetched_twice(registry: SmallRegistry, registries: Registries) -> None:
    registry.push("app", single(), "1.0.0", "1.1.0")
    registry.answers = lambda asked: Said(200, b"x" * (5 << 20)) if "/blobs/" in asked.path else None
    found = _facts(registries, f"{registry.host}/app:1.0.0")
    assert found.finalists[0].created is None
    assert len([path for path in registry.paths() if "/blobs/" in path]) == 1


_EMPTY = "application/vnd.oci.empty.v1+json"


def _pushed_as(registry: SmallRegistry, kind: str, tag: str) -> None:
    """Something else than an image: a chart, a signature, or bytes that are nothing at all."""
    config = Blob(kind, b"{}")
    said = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor, "layers": []}
    text = b"nothing" if kind == "nothing" else json.dumps(said).encode()
    registry.push("app", Built((config,), (Blob(MANIFEST, text),)), tag)


@pytest.mark.parametrize("kind", [_EMPTY, "application/vnd.cncf.helm.config.v1+json", "nothing"])
def test_what_is_no_image_is_never_chosen_and_hides_nothing(
    registry: SmallRegistry, registries: Registries, kind: str
) -> None:
    registry.push("app", single(words="old", created="2026-01-01T00:00:00Z"), "1.0.0")
    registry.push("app", single(words="new", created="2026-02-01T00:00:00Z"), "1.1.0")
    _pushed_as(registry, kind, "1.2.0")
    found = _facts(registries, f"{registry.host}/app:1.0.0")
    assert ([one.tag for one in found.finalists], found.unanswered) == (["1.1.0"], "")
    assert ("1.2.0", "it is no image") in found.lost
    found = _facts(registries, f"{registry.host}/app:1.0.0", strategy="newest")
    assert ([one.tag for one in found.finalists], found.unanswered) == (["1.1.0"], "")


def test_a_tag_that_leads_to_nothing_hides_no_other(registry: SmallRegistry, registries: Registries) -> None:
    registry.push("app", single(words="old", created="2026-01-01T00:00:00Z"), "1.0.0")
    registry.push("app", single(words="new", created="2026-02-01T00:00:00Z"), "1.1.0")
    gone = registry.push("app", single(words="gone"), "1.2.0")
    registry.answers = lambda asked: Said(404) if asked.path.endswith(gone) else None
    for strategy in ("semver", "newest"):
        found = _facts(registries, f"{registry.host}/app:1.0.0", strategy=strategy)
        assert ([one.tag for one in found.finalists], found.unanswered) == (["1.1.0"], "")


def test_where_the_image_in_force_is_none_there_is_nothing_to_compare_with(
    registry: SmallRegistry, registries: Registries
) -> None:
    _pushed_as(registry, _EMPTY, "1.0.0")
    registry.push("app", single(), "1.1.0")
    found = _facts(registries, f"{registry.host}/app:1.0.0")
    assert (found.current, [one.tag for one in found.finalists]) == (None, ["1.1.0"])
