"""Who signed an image: signatures of cosign, checked with the operator's public keys, or by identity.

A signature counts when one of those made it and what it signs names the very digest of the image:
a true signature of another image, copied beside this one, counts for nothing. So does an attestation,
which says something about an image and not that it may run.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from reconciler.errors import Misconfigured
from reconciler.images.keyless import Identity
from reconciler.images.registry.client import Head
from reconciler.images.registry.documents import Attached, Manifest, mapping, sequence

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNED_BY: Final = "dev.cosignproject.cosign/signature"
_IN_TOTO: Final = "application/vnd.in-toto+json"
_IS_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"
_SIMPLE_TYPES: Final = ("cosign container image signature", _IS_SIGNATURE)
_MOST: Final = 20  # signatures that are looked at
_SMALLEST_RSA: Final = 2048

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Shelf(Protocol):
    """What of a registry a signature is looked for in."""

    def attached(self, digest: str) -> tuple[Attached, ...]: ...

    def head(self, reference: str) -> Head | None: ...

    def manifest(self, digest: str) -> Manifest: ...

    def blob(self, digest: str) -> bytes: ...


class Signed(NamedTuple):
    key: str  # the name of the key, or of the identity, that made it


class Unsigned(NamedTuple):
    why: str


class Key(NamedTuple):
    name: str
    key: PublicKey


def read_key(path: Path) -> Key:
    """A public key in PEM, as `cosign generate-key-pair` writes it."""
    try:
        found = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        words = f"the public key can't be read: {error.strerror}."
        raise Misconfigured("settings", words, path=str(path)) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Misconfigured("settings", "it holds no public key in PEM format.", path=str(path)) from None
    if isinstance(found, rsa.RSAPublicKey) and found.key_size < _SMALLEST_RSA:
        words = f"an RSA key of {found.key_size} bits proves nothing; {_SMALLEST_RSA} are the least."
        raise Misconfigured("settings", words, path=str(path))
    if not isinstance(found, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise Misconfigured("settings", "keys are ECDSA, RSA or Ed25519.", path=str(path))
    return Key(path.name, found)


def signed(shelf: Shelf, digest: str, who: Sequence[Key | Identity]) -> Signed | Unsigned:
    """Whether one of them signed that digest. Raises what the registry raises."""
    keys = [one for one in who if isinstance(one, Key)]
    identities = [one for one in who if isinstance(one, Identity)]
    seen = 0
    for body in _bundles(shelf, digest):
        seen += 1
        by = _by_key(_bundled(body, digest), keys) or _by_identity(body, digest, identities)
        if by:
            return Signed(by)
    for one in _beside(shelf, digest) if keys else ():
        seen += 1
        if by := _by_key([one], keys):
            return Signed(by)
    known = (
        "no signature" if not seen else f"{seen} signature{'s' * (seen > 1)}, none by a key that is trusted"
    )
    return Unsigned(f"{digest[:19]}… has {known}")


def _by_key(found: Iterable[tuple[bytes, bytes, bool]], keys: Sequence[Key]) -> str:
    for message, signature, names in found:
        for key in keys if names else ():
            if _made(key.key, message, signature):
                return key.name
    return ""


def _by_identity(body: bytes, digest: str, identities: Sequence[Identity]) -> str:
    for one in identities:
        told = one.signed(body)
        if told is not None and told[0] == _IN_TOTO and _states(told[1], digest):
            return one.name
    return ""


def _bundles(shelf: Shelf, digest: str) -> Iterator[bytes]:
    """Bundles that refer to the image. What kind they are, some lists of what refers to it don't tell."""
    found = [one for one in shelf.attached(digest) if one.kind == _EMPTY or one.kind.startswith(_BUNDLE)]
    for one in found[:_MOST]:
        for media, blob, _ in shelf.manifest(one.digest).layers[:1]:
            if media.startswith(_BUNDLE) or one.kind != _EMPTY:
                yield shelf.blob(blob)


def _beside(shelf: Shelf, digest: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """What was signed, the signature, and whether it names the digest: of an image beside it."""
    beside = shelf.head(f"{digest.replace(':', '-')}.sig")
    if beside is None:
        return
    layers = [
        one for one in shelf.manifest(beside.digest).layers if one[0] == _SIMPLE and _SIGNED_BY in one[2]
    ]
    for _, blob, notes in layers[:_MOST]:
        payload, signature = shelf.blob(blob), _unpacked(notes[_SIGNED_BY])
        if signature is not None:
            yield payload, signature, _simply_names(payload, digest)


def _bundled(body: bytes, digest: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """An envelope (DSSE): type and content are signed together."""
    envelope = mapping(mapping(_json(body)).get("dsseEnvelope"))
    kind, payload = envelope.get("payloadType"), _unpacked(envelope.get("payload"))
    if not isinstance(kind, str) or payload is None:
        return
    name = kind.encode("utf-8", "surrogatepass")
    message = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
    for each in sequence(envelope.get("signatures"))[:_MOST]:
        signature = _unpacked(mapping(each).get("sig"))
        if signature is not None:
            yield message, signature, kind == _IN_TOTO and _states(payload, digest)


def _states(payload: bytes, digest: str) -> bool:
    """A statement of in-toto that is a signature, and whose only subjects are this digest."""
    said = mapping(_json(payload))
    subjects = [mapping(each) for each in sequence(said.get("subject"))]
    name, _, wanted = digest.partition(":")
    found = [mapping(each.get("digest")).get(name) for each in subjects]
    return said.get("predicateType") == _IS_SIGNATURE and bool(found) and set(found) == {wanted}


def _simply_names(payload: bytes, digest: str) -> bool:
    critical = mapping(mapping(_json(payload)).get("critical"))
    image = mapping(critical.get("image")).get("docker-manifest-digest")
    return critical.get("type") in _SIMPLE_TYPES and image == digest


def _made(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(_hash_of(key)))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _hash_of(key: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    """As long as the curve: P-256 goes with SHA-256."""
    if key.curve.key_size > 384:
        return hashes.SHA512()
    return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()


def _unpacked(text: Any) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
