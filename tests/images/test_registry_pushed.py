"""When registries got a tag, by the APIs of their own; against small servers that speak like them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers import small_registry
from servers.registries import single
from servers.small_registry import Asked, Memory, Said, SmallRegistry, TokenServer, basic

from reconciler.images import facts, snapshot
from reconciler.images.reference import Image, image
from reconciler.images.registry.clouds import amazon_pushed, google_pushed
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.logins import Login
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import UnreachableError, Wire
from reconciler.model import ImageFacts, ImagePolicy, Secret

NOW = 1_800_000_000
PUSHED = 1_790_000_000  # 2026-09-21T14:13:20Z
WRITTEN = "2026-09-21T14:13:20.1234567Z"
OTHER = f"sha256:{'0' * 64}"
LOGIN = Login("robot$ci", Secret("pa:ss"))


@pytest.fixture
def api() -> Iterator[SmallRegistry]:
    made = SmallRegistry()
    with small_registry.running(made):
        yield made


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(lambda host: ssl.create_default_context(), 5.0, proxies={})
    yield made
    made.close()


def _registries(wire: Wire, *endpoints: Endpoint) -> Registries:
    return Registries(wire, Endpoints(endpoints), Memory(), lambda seconds: None)


def _says(
    wanted: str, body: Any, status: int = 200, key: str | None = None
) -> Callable[[Asked], Said | None]:
    """Answers at one path, query and all, and nowhere else."""

    def answer(asked: Asked) -> Said | None:
        if asked.path.startswith("/v2/team/") or asked.path == "/v2/app/tags/list":
            return None
        query = "&".join(f"{name}={value}" for name, values in asked.query.items() for value in values)
        where = f"{asked.path}?{query}" if query else asked.path
        right = where == wanted and (key is None or asked.key == key)
        return Said(200, json.dumps(body).encode()) if right else Said(404, b"{}")

    return answer


def _hub(digest: str) -> Any:
    return {"name": "1.1.0", "digest": digest, "tag_last_pushed": WRITTEN, "last_updated": WRITTEN}


def _harbor(digest: str) -> Any:
    tags = [{"name": "other", "push_time": "2027-01-01T00:00:00Z"}, {"name": "1.1.0", "push_time": WRITTEN}]
    return {"digest": digest, "push_time": "2026-01-01T00:00:00.000Z", "tags": tags}


def _quay(digest: str) -> Any:
    tag = {"name": "1.1.0", "manifest_digest": digest, "start_ts": PUSHED, "reversion": False}
    return {"tags": [tag], "page": 1, "has_additional": False}


def _quay_by_words(digest: str) -> Any:
    tag = {"name": "1.1.0", "manifest_digest": digest, "last_modified": "Mon, 21 Sep 2026 14:13:20 -0000"}
    return {"tags": [tag], "page": 1, "has_additional": False}


def _azure(digest: str) -> Any:
    tag = {
        "name": "1.1.0",
        "digest": digest,
        "createdTime": "2026-01-01T00:00:00Z",
        "lastUpdateTime": WRITTEN,
    }
    return {"registry": "x", "imageName": "team/app", "tag": tag}


def _github(digest: str) -> Any:
    older = {"name": OTHER, "created_at": "2026-01-01T00:00:00Z", "metadata": {"container": {"tags": []}}}
    return [older, {"id": 1, "name": digest, "created_at": WRITTEN, "updated_at": "2027-01-01T00:00:00Z"}]


_PATHS = [
    ("hub", "/v2/namespaces/team/repositories/app/tags/1.1.0", _hub),
    ("harbor", "/api/v2.0/projects/team/repositories/app/artifacts/1.1.0?with_tag=true", _harbor),
    ("quay", "/api/v1/repository/team/app/tag/?specificTag=1.1.0&onlyActiveTags=true", _quay),
    ("quay", "/api/v1/repository/team/app/tag/?specificTag=1.1.0&onlyActiveTags=true", _quay_by_words),
    ("azure", "/acr/v1/team%2Fapp/_tags/1.1.0", _azure),
    ("github", "/orgs/team/packages/container/app/versions?per_page=100", _github),
    ("github", "/users/team/packages/container/app/versions?per_page=100", _github),
]


@pytest.mark.parametrize(("kind", "path", "body"), _PATHS)
def test_each_kind_is_asked_in_its_own_words(
    api: SmallRegistry, wire: Wire, kind: str, path: str, body: Callable[[str], Any]
) -> None:
    asking = _registries(wire, Endpoint("reg.example.com", push_times=kind, push_api=api.url))
    repository = asking.repository(image("reg.example.com/team/app:1.0.0"))
    digest = f"sha256:{'a' * 64}"
    api.answers = _says(path, body(digest))
    assert repository.pushed("1.1.0", digest) == PUSHED
    api.answers = _says(path, body(OTHER).__class__() if kind == "github" else body(OTHER))
    assert repository.pushed("1.1.0", digest) is None  # it says so of another image


def test_names_within_a_project_of_harbor_are_encoded_twice(api: SmallRegistry, wire: Wire) -> None:
    asking = _registries(wire, Endpoint(api.host, plain=True, push_times="harbor"))
    digest = f"sha256:{'a' * 64}"
    api.answers = _says(
        "/api/v2.0/projects/team/repositories/shop%252Fapp/artifacts/1.1.0?with_tag=true", _harbor(digest)
    )
    assert asking.repository(image(f"{api.host}/team/shop/app:1")).pushed("1.1.0", digest) == PUSHED


@pytest.mark.parametrize(
    ("kind", "key"),
    [("hub", ""), ("quay", ""), ("harbor", basic("robot$ci", "pa:ss")), ("github", "Bearer pa:ss")],
)
def test_our_login_goes_only_where_it_belongs(api: SmallRegistry, wire: Wire, kind: str, key: str) -> None:
    """Docker Hub's own API is another host, and Quay's takes no login of robots: they are asked as nobody."""
    asking = _registries(
        wire, Endpoint("reg.example.com", login=lambda: LOGIN, push_times=kind, push_api=api.url)
    )
    asking.repository(image("reg.example.com/team/app:1.0.0")).pushed("1.1.0", OTHER)
    assert {asked.key for asked in api.asked} == {key}


def test_azure_wants_a_token_for_what_is_told_about_tags(wire: Wire) -> None:
    registry, tokens = SmallRegistry(key="Bearer t0ken"), TokenServer(login=basic("robot$ci", "pa:ss"))
    with small_registry.running(registry), small_registry.running(tokens):
        scope = "repository:team/app:metadata_read"
        registry.challenge = f'Bearer realm="{tokens.url}/token",service="x",scope="{scope}"'
        digest = f"sha256:{'a' * 64}"

        def answer(asked: Asked) -> Said | None:
            if asked.key != registry.key:
                return None
            return _says("/acr/v1/team%2Fapp/_tags/1.1.0", _azure(digest))(asked)

        registry.answers = answer
        endpoint = Endpoint(registry.host, plain=True, login=lambda: LOGIN, push_times="azure")
        repository = _registries(wire, endpoint).repository(image(f"{registry.host}/team/app:1"))
        assert repository.pushed("1.1.0", digest) == PUSHED
        assert repository.pushed("1.1.0", digest) == PUSHED
    assert [asked.query["scope"] for asked in tokens.asked] == [[scope]]


@pytest.mark.parametrize(
    "answer",
    [Said(500), Said(403), Said(302, b"", {"Location": "http://10.1.1.1"}), Said(200, b"<html>")],
)
def test_who_fails_is_not_asked_again(api: SmallRegistry, wire: Wire, answer: Said) -> None:
    asking = _registries(wire, Endpoint("reg.example.com", push_times="hub", push_api=api.url))
    api.answers = lambda asked: answer
    for name in ("app", "other"):
        repository = asking.repository(image(f"reg.example.com/team/{name}:1.0.0"))
        assert repository.pushed("1.1.0", OTHER) is None
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "said",
    [[], {}, "x", 7, None, {"digest": OTHER}, {"digest": OTHER, "tag_last_pushed": 5},
     {"digest": OTHER, "tag_last_pushed": "soon"}, {"digest": OTHER, "push_time": "x", "tags": {"name": 1}},
     {"tags": [None, {"name": "1.1.0", "manifest_digest": OTHER, "start_ts": True}]}, {"tag": [1]}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["hub", "harbor", "quay", "azure", "github"])
def test_nonsense_tells_no_time(api: SmallRegistry, wire: Wire, kind: str, said: Any) -> None:
    asking = _registries(wire, Endpoint("reg.example.com", push_times=kind, push_api=api.url))
    api.answers = lambda asked: Said(200, json.dumps(said).encode())
    assert asking.repository(image("reg.example.com/team/app:1")).pushed("1.1.0", OTHER) is None


@pytest.mark.parametrize(
    ("endpoint", "name", "kind"),
    [
        (None, "nginx", "hub"),
        (None, "quay.io/team/app", "quay"),
        (None, "ghcr.io/team/app", ""),
        (Endpoint("docker.io"), "nginx", "hub"),
        (Endpoint("docker.io", push_times="none"), "nginx", ""),
        (
            Endpoint("docker.io", mirror="mirror.example.com/hub"),
            "nginx",
            "",
        ),  # the mirror is asked
        (Endpoint("docker.io", api="https://cache.example.com"), "nginx", ""),
        (Endpoint("team.azurecr.io"), "team.azurecr.io/app", "azure"),
        (Endpoint("reg.example.com", push_times="harbor"), "reg.example.com/app", "harbor"),
        (Endpoint("reg.example.com"), "reg.example.com/app", ""),
    ],
)
def test_whose_api_is_asked(endpoint: Endpoint | None, name: str, kind: str) -> None:
    source = Endpoints([endpoint] if endpoint else []).source(image(f"{name}:1"))
    assert source is not None
    assert source.push_times == kind


# ---------------------------------------------------------------------------------------------
# Clouds
# ---------------------------------------------------------------------------------------------


def test_amazon_describes_images(api: SmallRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    detail = {"imageDigest": OTHER, "imageTags": ["1.1.0"], "imagePushedAt": float(PUSHED)}
    api.answers = lambda asked: Said(200, json.dumps({"imageDetails": [detail]}).encode())
    pushed = amazon_pushed("eu-west-1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", api.url)
    assert pushed("team/app", "1.1.0", OTHER) == PUSHED
    assert pushed("team/app", "1.1.0", f"sha256:{'1' * 64}") is None
    asked = api.asked[0]
    assert asked.headers["x-amz-target"].endswith(".DescribeImages")
    assert json.loads(asked.body) == {
        "registryId": "123456789012", "repositoryName": "team/app", "imageIds": [{"imageTag": "1.1.0"}]
    }  # fmt: skip
    api.answers = lambda asked: Said(400, b'{"__type": "AccessDeniedException"}')
    with pytest.raises(UnreachableError, match="tells no times"):
        pushed("team/app", "1.1.0", OTHER)


def test_google_tells_when_an_image_was_uploaded(api: SmallRegistry, wire: Wire) -> None:
    name = f"projects/p/locations/europe-west1/repositories/r/dockerImages/shop%2Fapp@{OTHER}"
    api.answers = _says(
        f"/v1/{name}", {"uploadTime": WRITTEN, "buildTime": "2020-01-01T00:00:00Z"}, key="Bearer g"
    )
    login = Login("oauth2accesstoken", Secret("g"))
    pushed = google_pushed(wire, "europe-west1-docker.pkg.dev", lambda: login, api.url)
    assert pushed("p/r/shop/app", "1.1.0", OTHER) == PUSHED
    assert pushed("p/r/shop/app", "1.1.0", f"sha256:{'1' * 64}") is None
    assert pushed("p/r", "1.1.0", OTHER) is None
    api.answers = lambda asked: Said(403)
    with pytest.raises(UnreachableError, match="tells no times"):
        pushed("p/r/app", "1.1.0", OTHER)


# ---------------------------------------------------------------------------------------------
# What becomes of it
# ---------------------------------------------------------------------------------------------


class _Shop:
    """A Harbor with one image, two tags of it."""

    def __init__(self, api: SmallRegistry, wire: Wire) -> None:
        self.api, self.wire = api, wire
        api.push("team/app", single(words="old"), "1.0.0")
        self.digest = api.push("team/app", single(words="new"), "1.1.0")
        self.said: Any = _harbor(self.digest)
        self.path = "/api/v2.0/projects/team/repositories/app/artifacts/1.1.0?with_tag=true"
        api.answers = lambda asked: _says(self.path, self.said)(asked)

    def seen(self, known: facts.Age | None = None, **said: Any) -> tuple[ImageFacts, facts.Snapshot]:
        asking = _registries(self.wire, Endpoint(self.api.host, plain=True, push_times="harbor"))
        name = f"{self.api.host}/team/app"
        ages = {(name, "1.1.0", self.digest): known} if known else {}
        asked = facts.Asked(f"{name}:1.0.0", ImagePolicy(**said))
        found = snapshot.snapshot([asked], asking, snapshot.Surroundings(NOW, {}, ages))
        return found.facts[asked], found

    @property
    def times_asked(self) -> int:
        return sum(asked.path.startswith("/api/") for asked in self.api.asked)


def _age(found: ImageFacts) -> tuple[int | None, str]:
    return found.finalists[-1].since, found.finalists[-1].known_by


def test_only_the_finalist_is_asked_about_and_only_where_age_counts(api: SmallRegistry, wire: Wire) -> None:
    shop = _Shop(api, wire)
    assert _age(shop.seen()[0]) == (None, "first-seen")
    assert shop.times_asked == 0
    found, all_of_it = shop.seen(minimum_age=86_400)
    assert _age(found) == (PUSHED, "pushed")
    assert all_of_it.seen == {(f"{api.host}/team/app", "1.1.0", shop.digest): PUSHED}
    assert shop.times_asked == 1


def test_what_was_said_once_is_remembered(api: SmallRegistry, wire: Wire) -> None:
    shop = _Shop(api, wire)
    found, all_of_it = shop.seen(facts.Age(PUSHED, "pushed"), minimum_age=86_400)
    assert (_age(found), all_of_it.seen, shop.times_asked) == ((PUSHED, "pushed"), {}, 0)


def test_without_an_answer_the_age_is_told_by_something_else(api: SmallRegistry, wire: Wire) -> None:
    shop = _Shop(api, wire)
    shop.said = _harbor(OTHER)
    found, all_of_it = shop.seen(minimum_age=86_400)
    assert _age(found) == (None, "first-seen")
    assert list(all_of_it.seen.values()) == [None]
    api.modified = "Mon, 21 Sep 2026 14:13:20 GMT"
    assert _age(shop.seen(minimum_age=86_400)[0]) == (PUSHED, "last-modified")


@pytest.mark.parametrize("modified", ["", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_time_that_is_to_come_would_make_an_endless_wait(
    api: SmallRegistry, wire: Wire, modified: str
) -> None:
    shop = _Shop(api, wire)
    shop.said = {"digest": shop.digest, "push_time": "2100-01-01T00:00:00Z"}
    api.modified = modified
    found, all_of_it = shop.seen(minimum_age=86_400)
    assert _age(found) == (None, "first-seen")
    assert list(all_of_it.seen.values()) == [None]


def test_a_registry_that_says_today_every_day_makes_nobody_wait_for_ever(
    api: SmallRegistry, wire: Wire
) -> None:
    shop = _Shop(api, wire)
    shop.said = {}
    api.modified = "Fri, 15 Jan 2027 08:00:00 GMT"  # this very moment
    found, all_of_it = shop.seen(minimum_age=86_400)
    assert _age(found) == (NOW, "last-modified")
    assert list(all_of_it.seen.values()) == [None]
    assert _age(shop.seen(facts.Age(NOW - 86_400, "first-seen"), minimum_age=86_400)[0]) == (
        NOW - 86_400,
        "first-seen",
    )


def test_image_is_what_is_meant() -> None:
    assert isinstance(image("nginx:1"), Image)
    assert image("nginx:1").repository == "library/nginx"
