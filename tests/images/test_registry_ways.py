"""Ways in which registries differ, and what may not come of it: links, packed answers, logins, silence."""

from __future__ import annotations

import gzip
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import small_registry
from servers.registries import single
from servers.small_registry import Memory, Said, SmallRegistry, TokenServer, basic

from reconciler.config import Settings
from reconciler.config.registries import ImageRegistry
from reconciler.images.choose import Chosen, choose
from reconciler.images.facts import Asked
from reconciler.images.reference import image
from reconciler.images.registry.client import Patience
from reconciler.images.registry.documents import next_page
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.logins import Login
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import Answer, UnreachableError, Wire
from reconciler.images.rules import ImageRule, Strategy
from reconciler.images.snapshot import Surroundings, snapshot
from reconciler.model import ImagePolicy, Secret
from reconciler.wiring.registries import _trust

_PAGE = "https://r.io/v2/app/tags/list?n=1000"
_SECRET = "s3cret-word"


@pytest.fixture
def registries(registry: SmallRegistry) -> Iterator[Registries]:
    wire = Wire(lambda host: ssl.create_default_context(), 5.0, proxies={})
    told = [Endpoint(registry.host, plain=True, login=lambda: Login("robot$ci", Secret(_SECRET)))]
    made = Registries(wire, Endpoints(told), Memory(), lambda seconds: None)
    yield made
    made.close()


def _tags(registries: Registries, registry: SmallRegistry) -> tuple[str, ...]:
    return registries.repository(image(f"{registry.host}/app")).tags()


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('</v2/app/tags/list?last=x>; rel="next"', "https://r.io/v2/app/tags/list?last=x"),
        ("<list?last=x>;rel=next", "https://r.io/v2/app/tags/list?last=x"),
        ('</a?last=x>; title="b, c"; rel="next"; type="json"', "https://r.io/a?last=x"),
        ('</a>; rel="prev", </b>; n=10; Rel="NEXT"', "https://r.io/b"),
        ('</a>; rel="first next"', "https://r.io/a"),
        ('</a>; rel="prev"', None),
        ('</a>; rel="nextish"', None),
        ('</a>; title="rel=next"', None),
        ("", None),
        ("<" * 5000, None),
    ],
)
def test_links_to_the_next_page(header: str, wanted: str | None) -> None:
    assert next_page(header, _PAGE) == wanted


def test_answers_packed_without_being_asked_for(registry: SmallRegistry, registries: Registries) -> None:
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(b'{"tags": ["1.0", "1.1"]}')
    registry.answers = lambda asked: Said(200, body, packed)
    assert _tags(registries, registry) == ("1.0", "1.1")
    for broken, words in [
        (b"no gzip", "broken"),
        (body[:-9], "breaks off"),
        (gzip.compress(b" " * (40 << 20)), "larger"),
    ]:
        registry.answers = lambda asked, broken=broken: Said(200, broken, packed)
        with pytest.raises(UnreachableError, match=words):
            _tags(registries, registry)


def test_two_logins_are_offered_in_two_headers(registry: SmallRegistry, registries: Registries) -> None:
    """The one that a header of the same name stands behind is not lost."""
    registry.push("app", single(), "1")
    registry.key = basic("robot$ci", _SECRET)

    class Twice(dict[str, str]):
        def items(self):  # type: ignore[no-untyped-def]
            return [("WWW-Authenticate", 'Basic realm="r"'), ("www-authenticate", 'Negotiate realm="x"')]

    registry.answers = lambda asked: None if asked.key else Said(401, b"{}", Twice(x="y"))
    assert _tags(registries, registry) == ("1",)


def test_no_word_of_a_login_reaches_another_host(registry: SmallRegistry, registries: Registries) -> None:
    """Links, redirects and servers of tokens elsewhere: none is followed, and no error repeats the login."""
    registry.push("app", single(words="a"), "1.0")
    digest = registry.push("app", single(words="b"), "1.1")
    other, tokens = SmallRegistry(), TokenServer()
    with small_registry.running(other, "localhost"), small_registry.running(tokens, "localhost"):
        away = {
            "Location": f"{other.url}/v2/app/manifests/{digest}",
            "Link": f'<{other.url}/v2/>; rel="next"',
        }
        told: list[str] = []
        for status in (200, 301, 302, 303, 307, 308, 401):
            challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token"'} if status == 401 else {}
            first = Said(401, b"{}", {"WWW-Authenticate": "Basic realm=x"})
            body = json.dumps({"tags": ["1.0", "1.1"]}).encode()
            then = Said(status, body, {**away, **challenge})
            registry.answers = lambda asked, then=then, first=first: then if asked.key else first
            asked = Asked(f"{registry.host}/app:1.0", ImagePolicy(level=("patch", "minor")[status % 2]))
            found = snapshot([asked], registries, Surroundings(1_800_000_000, {}, {}))
            told.append(str(found))
            assert found.facts[asked].unanswered
        heard = repr(other.asked) + repr(tokens.asked)
        for word in (_SECRET, basic("robot$ci", _SECRET), "robot$ci"):
            assert word not in heard
            assert word not in "".join(told)
    assert not other.asked


