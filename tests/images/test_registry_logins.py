"""Logins from wherever people keep them, and from clouds."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import small_registry
from servers.small_registry import Asked, Said, SmallRegistry, TokenServer

from reconciler.errors import Misconfigured
from reconciler.images.registry.clouds import amazon, azure, google, kept
from reconciler.images.registry.docker import from_config, from_helper
from reconciler.images.registry.logins import Keys, Login, login_of
from reconciler.images.registry.wire import Answer, UnreachableError, Wire, origin
from reconciler.model import Secret


def _said(login: Login | None) -> tuple[str, str] | None:
    return None if login is None else (login.user, login.password.reveal())


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _config(folder: Path, document: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


# ---------------------------------------------------------------------------------------------
# docker
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix", "fits"),
    [
        ("registry.example.com", "registry.example.com/team/app", True),
        ("https://registry.example.com/v2/", "registry.example.com", True),
        ("registry.example.com/team", "registry.example.com/team/app", True),
        ("registry.example.com/team", "registry.example.com/teams", False),
        ("registry.example.com/team", "registry.example.com", False),
        ("https://index.docker.io/v1/", "docker.io/library/nginx", True),
        ("example.com", "evil.example.com", False),
        ("registry.example.com:5000", "registry.example.com", False),
    ],
)
def test_which_login_of_a_file_fits(tmp_path: Path, name: str, prefix: str, fits: bool) -> None:
    path = _config(tmp_path, {"auths": {name: {"auth": _packed("robot$x:a:b")}}})
    assert _said(from_config(path, prefix)) == (("robot$x", "a:b") if fits else None)


def test_the_longest_name_wins_and_empty_ones_are_none(tmp_path: Path) -> None:
    auths = {
        "a.io": {"auth": _packed("all:1")},
        "a.io/x": {"username": "some", "password": "2"},
        "a.io/x/y": {},
    }
    path = _config(tmp_path, {"auths": auths})
    assert _said(from_config(path, "a.io/x/y/z")) == ("some", "2")
    assert _said(from_config(path, "a.io/z")) == ("all", "1")
    assert from_config(_config(tmp_path, {}), "a.io") is None


@pytest.mark.parametrize("text", ["", "[]", "{", "\0", '{"auths": {"a.io": {"auth": "%%"}}}'])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(Misconfigured):
        from_config(path, "a.io")
    with pytest.raises(Misconfigured, match="can't be read"):
        from_config(tmp_path / "none", "a.io")


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_helper_is_asked_on_its_standard_input(helpers: Path, tmp_path: Path) -> None:
    _helper(helpers, "mine", 'read host; echo "{\\"Username\\": \\"$1\\", \\"Secret\\": \\"for $host\\"}"')
    assert _said(from_helper("mine", "a.io")) == ("get", "for a.io")
    path = _config(tmp_path, {"credHelpers": {"a.io": "mine"}, "credsStore": "mine"})
    assert _said(from_config(path, "a.io/team/app")) == ("get", "for a.io")
    assert _said(from_config(path, "docker.io/library/nginx")) == ("get", "for https://index.docker.io/v1/")


def test_a_helper_that_knows_nobody_or_fails(helpers: Path) -> None:
    _helper(helpers, "none", "echo credentials not found in native keychain; exit 1")
    _helper(helpers, "bad", "echo s3cret; echo s3cret >&2; exit 1")
    _helper(helpers, "odd", "echo s3cret")
    assert from_helper("none", "a.io") is None
    for name in ("bad", "odd", "missing", "../evil", "a;b"):
        with pytest.raises(Misconfigured) as told:
            from_helper(name, "a.io")
        assert "s3cret" not in str(told.value)


def test_an_identity_token_goes_in_the_body() -> None:
    tokens = TokenServer()
    with small_registry.running(tokens):
        wire = Wire(lambda host: pytest.fail("no TLS here"), 5.0, proxies={})
        keys = Keys(wire, origin("http://127.0.0.1:1"), lambda: Login("", Secret("refresh")))
        refused = Answer(401, {"www-authenticate": f'Bearer realm="{tokens.url}/t",service="s"'}, b"")
        assert keys.answer(refused, "repository:x:pull") == "Bearer t0ken"
        wire.close()
    asked = tokens.asked[0]
    assert (asked.method, asked.query) == ("POST", {})
    assert asked.form["refresh_token"] == ["refresh"]
    assert asked.form["scope"] == ["repository:x:pull"]


@pytest.mark.parametrize("text", ["", "user", ":word", "\n"])
def test_what_is_no_login(text: str) -> None:
    with pytest.raises(ValueError, match="user:password"):
        login_of(text)


# ---------------------------------------------------------------------------------------------
# Clouds
# ---------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[SmallRegistry]:
    made = SmallRegistry()
    with small_registry.running(made):
        yield made


def test_amazon_gives_a_password(server: SmallRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    data = {"authorizationData": [{"authorizationToken": _packed("AWS:pass:word"), "expiresAt": 1}]}
    server.answers = lambda asked: Said(200, json.dumps(data).encode())
    assert _said(amazon("eu-west-1", server.url)) == ("AWS", "pass:word")
    asked = server.asked[0]
    assert asked.headers["x-amz-target"].endswith(".GetAuthorizationToken")
    assert "/eu-west-1/ecr/aws4_request" in asked.key
    server.answers = lambda asked: Said(400, b'{"__type": "AccessDeniedException"}')
    with pytest.raises(UnreachableError, match="no login"):
        amazon("eu-west-1", server.url)


def test_azure_exchanges_a_token(server: SmallRegistry) -> None:
    def exchange(asked: Asked) -> Said:
        right = asked.form["access_token"] == ["of the directory"] and asked.form["service"] == [server.host]
        return Said(200 if right else 401, b'{"refresh_token": "r3fresh"}')

    server.answers = exchange
    wire = Wire(lambda host: pytest.fail("no TLS here"), 5.0, proxies={})
    found = azure(wire, server.url, lambda: "of the directory")
    assert _said(found) == ("00000000-0000-0000-0000-000000000000", "r3fresh")
    with pytest.raises(UnreachableError, match="takes no token"):
        azure(wire, server.url, lambda: "of nobody")
    wire.close()


def test_google_gives_a_token(server: SmallRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(65537, 2048)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    account = {
        "type": "service_account",
        "client_email": "bot@example.com",
        "private_key": private.private_bytes(serialization.Encoding.PEM, form, none).decode(),
        "token_uri": f"{server.url}/token",
        "project_id": "p",
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    token = b'{"access_token": "g00gle", "expires_in": 3600, "token_type": "Bearer"}'
    server.answers = lambda asked: Said(200, token, {"Content-Type": "application/json"})
    assert _said(google()) == ("oauth2accesstoken", "g00gle")


def test_a_login_is_kept_for_a_while() -> None:
    asked: list[int] = []
    now = [0.0]

    def ask() -> Login:
        asked.append(1)
        return Login("u", Secret(str(len(asked))))

    login = kept(ask, lambda: now[0])
    assert [_said(login()), _said(login())] == [("u", "1"), ("u", "1")]
    now[0] = 601.0
    assert _said(login()) == ("u", "2")
