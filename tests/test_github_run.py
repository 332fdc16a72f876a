"""Whole runs on GitHub: by the same wiring as the command line's, over real HTTP and real Git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from emulator import Clock, Emulator, Repository, start
from emulator.github import AppAccount, GitHub
from world import NOW, Used, World, manifest, ref

from reconciler.config import load_settings
from reconciler.config.find import Found
from reconciler.deployments import NoForge
from reconciler.errors import Problem
from reconciler.forges.port import Site
from reconciler.wiring import access_of, forge_of
from reconciler.wiring import forges as wired

MIB = 1 << 20
TOKEN = "ghp_" + "t" * 36
PATH = "acme/deploy"


class Hosted(World):
    """A world whose repository is on GitHub."""

    emulator: Emulator
    dialect: GitHub

    @property
    def repository(self) -> Repository:
        return self.emulator.store.repositories[PATH]

    def on(self, **forge: Any) -> None:
        settings = {"kind": "github", "url": self.emulator.url, **forge}
        url = self.emulator.git_url(self.repository)
        self.write_settings(repositories=[{"url": url, "branch": "main"}], forges=[settings])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "120Mi"),
        "apps/api/api.yaml": manifest("api", "900m", "128Mi"),
    }
    used = [Used(ref("web"), 100, 100 * MIB), Used(ref("api"), 200, 100 * MIB)]
    made = Hosted(tmp_path, files, used)
    clock = Clock(NOW)
    made.dialect = GitHub()
    with start(tmp_path / "forge", [made.dialect], clock=clock) as made.emulator:
        store = made.emulator.store
        store.repository(PATH, made.bare).members |= {"robot": 30, "ada": 40, "reconciler[bot]": 30}
        store.user("acme")
        store.token(TOKEN, "robot")
        store.user("reconciler[bot]", is_bot=True)
        # The only thing that is not as in a real run: nobody sits out the distance between two writes.
        times = {"clock": clock, "sleep": clock.sleep, "monotonic": clock.monotonic}
        monkeypatch.setattr(wired, "Site", lambda **given: Site(**{**given, **times}))
        yield made
        assert made.emulator.broken == []
        assert made.emulator.secrets_in_urls() == []


def as_app(world: Hosted) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    coding = serialization.Encoding.PEM
    private = key.private_bytes(
        coding, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (world.folder / "key.pem").write_bytes(private)
    public = key.public_key().public_bytes(coding, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    world.dialect.apps["12"] = AppAccount("12", "reconciler", public, {5: "acme"})
    world.on(app={"id": 12, "keyFile": "key.pem"}, commits="forge")


def as_user(world: Hosted) -> None:
    world.on(tokenEnv="FORGE_TOKEN")


@pytest.mark.parametrize(("who", "name"), [(as_user, "robot"), (as_app, "reconciler[bot]")])
def test_the_life_of_merge_requests(world: Hosted, who: Any, name: str) -> None:
    who(world)
    report = world.run(write=False)
    assert not report.failed
    assert world.repository.requests == {}
    report = world.run()
    assert not report.failed
    made = list(world.repository.requests.values())
    assert {each.author.login for each in made} == {name}
    assert {each.branch for each in made} == {action.branch for action in report.actions}
    vouched = {each.head in world.repository.vouched for each in made}
    assert vouched == {who is as_app}
    before = len(world.emulator.writes("/repos/"))
    assert not world.run(NOW + 60).failed
    assert len(world.emulator.writes("/repos/")) == before
    store, first = world.emulator.store, made[0]
    with store.turn:
        world.repository.merge(first, store.user("ada"), "squash")
    for other in made[1:]:
        world.repository.close(other, store.user("ada"))
    report = world.run(NOW + 3_600)
    assert not report.failed
    assert not [each for each in world.repository.requests.values() if each.is_open]


def test_what_is_ticked_while_a_run_writes_stays_ticked(world: Hosted) -> None:
    as_user(world)
    world.run()
    one = min(world.repository.requests.values(), key=lambda each: each.number)
    (freeze,) = [line for line in one.body.splitlines() if "reconcile:freeze" in line]
    ticked = freeze.replace("[ ]", "[x]")
    world.repository.edit(
        one, world.emulator.store.user("ada"), body=one.body.replace("<!-- reconcile:v2", "<!-- lost:v2")
    )

    def person(asked: object) -> None:
        world.repository.edit(one, world.emulator.store.user("ada"), body=one.body.replace(freeze, ticked))

    world.emulator.faults.human(person, "GET", f"/pulls/{one.number}$")
    assert not world.run(NOW + 60).failed
    assert "<!-- reconcile:v2" in one.body
    assert ticked in one.body.splitlines()


def test_what_is_left_when_the_patience_ends_the_next_run_does(world: Hosted) -> None:
    as_user(world)
    world.on(tokenEnv="FORGE_TOKEN", patience="1m")
    world.emulator.faults.limit("POST", "/pulls$", status=403, seconds=3_000, after=1)
    report = world.run()
    assert len(world.repository.requests) == 1
    assert [each.do for each in report.actions].count("wait") == 1
    assert not world.run(NOW + 60).failed
    assert len(world.repository.requests) == 2


# -- which forge, and as whom ----------------------------------------------------------------------------


def settings_of(folder: Path, *forges: str) -> Any:
    text = "apiVersion: reconciler/v1\nrepositories: [{url: https://git.example.com/a/b}]\n"
    path = folder / "reconcile.yaml"
    path.write_text(text + "forges:\n" + "".join(f"  - {each}\n" for each in forges))
    return load_settings(Found(path, trusted=True))


@pytest.mark.parametrize(
    ("url", "repository", "kind"),
    [
        ("https://git.example.com/acme/deploy.git", "https://git.example.com/acme/deploy", "github"),
        ("git@git.example.com:acme/deploy.git", "https://git.example.com/acme/deploy", "github"),
        ("ssh://git@git.example.com:2222/acme/deploy", "https://git.example.com/acme/deploy", "github"),
        ("ssh://git@ssh.github.com:443/acme/deploy", "https://github.com/acme/deploy", "github"),
        ("https://example.com/gitlab/g/s/deploy.git", "https://example.com/gitlab/g/s/deploy", "gitlab"),
        ("https://example.com/gitea/o/deploy", "https://example.com/gitea/o/deploy", "gitea"),
    ],
)
def test_a_forge_is_found_by_host_and_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, repository: str, kind: str
) -> None:
    settings = settings_of(
        tmp_path,
        "{kind: github, url: https://git.example.com}",
        "{kind: github, url: https://github.com}",
        "{kind: gitlab, url: https://example.com/gitlab}",
        "{kind: gitea, url: https://example.com/gitea/}",
    )
    sites: list[tuple[str, str]] = []
    for each in ("github", "gitlab", "gitea"):
        monkeypatch.setitem(wired.FORGES, each, lambda site, each=each: sites.append((site.repository, each)))
    opened = forge_of(settings, url, 0)
    assert not isinstance(opened, NoForge)
    opened()
    opened()
    assert sites == [(repository, kind)]


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com:8443/acme/deploy", "http://git.example.com/acme/deploy",
        "https://git.example.com.evil.example/a/b", "https://example.com/gitlabs/g/deploy",
        "git@evil.example:a/b",
    ],
)  # fmt: skip
def test_a_token_goes_to_no_other_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    settings = settings_of(
        tmp_path,
        "{kind: github, url: https://git.example.com, tokenEnv: FORGE_TOKEN}",
        "{kind: gitlab, url: https://example.com/gitlab, tokenEnv: FORGE_TOKEN}",
    )
    assert isinstance(forge_of(settings, url, 0), NoForge)
    assert access_of(settings, url).token is None


def test_an_app_that_is_not_installed(world: Hosted) -> None:
    """What is only read is read without a token; where merge requests are to be opened, it is told."""
    as_app(world)
    world.emulator.store.repository("others/base")
    settings = load_settings(Found(world.settings, trusted=True))
    url = f"{world.emulator.url}/others/base.git"
    assert access_of(settings, url).token is None
    opened = forge_of(settings, url, 0)
    assert not isinstance(opened, NoForge)
    with pytest.raises(Problem, match=r"app 12 is not installed for http://.*/others/base: install it there"):
        opened()
