"""The registry client against a real registry: open, with passwords, and with tokens."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import registries, small_registry
from servers.registries import Registry, multi, single
from servers.small_registry import TokenServer, basic

from reconciler.images.reference import image
from reconciler.images.registry.client import Patience, Repository
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.logins import Keys, LoginOf, login_of
from reconciler.images.registry.wire import UnreachableError, Wire, origin

_KEY = basic(registries.USER, registries.PASSWORD)


class Forgetful:
    def get(self, digest: str) -> bytes | None:
        return None

    def put(self, digest: str, body: bytes) -> None:
        pass


def _asking(registry: Registry, login: LoginOf) -> tuple[Repository, Wire]:
    wire = Wire(lambda host: ssl.create_default_context(), 10.0, proxies={})
    source = Endpoints([Endpoint(registry.host, plain=True, login=login)]).source(
        image(f"{registry.host}/team/app:1")
    )
    assert source is not None
    keys = Keys(wire, origin(source.api), source.endpoint.login)
    return Repository(wire, source, keys, Patience(), Forgetful()), wire


def _all_of_it(registry: Registry, login: LoginOf, key: str = "") -> None:
    built = multi(created="2026-02-03T04:05:06Z", labels={"org.opencontainers.image.source": "https://x"})
    registry.push("team/app", built, ["1.0.0", "1.1.0", "latest"], key)
    registry.push("team/app", single(), ["0362525"], key)
    asking, wire = _asking(registry, login)
    assert sorted(asking.tags()) == ["0362525", "1.0.0", "1.1.0", "latest"]
    head = asking.head("1.1.0")
    assert head is not None
    assert head.digest == built.digest
    index = asking.manifest(head.digest)
    assert [str(child.platform) for child in index.children] == ["linux/amd64", "linux/arm64"]
    config = asking.config(asking.manifest(index.children[0].digest).config)
    assert (config.created, config.labels) == (1770091506, {"org.opencontainers.image.source": "https://x"})
    assert asking.head("2.0.0") is None
    assert asking.attached(head.digest) == ()
    wire.close()


@pytest.fixture
def real_registry(registry_program: str, tmp_path: Path) -> Iterator[Registry]:
    registry, stop = registries.start(tmp_path / "registry")
    yield registry
    stop()


def test_an_open_registry(real_registry: Registry) -> None:
    _all_of_it(real_registry, lambda: None)
    asking, wire = _asking(real_registry, lambda: None)
    with pytest.raises(UnreachableError, match="doesn't exist"):
        asking.manifest("sha256:" + "0" * 64)
    wire.close()


def test_a_registry_with_passwords(registry_program: str, tmp_path: Path) -> None:
    auth = registries.htpasswd(tmp_path / "auth")
    registry, stop = registries.start(tmp_path / "registry", auth)
    try:
        _all_of_it(registry, lambda: login_of(f"{registries.USER}:{registries.PASSWORD}"), _KEY)
        asking, wire = _asking(registry, lambda: login_of("other:word"))
        with pytest.raises(UnreachableError, match="login is refused"):
            asking.tags()
        wire.close()
    finally:
        stop()


def test_a_registry_with_tokens(registry_program: str, tmp_path: Path) -> None:
    key, certificate = registries.certificate(tmp_path / "pair")
    server = TokenServer(login=_KEY)
    with small_registry.running(server):
        words = f"realm: '{server.url}/token', service: tests, issuer: us, rootcertbundle: {certificate}"
        auth = f"{{token: {{{words}}}}}"
        registry, stop = registries.start(tmp_path / "registry", auth)
        try:
            server.token = _signed(key, certificate, ["pull"])
            pushing = "Bearer " + _signed(key, certificate, ["pull", "push"])
            _all_of_it(registry, lambda: login_of(f"{registries.USER}:{registries.PASSWORD}"), pushing)
            assert len(server.asked) == 1
        finally:
            stop()


def _signed(key: Path, certificate: Path, actions: list[str]) -> str:
    """A token such as servers of tokens give, with the certificate that proves it."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    chain = "".join(certificate.read_text().splitlines()[1:-1])
    now = int(time.time())
    access = [{"type": "repository", "name": "team/app", "actions": actions}]
    words: dict[str, object] = {"iss": "us", "sub": "ci", "aud": "tests", "jti": "1", "access": access}
    words |= {"exp": now + 300, "nbf": now - 10, "iat": now}
    head = _part({"typ": "JWT", "alg": "RS256", "x5c": [chain]}) + "." + _part(words)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    signature = private.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return head + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def _part(words: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(words).encode()).rstrip(b"=").decode()