def test_a_registry_that_lets_us_wait_for_nothing_is_not_asked_a_thousand_times() -> None:
    now = [0.0]
    patience = Patience(lambda seconds: None, 30.0, lambda: now[0])

    def silent() -> Answer:
        now[0] += 31
        raise UnreachableError("it takes too long")

    for _ in range(1000):
        with pytest.raises(UnreachableError, match="takes too long"):
            patience.asked(silent, "https://r.io/")
    assert now[0] == 31


def test_a_registry_that_drips_is_left() -> None:
    now = [0.0]
    patience = Patience(lambda seconds: None, 30.0, lambda: now[0])

    def slow() -> Answer:
        now[0] += 29
        return Answer(200, {}, b"{}")

    def on_and_on() -> None:
        for _ in range(1000):
            patience.asked(slow, "https://r.io/")

    with pytest.raises(UnreachableError, match="too slow"):
        on_and_on()
    assert 5 * 29 < now[0] < 20 * 29


def test_whoever_ignores_everything_waits_for_nothing(
    registry: SmallRegistry, registries: Registries
) -> None:
    tags = [f"1.{number}.0" for number in range(20_000)]
    registry.push("app", single(), *tags)
    asked = [
        Asked(f"{registry.host}/app:1.0.0", ImagePolicy(ignore=("*",))),
        Asked(f"{registry.host}/app:1.0.0", ImagePolicy(pin="1.0.0")),
    ]
    begun = time.monotonic()
    found = snapshot(asked, registries, Surroundings(1_800_000_000, {}, {})).facts
    assert [facts.finalists[0].tag for facts in found.values()] == ["1.19999.0"] * 2
    assert time.monotonic() - begun < 20


def test_the_authority_of_a_registry_counts_where_it_answers(tmp_path: Path) -> None:
    """Whatever port, address and servers of tokens it has; the words for a broken file name the file."""
    for said in (
        {"prefix": "r.example.com:5000"},
        {"prefix": "r.example.com/team"},
        {"prefix": "[::1]:5000"},
        {"prefix": "[::1]"},
        {"prefix": "other.io", "api": "https://r.example.com:8443"},
        {"prefix": "other.io", "tokenHosts": ["r.example.com"]},
    ):
        bundle = tmp_path / "ca.pem"
        bundle.write_text("no certificate")
        one = ImageRegistry.model_validate({**said, "caBundle": str(bundle)})
        settings = Settings.for_clone(tmp_path).model_copy(update={"registries": (one,)})
        host = "::1" if "::1" in said["prefix"] else "r.example.com"
        with pytest.raises(Exception, match=r"ca\.pem"):
            _trust(settings)(host)
        assert _trust(settings)("elsewhere.example.com") is not None


def test_newest_asks_about_nothing_that_can_not_be_it(
    registry: SmallRegistry, registries: Registries
) -> None:
    registry.push("app", single(created="2026-01-01T00:00:00Z"), "main-1")
    registry.push("app", single(created="2026-02-01T00:00:00Z"), "main-2")
    registry.push("app", single(created="2026-03-01T00:00:00Z"), f"sha256-{'a' * 64}.sig", "pr-3")
    asked = Asked(f"{registry.host}/app:main-1", ImagePolicy(strategy="newest", filter="^(main|sha)"))
    facts = snapshot([asked], registries, Surroundings(1_800_000_000, {}, {})).facts[asked]
    assert [one.tag for one in facts.finalists] == ["main-2"]
    assert not [path for path in registry.paths() if "pr-3" in path or ".sig" in path]
    registry.push("app", single(), *(f"main-{number}" for number in range(3, 3000)))
    registry.asked.clear()
    facts = snapshot([asked], registries, Surroundings(1_800_000_000, {}, {})).facts[asked]
    assert "asks about each" in facts.none
    assert registry.paths() == ["/v2/app/tags/list"]


@pytest.mark.parametrize("strategy", ["alphabetical", "newest", "auto", "semver", "numerical", "calver"])
def test_what_signs_an_image_is_none(strategy: str) -> None:
    beside = [f"sha256-{'a' * 64}{end}" for end in ("", ".sig", ".att", ".sbom")]
    found = choose(
        ImageRule(strategy=Strategy(strategy)), "main", ["main", *beside], dict.fromkeys(beside, 9)
    )
    assert not isinstance(found, Chosen) or found.tag == "main"
