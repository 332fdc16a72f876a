"""Signatures of images: only those that a trusted key made, of the very digest."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from servers.registries import CONFIG, INDEX, MANIFEST, Blob, Built, single
from servers.small_registry import SmallRegistry

from reconciler.errors import Misconfigured
from reconciler.images.reference import image
from reconciler.images.registry.client import Patience, Repository
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.logins import Keys
from reconciler.images.registry.wire import UnreachableError, Wire, origin
from reconciler.images.signatures import Key, Signed, Unsigned, read_key, signed

_SIGN = "https://sigstore.dev/cosign/sign/v1"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Forgetful:
    def get(self, digest: str) -> bytes | None:
        return None

    def put(self, digest: str, body: bytes) -> None:
        pass


class Signer:
    """A pair of keys."""

    def __init__(self, kind: str = "ec") -> None:
        self.kind = kind
        self.private: Any = {
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "ed25519": ed25519.Ed25519PrivateKey.generate,
        }[kind]()

    def sign(self, message: bytes) -> str:
        if self.kind.startswith("ec"):
            made = self.private.sign(
                message, ec.ECDSA(hashes.SHA384() if self.kind == "ec384" else hashes.SHA256())
            )
        elif self.kind == "rsa":
            made = self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        else:
            made = self.private.sign(message)
        return base64.b64encode(made).decode()

    @property
    def pem(self) -> bytes:
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        made: bytes = self.private.public_key().public_bytes(serialization.Encoding.PEM, info)
        return made

    def key(self, folder: Path, name: str = "cosign.pub") -> Key:
        (folder / name).write_bytes(self.pem)
        return read_key(folder / name)


@pytest.fixture
def asking(registry: SmallRegistry) -> Iterator[Repository]:
    wire = Wire(lambda host: ssl.create_default_context(), 5.0, proxies={})
    source = Endpoints([Endpoint(registry.host, plain=True)]).source(image(f"{registry.host}/team/app:1"))
    assert source is not None
    yield Repository(wire, source, Keys(wire, origin(source.api), lambda: None), Patience(), Forgetful())
    wire.close()


def _artifact(layers: list[tuple[Blob, dict[str, str]]]) -> Built:
    config = Blob(CONFIG, b"{}")
    parts = [{**blob.descriptor, "annotations": notes} for blob, notes in layers]
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor, "layers": parts}
    return Built((config, *(blob for blob, _ in layers)), (Blob(MANIFEST, json.dumps(body).encode()),))


def _simple(registry: SmallRegistry, at: str, signer: Signer, named: str, **how: Any) -> None:
    """As cosign 1 and 2 sign: an image beside the image, under a tag named after it."""
    critical = {
        "image": {"docker-manifest-digest": named},
        "type": how.get("type", "cosign container image signature"),
    }
    payload = json.dumps({"critical": critical, "optional": None}).encode()
    notes = {"dev.cosignproject.cosign/signature": how.get("signature") or signer.sign(payload)}
    blob = Blob("application/vnd.dev.cosign.simplesigning.v1+json", payload)
    registry.push("team/app", _artifact([(blob, notes)]), f"{at.replace(':', '-')}.sig")


def _bundled(
    registry: SmallRegistry,
    at: str,
    signer: Signer,
    named: list[str],
    kind: str = _SIGN,
    by_tag: bool = False,
) -> None:
    """As cosign 3 signs: an envelope that refers to the image."""
    subjects = [{"name": "app", "digest": {"sha256": each.partition(":")[2]}} for each in named]
    payload = json.dumps({"_type": "x", "subject": subjects, "predicateType": kind, "predicate": {}}).encode()
    name = b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": name.decode(),
        "signatures": [{"sig": signer.sign(message)}],
    }
    bundle = Blob(_BUNDLE, json.dumps({"mediaType": _BUNDLE, "dsseEnvelope": envelope}).encode())
    built = _artifact([(bundle, {})])
    registry.push("team/app", built)
    if by_tag:
        listed = [{**built.manifests[-1].descriptor, "artifactType": _BUNDLE}]
        index = Blob(INDEX, json.dumps({"schemaVersion": 2, "manifests": listed}).encode())
        registry.push("team/app", Built((), (index,)), at.replace(":", "-"))
        registry.referrers = False
    else:
        registry.attached.setdefault(at, []).append(Blob(_BUNDLE, built.manifests[-1].data))


@pytest.mark.parametrize("kind", ["ec", "ec384", "rsa", "ed25519"])
@pytest.mark.parametrize("way", ["simple", "bundle", "by tag"])
def test_a_signature_by_a_trusted_key(
    registry: SmallRegistry, asking: Repository, tmp_path: Path, kind: str, way: str
) -> None:
    digest, signer = registry.push("team/app", single(), "1"), Signer(kind)
    other = Signer().key(tmp_path, "other.pub")
    if way == "simple":
        _simple(registry, digest, signer, digest)
    else:
        _bundled(registry, digest, signer, [digest], by_tag=way == "by tag")
    assert signed(asking, digest, [other, signer.key(tmp_path)]) == Signed("cosign.pub")
    found = signed(asking, digest, [other])
    assert isinstance(found, Unsigned)
    assert "1 signature, none by a key" in found.why


def test_no_signature_is_none(registry: SmallRegistry, asking: Repository, tmp_path: Path) -> None:
    digest = registry.push("team/app", single(), "1")
    found = signed(asking, digest, [Signer().key(tmp_path)])
    assert isinstance(found, Unsigned)
    assert "has no signature" in found.why


def test_a_signature_of_another_image_counts_for_nothing(
    registry: SmallRegistry, asking: Repository, tmp_path: Path
) -> None:
    digest, signer = registry.push("team/app", single(), "1"), Signer()
    other = "sha256:" + "0" * 64
    _simple(registry, digest, signer, other)
    _bundled(registry, digest, signer, [other])
    _bundled(registry, digest, signer, [digest, other])
    _bundled(registry, digest, signer, [])
    assert isinstance(signed(asking, digest, [signer.key(tmp_path)]), Unsigned)


def test_an_attestation_is_no_signature(registry: SmallRegistry, asking: Repository, tmp_path: Path) -> None:
    digest, signer = registry.push("team/app", single(), "1"), Signer()
    _bundled(registry, digest, signer, [digest], kind="https://spdx.dev/Document")
    _simple(registry, digest, signer, digest, type="something else")
    assert isinstance(signed(asking, digest, [signer.key(tmp_path)]), Unsigned)


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "=" * 100])
def test_what_is_no_signature_at_all(
    registry: SmallRegistry, asking: Repository, tmp_path: Path, signature: str
) -> None:
    digest, signer = registry.push("team/app", single(), "1"), Signer()
    _simple(registry, digest, signer, digest, signature=signature or " ")
    assert isinstance(signed(asking, digest, [signer.key(tmp_path)]), Unsigned)


def test_a_blob_that_is_exchanged_is_found_out(
    registry: SmallRegistry, asking: Repository, tmp_path: Path
) -> None:
    digest, signer = registry.push("team/app", single(), "1"), Signer()
    _simple(registry, digest, signer, digest)
    for name, blob in list(registry.contents.items()):
        if blob.media.endswith("simplesigning.v1+json"):
            registry.contents[name] = Blob(blob.media, blob.data + b" ")
    with pytest.raises(UnreachableError, match="not what its digest says"):
        signed(asking, digest, [signer.key(tmp_path)])


def test_a_thousand_signatures_end(registry: SmallRegistry, asking: Repository, tmp_path: Path) -> None:
    digest = registry.push("team/app", single(), "1")
    for _ in range(30):
        _bundled(registry, digest, Signer(), [digest])
    found = signed(asking, digest, [Signer().key(tmp_path)])
    assert isinstance(found, Unsigned)
    assert "20 signatures" in found.why


def test_keys_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    with pytest.raises(Misconfigured, match="can't be read"):
        read_key(path)
    path.write_text("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n")
    with pytest.raises(Misconfigured, match="no public key"):
        read_key(path)
    private = ec.generate_private_key(ec.SECP256R1())
    kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, kind, none))
    with pytest.raises(Misconfigured, match="no public key"):
        read_key(path)
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    short = rsa.generate_private_key(65537, 1024).public_key()
    path.write_bytes(short.public_bytes(serialization.Encoding.PEM, info))
    with pytest.raises(Misconfigured, match="proves nothing"):
        read_key(path)
