"""A login of a registry is nowhere to be seen: not in what is printed, logged, written or remembered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import small_registry
from servers.registries import single
from servers.small_registry import Asked, Said, SmallRegistry, TokenServer, basic
from world import World

from reconciler.cli import ended

PASSWORD, TOKEN = "pa:ss~w0rd-of-the-registry", "t0ken-of-the-registry"
USER = "robot$ci"
_WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {spec: {containers: [{name: app, image: "%s"}]}}}
"""
_POLICY = (
    "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: ours}\nmode: {images: propose}\n"
    "images: {minimumAge: 1s}\n"
)


@pytest.fixture
def guarded() -> Iterator[SmallRegistry]:
    """Opened by a token, which its server gives for the password."""
    registry, tokens = (
        SmallRegistry(key=f"Bearer {TOKEN}"),
        TokenServer(login=basic(USER, PASSWORD), token=TOKEN),
    )
    with small_registry.running(registry), small_registry.running(tokens):
        registry.challenge = f'Bearer realm="{tokens.url}/token",service="s",scope="repository:app:pull"'
        yield registry


def _world(folder: Path, registry: SmallRegistry, kind: str = "none") -> World:
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "ours.yaml").write_text(_POLICY)
    (folder / "login").write_text(f"{USER}:{PASSWORD}\n")
    entry = {"prefix": registry.host, "plainHttp": True, "credentialsFile": "login", "pushTimes": kind}
    files = {"a.yaml": _WEB % f"{registry.host}/app:1.0.0"}
    return World(folder, files, (), policies="policies", registries=[entry])


def _said(capture: pytest.CaptureFixture[str], *words: str) -> str:
    ended(list(words))
    found = capture.readouterr()
    return found.out + found.err


def _refusing(asked: Asked) -> Said:
    return Said(403, b"{}")


def _echoing(asked: Asked) -> Said:
    """A registry that sends back whatever it is told, as its tags, its headers and its errors."""
    said = {"tags": ["1.0.0", asked.key], "errors": [{"message": asked.key}], "token": asked.key}
    return Said(200, json.dumps(said).encode(), {"X-Said": asked.key})


@pytest.mark.parametrize(
    ("kind", "answers"),
    [("harbor", None), ("none", _refusing), ("github", _echoing)],
    ids=("harbor", "none", "github"),
)
def test_a_login_is_nowhere_to_be_seen(
    tmp_path: Path,
    guarded: SmallRegistry,
    kind: str,
    answers: Callable[[Asked], Said] | None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    guarded.push("app", single(words="old"), "1.0.0")
    guarded.push("app", single(words="new"), "1.1.0")
    world = _world(tmp_path, guarded, kind)
    if kind == "github":
        entry = json.loads(world.settings.read_text())["registries"][0] | {"pushApi": guarded.url}
        world.write_settings(policies="policies", registries=[entry])
    if answers is not None:
        guarded.answers = answers
    config = ("-c", str(world.settings))
    told = [
        _said(capfd, "run", "--now", "2026-03-01", *config),
        _said(capfd, "run", "--now", "2026-03-02", "-o", "json", *config),
        _said(capfd, "explain", "web", "--remote", "--now", "2026-03-02", *config),
        _said(capfd, "images", "list", f"{guarded.host}/app:1.0.0", *config),
        caplog.text,
    ]
    assert any(asked.key for asked in guarded.asked) or answers is not None
    if answers is None:
        assert "1.1.0" in told[1]
        assert len(world.requests()) == 1
    whole = "\n".join([*told, *map(str, world.state().values()), *_ledger(world), *_cached(tmp_path)])
    packed = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for secret in (PASSWORD, TOKEN, packed, base64.b64encode(PASSWORD.encode()).decode()):
        assert secret not in whole


def _ledger(world: World) -> Iterator[str]:
    for ref in world.refs():
        if ref.startswith("refs/heads/"):
            yield from (data.decode() for data in world.files(ref.removeprefix("refs/heads/")).values())


def _cached(folder: Path) -> Iterator[str]:
    for path in (folder / "cache").rglob("*"):
        if path.is_file():
            yield path.read_bytes().decode("utf-8", "replace")
