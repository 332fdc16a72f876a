"""The registry client against a small registry that does what it likes."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers import small_registry
from servers.registries import Blob, multi, single
from servers.small_registry import Asked, Memory, Said, SmallRegistry, TokenServer, basic

from reconciler.images.reference import image
from reconciler.images.registry.client import Patience, Repository
from reconciler.images.registry.documents import Platform
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.logins import Keys, Login, challenge, login_of
from reconciler.images.registry.wire import UnreachableError, Wire, origin
from reconciler.model import Secret, Whose


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    made = TokenServer()
    with small_registry.running(made):
        yield made


Client = Callable[..., Repository]


@pytest.fixture
def client() -> Iterator[Client]:
    """Makes clients, and closes their connections in the end."""
    wires: list[Wire] = []

    def made(
        url: str,
        memory: Memory | None = None,
        waits: list[float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = 5.0,
        **how: Any,
    ) -> Repository:
        host = url.partition("//")[2]
        wires.append(Wire(lambda host: ssl.create_default_context(), seconds, proxies={}))
        source = Endpoints([Endpoint(host, plain=True, **how)]).source(image(f"{host}/team/app:1"))
        assert source is not None
        keys = Keys(wires[-1], origin(source.api), source.endpoint.login, source.endpoint.token_hosts, clock)
        patience = Patience((waits if waits is not None else []).append)
        return Repository(wires[-1], source, keys, patience, memory if memory is not None else Memory())

    yield made
    for wire in wires:
        wire.close()


# ---------------------------------------------------------------------------------------------
# Tags
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1, 3, 100])
def test_all_tags_of_all_pages(registry: SmallRegistry, page: int, client: Client) -> None:
    registry.page = page
    wanted = [f"1.{minor}" for minor in range(10)]
    registry.push("team/app", single(), *wanted)
    assert sorted(client(registry.url).tags()) == sorted(wanted)
    assert len(registry.asked) == (10 if page == 1 else 4 if page == 3 else 1)


def test_a_page_elsewhere_is_not_turned_to(registry: SmallRegistry, client: Client) -> None:
    other = SmallRegistry()
    with small_registry.running(other, "localhost"):
        link = f'<{other.url}/v2/team/app/tags/list?last=x>; rel="next"'
        registry.answers = lambda asked: Said(200, b'{"tags": ["1"]}', {"Link": link})
        with pytest.raises(UnreachableError, match="go on elsewhere"):
            client(registry.url, login=lambda: Login("user", Secret("word"))).tags()
        assert not other.asked


@pytest.mark.parametrize("link", ["/v2/team/app/tags/list?n=1000", "/v2/team/other/tags/list", "//[", "/"])
def test_pages_that_lead_nowhere_end(registry: SmallRegistry, link: str, client: Client) -> None:
    registry.answers = lambda asked: Said(200, b'{"tags": ["1"]}', {"Link": f'<{link}>; rel="next"'})
    with pytest.raises(UnreachableError):
        client(registry.url).tags()
    assert len(registry.asked) < 4


def test_pages_without_end_end(registry: SmallRegistry, client: Client) -> None:
    def more(asked: Asked) -> Said:
        number = len(registry.asked)
        return Said(200, b'{"tags": ["1"]}', {"Link": f'</v2/team/app/tags/list?last={number}>; rel="next"'})

    registry.answers = more
    with pytest.raises(UnreachableError, match="no end of tags"):
        client(registry.url).tags()
    assert len(registry.asked) <= 501


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"tags": null}', ()),
        (b'{"tags": ["1", 2, null, "a b", "x\\r\\nHost: y", "1"]}', ("1",)),
        (b'{"tags": {"a": 1}}', None),
        (b'{"tags": []}', ()),
        (b"[" * 100_000, None),
        (b"\xff", None),
        (b"[]", None),
        (b"", None),
        (b"{}", None),
        (b'{"name": "team/app"}', None),
        (b"<html>Sign in</html>", None),
    ],
)
def test_hostile_lists(
    registry: SmallRegistry, body: bytes, wanted: tuple[str, ...] | None, client: Client
) -> None:
    registry.answers = lambda asked: Said(200, body)
    if wanted is None:
        with pytest.raises(UnreachableError, match="no list of tags"):
            client(registry.url).tags()
    else:
        assert client(registry.url).tags() == wanted


def test_registries_without_pages_are_asked_plainly(registry: SmallRegistry, client: Client) -> None:
    registry.push("team/app", single(), "1")
    registry.answers = lambda asked: Said(405) if asked.query else None
    assert client(registry.url).tags() == ("1",)


# ---------------------------------------------------------------------------------------------
# Manifests
# ---------------------------------------------------------------------------------------------


def test_head_comes_first_and_digests_are_asked_for_once(registry: SmallRegistry, client: Client) -> None:
    built = multi(("linux/amd64", "linux/arm64/v8", "linux/arm/v7"))
    registry.modified = "Wed, 21 Oct 2026 07:28:00 GMT"
    registry.push("team/app", built, "1")
    memory = Memory()
    asking = client(registry.url, memory=memory)
    head = asking.head("1")
    assert head is not None
    assert (head.digest, head.modified) == (built.digest, 1792567680)
    assert [one.method for one in registry.asked] == ["HEAD"]
    found = asking.manifest(head.digest)
    assert [str(child.platform) for child in found.children] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert asking.manifest(head.digest) == found
    assert client(registry.url, memory=memory).manifest(head.digest) == found
    assert len(registry.asked) == 2
    child = asking.manifest(found.children[0].digest)
    assert asking.config(child.config).platform == Platform("linux", "amd64")


def test_a_registry_that_names_no_digest(registry: SmallRegistry, client: Client) -> None:
    built = single()
    registry.push("team/app", built, "1")
    data = built.manifests[-1].data
    registry.answers = lambda asked: Said(200, data) if asked.path.endswith("/1") else None
    head = client(registry.url).head("1")
    assert head is not None
    assert head.digest == built.digest
    assert client(registry.url).head("2") is None


def test_what_is_not_what_its_digest_says(registry: SmallRegistry, client: Client) -> None:
    digest = registry.push("team/app", single(), "1")
    registry.contents[digest] = Blob("x", b"{}")
    with pytest.raises(UnreachableError, match="not what its digest says"):
        client(registry.url).manifest(digest)


@pytest.mark.parametrize(
    "body", [b"", b"null", b'{"manifests": 7}', b'{"config": {"digest": "x"}, "layers": []}']
)
def test_what_is_no_image(registry: SmallRegistry, body: bytes, client: Client) -> None:
    digest = small_registry.sha256(body)
    registry.contents[digest] = Blob("x", body)
    with pytest.raises(UnreachableError, match="no image"):
        client(registry.url).manifest(digest)


def test_attestations_are_no_platforms(registry: SmallRegistry, client: Client) -> None:
    child = single()
    attested = {**child.manifests[-1].descriptor, "platform": {"os": "unknown", "architecture": "unknown"}}
    real = {**child.manifests[-1].descriptor, "platform": {"os": "linux", "architecture": "amd64"}}
    index = Blob("x", json.dumps({"manifests": [attested, real, {"digest": "sha256:../"}]}).encode())
    registry.contents[index.digest] = index
    assert len(client(registry.url).manifest(index.digest).children) == 1


def test_referrers_where_there_are_some(registry: SmallRegistry, client: Client) -> None:
    built = single()
    registry.push("team/app", built, "1")
    registry.attached[built.digest] = [built.manifests[-1]]
    assert [one.digest for one in client(registry.url).attached(built.digest)] == [built.digest]
    registry.referrers = False
    assert client(registry.url).attached(built.digest) == ()
    named = built.digest.replace(":", "-")
    registry.push("team/app", multi(), named)
    assert len(client(registry.url).attached(built.digest)) == 2


# ---------------------------------------------------------------------------------------------
# Who asks
# ---------------------------------------------------------------------------------------------


def test_a_password_with_colons_and_a_robot_with_a_dollar(registry: SmallRegistry, client: Client) -> None:
    registry.push("team/app", single(), "1")
    registry.key = basic("robot$ci", "pa:ss:word")
    asking = client(registry.url, login=lambda: login_of("robot$ci:pa:ss:word\n"))
    assert asking.tags() == ("1",)
    assert asking.tags() == ("1",)
    assert [bool(one.key) for one in registry.asked] == [False, True, True]


@pytest.mark.parametrize("word", ["token", "access_token"])
def test_a_token_is_fetched_once_for_a_repository(
    registry: SmallRegistry, tokens: TokenServer, word: str, client: Client
) -> None:
    registry.push("team/app", single(), "1")
    registry.key, tokens.word = "Bearer t0ken", word
    registry.challenge = f'Bearer realm="{tokens.url}/token",service="tests",scope="repository:team/app:pull"'
    tokens.login = basic("u", "p")
    asking = client(registry.url, login=lambda: Login("u", Secret("p")))
    assert asking.tags() == ("1",)
    assert asking.head("1") is not None
    assert [one.query for one in tokens.asked] == [
        {"service": ["tests"], "scope": ["repository:team/app:pull"]}
    ]


def test_a_token_that_has_expired_is_fetched_again(
    registry: SmallRegistry, tokens: TokenServer, client: Client
) -> None:
    registry.push("team/app", single(), "1")
    registry.key, registry.challenge = "Bearer t0ken", f'Bearer realm="{tokens.url}/token"'
    now = [1000.0]
    asking = client(registry.url, clock=lambda: now[0])
    asking.tags()
    now[0] += 289
    asking.tags()
    assert len(tokens.asked) == 1
    now[0] += 2
    asking.tags()
    assert len(tokens.asked) == 2


def test_a_token_that_is_taken_back_is_fetched_again(
    registry: SmallRegistry, tokens: TokenServer, client: Client
) -> None:
    registry.push("team/app", single(), "1")
    registry.key, registry.challenge = "Bearer t0ken", f'Bearer realm="{tokens.url}/token"'
    asking = client(registry.url)
    asking.tags()
    registry.key, tokens.token = "Bearer other", "other"
    assert asking.tags() == ("1",)


def test_a_login_that_is_refused_says_so(
    registry: SmallRegistry, tokens: TokenServer, client: Client
) -> None:
    registry.push("team/app", single(), "1")
    registry.key = basic("u", "right")
    with pytest.raises(UnreachableError, match="the login is refused") as refused:
        client(registry.url, login=lambda: Login("u", Secret("wr0ng-word"))).tags()
    assert refused.value.whose is Whose.YOURS
    assert "wr0ng" not in str(refused.value)
    with pytest.raises(UnreachableError, match="the settings have none"):
        client(registry.url).tags()
    registry.challenge, tokens.login = f'Bearer realm="{tokens.url}/token"', basic("u", "p")
    with pytest.raises(UnreachableError, match="gives no token"):
        client(registry.url).tags()
    assert len(registry.asked) < 8


@pytest.mark.parametrize(
    "realm",
    ["https://evil.example.org/token", "http://evil.example.org/token", "https://169.254.169.254/latest", "file:///x",
     "https://u:p@127.0.0.1/x", "//x", "https://[", "gopher://127.0.0.1/"],
)  # fmt: skip
def test_tokens_are_fetched_from_nobody_else(registry: SmallRegistry, realm: str, client: Client) -> None:
    registry.key, registry.challenge = "Bearer x", f'Bearer realm="{realm}"'
    with pytest.raises(UnreachableError):
        client(registry.url, login=lambda: Login("u", Secret("p"))).tags()


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Bearer realm="https://a/b",service="c, d",scope="repository:x:pull,push"',
         ("bearer", "https://a/b", "c, d", "repository:x:pull,push")),
        ('Basic realm="x", Bearer realm="y"', ("bearer", "y", "", "")),
        ("basic realm=x", ("basic", "x", "", "")),
        ("Negotiate", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_a_registry_wants(header: str, wanted: tuple[str, ...] | None) -> None:
    assert challenge(header) == wanted


# ---------------------------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------------------------


def test_later_is_heeded(registry: SmallRegistry, client: Client) -> None:
    registry.push("team/app", single(), "1")
    registry.answers = lambda asked: Said(429, b"", {"Retry-After": "7"}) if len(registry.asked) < 3 else None
    waits: list[float] = []
    assert client(registry.url, waits=waits).tags() == ("1",)
    assert waits == [7.0, 7.0]


def test_much_later_is_not_waited_for(registry: SmallRegistry, client: Client) -> None:
    registry.answers = lambda asked: Said(429, b"", {"Retry-After": "21600"})
    asking = client(registry.url)
    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"answers with 429|come back in 21600"):
            asking.tags()
    assert len(registry.asked) == 1


def test_the_last_of_what_is_allowed_is_left_to_others(registry: SmallRegistry, client: Client) -> None:
    registry.push("team/app", single(), "1")
    registry.answers = lambda asked: Said(200, b'{"tags": []}', {"RateLimit-Remaining": "5;w=21600"})
    asking = client(registry.url)
    asking.tags()
    with pytest.raises(UnreachableError, match="left to those who pull"):
        asking.tags()


def test_a_server_in_trouble_is_asked_again_for_a_while(registry: SmallRegistry, client: Client) -> None:
    registry.answers = lambda asked: Said(503)
    waits: list[float] = []
    with pytest.raises(UnreachableError, match="answers with 503"):
        client(registry.url, waits=waits).tags()
    assert 0 < sum(waits) <= 30


def test_a_redirect_goes_only_where_it_may_and_without_the_login(
    registry: SmallRegistry, client: Client
) -> None:
    other = SmallRegistry()
    built = single()
    registry.push("team/app", built, "1")
    registry.key = basic("u", "p")
    blob = built.blobs[0]
    with small_registry.running(other, "localhost"):
        registry.answers = lambda asked: (
            Said(307, b"", {"Location": f"{other.url}/blob"})
            if asked.key and "/blobs/" in asked.path
            else None
        )
        with pytest.raises(UnreachableError, match="blobHosts"):
            client(registry.url, login=lambda: Login("u", Secret("p"))).config(blob.digest)
        assert not other.asked
        registry.answers = lambda asked: (
            Said(307, b"", {"Location": f"/v2/team/app/manifests/{blob.digest}"})
            if asked.key and "/blobs/" in asked.path
            else None
        )
        with pytest.raises(UnreachableError, match=r"login is refused|wants a login"):
            client(registry.url, login=lambda: Login("u", Secret("p"))).config(blob.digest)


def test_an_answer_too_large_and_one_too_slow(registry: SmallRegistry, client: Client) -> None:
    registry.answers = lambda asked: Said(200, b'{"tags": ["' + b"1" * (33 << 20) + b'"]}')
    with pytest.raises(UnreachableError, match="larger than"):
        client(registry.url).tags()

    def slowly(asked: Asked) -> Said:
        time.sleep(1.5)
        return Said(200, b'{"tags": []}')

    registry.answers = slowly
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="takes too long"):
        client(registry.url, seconds=0.4).tags()
    assert time.monotonic() - begun < 1.4


def test_nobody_answers(client: Client) -> None:
    with pytest.raises(UnreachableError, match="can't be reached"):
        client("http://127.0.0.1:1").tags()


# ---------------------------------------------------------------------------------------------
# Which registries
# ---------------------------------------------------------------------------------------------


def test_only_registries_that_are_allowed() -> None:
    known = Endpoints([Endpoint("registry.example.com/team")])
    assert known.source(image("registry.example.com/team/app")) is not None
    for text in (
        "registry.example.com/other",
        "registry.example.com/teams/app",
        "evil.io/team/app",
        "169.254.169.254/x",
    ):
        assert known.source(image(text)) is None, text
    assert known.source(image("nginx")) is not None
    assert Endpoints([], public=False).source(image("nginx")) is None


def test_the_longest_prefix_wins() -> None:
    apis = {"a.io": "https://one", "a.io/x": "https://two", "a.io/x/y": "https://three"}
    known = Endpoints([Endpoint(prefix, api) for prefix, api in apis.items()])
    wanted = {"z": "one", "x/z": "two", "x/y": "three", "x/y/z": "three", "xy": "one"}
    for path, name in wanted.items():
        found = known.source(image(f"a.io/{path}"))
        assert found is not None
        assert found.api == f"https://{name}"


def test_a_mirror_is_asked_instead() -> None:
    told = [
        Endpoint("docker.io", mirror="harbor.example.com/hub"),
        Endpoint("harbor.example.com", api="https://h:8443"),
    ]
    found = Endpoints(told).source(image("nginx:1"))
    assert found is not None
    assert (found.api, found.repository) == ("https://h:8443", "hub/library/nginx")


def test_docker_hub_answers_elsewhere() -> None:
    found = Endpoints().source(image("nginx:1"))
    assert found is not None
    assert (found.api, found.repository) == ("https://registry-1.docker.io", "library/nginx")
