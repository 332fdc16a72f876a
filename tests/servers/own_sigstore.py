"""A sigstore of one's own, as far as a signature needs it: who certifies, the log of certificates, the log of
signatures. No server: what they would answer is made here, with keys of the tests'.

Each part can be left out or spoiled, so that it shows whether anybody looks at it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW: Final = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
ISSUER: Final = "https://token.actions.example.com"
WORKFLOW: Final = "https://git.example.com/team/app/.github/workflows/release.yaml@refs/heads/main"
IN_TOTO: Final = "application/vnd.in-toto+json"
SIGN: Final = "https://sigstore.dev/cosign/sign/v1"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_P256: Final = "PKIX_ECDSA_P256_SHA_256"
_SCTS: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER_V1: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2: Final = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SHA256: Final = ec.ECDSA(hashes.SHA256())
Key = ec.EllipticCurvePrivateKey


class How(NamedTuple):
    """What is otherwise in one signature."""

    identity: str = WORKFLOW
    issuer: str = ISSUER
    signed_after: timedelta = timedelta(minutes=1)  # since the certificate was made, which lives for ten
    kind: str = IN_TOTO
    predicate: str = SIGN
    certified_by: Key | None = None  # None is the authority itself
    seen_by: Key | None = None  # the log of certificates
    logged_by: Key | None = None  # the log of signatures
    promised_by: Key | None = None  # that it will be in there
    logged: bool = True  # whether it is in the tree that the log vouches for
    of_another: bool = False  # whether the log tells of another signature


PLAIN: Final = How()


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _der(key: Key) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


class Sigstore:
    def __init__(self) -> None:
        self.authority, self.certificates, self.log = new_key(), new_key(), new_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        self.root = self._root()

    # -- who is trusted ---------------------------------------------------------------------------

    def write_root(self, path: Path, **without: Any) -> Path:
        since = {"start": "2026-01-01T00:00:00Z"}
        authority = {
            "subject": {"organization": "tests", "commonName": "tests"},
            "uri": "https://fulcio.example.com",
            "certChain": {"certificates": [{"rawBytes": _b64(self.root.public_bytes(_ENCODED))}]},
            "validFor": since,
        }
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self._log("https://rekor.example.com", self.log, since)],
            "certificateAuthorities": [authority],
            "ctlogs": [self._log("https://ct.example.com", self.certificates, since)],
            "timestampAuthorities": [],
        }
        path.write_text(json.dumps(root | without))
        return path

    def _log(self, url: str, key: Key, since: Any) -> dict[str, Any]:
        public = {"rawBytes": _b64(_der(key)), "keyDetails": _P256, "validFor": since}
        name = {"keyId": _b64(hashlib.sha256(_der(key)).digest())}
        return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": name}

    def _root(self) -> x509.Certificate:
        public = self.authority.public_key()
        made = x509.CertificateBuilder(self._name, self._name, public, x509.random_serial_number())
        made = made.not_valid_before(NOW - timedelta(days=30)).not_valid_after(NOW + timedelta(days=3650))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        return made.sign(self.authority, hashes.SHA256())

    # -- one signature ----------------------------------------------------------------------------

    def bundle(self, digest: str, how: How = PLAIN) -> dict[str, Any]:
        """What cosign attaches to an image, of that digest."""
        key = new_key()
        certificate = self._certificate(key, how)
        payload = statement(digest, how.predicate)
        name = how.kind.encode()
        message = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
        signature = key.sign(message, _SHA256)
        logged = key.sign(b"something else", _SHA256) if how.of_another else signature
        entry = self._entry(certificate, payload, logged, how)
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": _b64(certificate.public_bytes(_ENCODED))},
                "tlogEntries": [entry],
            },
            "dsseEnvelope": {
                "payload": _b64(payload),
                "payloadType": how.kind,
                "signatures": [{"sig": _b64(signature)}],
            },
        }

    def _certificate(self, key: Key, how: How) -> x509.Certificate:
        mail = "@" in how.identity and "://" not in how.identity
        who = x509.RFC822Name(how.identity) if mail else x509.UniformResourceIdentifier(how.identity)
        text = how.issuer.encode()
        made = x509.CertificateBuilder(
            self._name, x509.Name([]), key.public_key(), x509.random_serial_number()
        )
        made = made.not_valid_before(NOW).not_valid_after(NOW + timedelta(minutes=10))
        made = made.add_extension(_usage(digital_signature=True), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        held = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key())
        made = made.add_extension(held, critical=False)
        made = made.add_extension(x509.SubjectAlternativeName([who]), critical=True)
        made = made.add_extension(x509.UnrecognizedExtension(_ISSUER_V1, text), critical=False)
        coded = b"\x0c" + bytes([len(text)]) + text
        made = made.add_extension(x509.UnrecognizedExtension(_ISSUER_V2, coded), critical=False)
        signer = how.certified_by or self.authority
        draft = _with_scts(made, b"\x00" * 32, b"").sign(signer, hashes.SHA256())
        seen = int(NOW.timestamp() * 1000)
        body = draft.tbs_precertificate_bytes
        issuer = hashlib.sha256(_der(self.authority)).digest()
        entry = struct.pack(">BBQH", 0, 0, seen, 1) + issuer + len(body).to_bytes(3, "big") + body + b"\0\0"
        log = how.seen_by or self.certificates
        name = hashlib.sha256(_der(self.certificates)).digest()
        return _with_scts(made, name, log.sign(entry, _SHA256)).sign(signer, hashes.SHA256())

    def _entry(
        self, certificate: x509.Certificate, payload: bytes, signature: bytes, how: How
    ) -> dict[str, Any]:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        zeros = {"algorithm": "sha256", "value": "0" * 64}
        spec = {
            "envelopeHash": zeros,
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
        }
        body = json.dumps(
            {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}, separators=(",", ":")
        ).encode()
        name = hashlib.sha256(_der(self.log)).digest()
        when = int((NOW + how.signed_after).timestamp())
        promise = {"body": _b64(body), "integratedTime": when, "logID": name.hex(), "logIndex": 7}
        promised = json.dumps(promise, separators=(",", ":"), sort_keys=True).encode()
        return {
            "logIndex": "7",
            "logId": {"keyId": _b64(name)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {
                "signedEntryTimestamp": _b64((how.promised_by or self.log).sign(promised, _SHA256))
            },
            "inclusionProof": self._proof(body if how.logged else b"another", name, how),
            "canonicalizedBody": _b64(body),
        }

    def _proof(self, body: bytes, name: bytes, how: How) -> dict[str, Any]:
        """In a tree of two: a neighbour, and this one."""
        neighbour = hashlib.sha256(b"\x00neighbour").digest()
        top = hashlib.sha256(b"\x01" + neighbour + hashlib.sha256(b"\x00" + body).digest()).digest()
        note = f"rekor.example.com - 1\n2\n{_b64(top)}\n"
        signed = (how.logged_by or self.log).sign(note.encode(), _SHA256)
        envelope = f"{note}\n\u2014 rekor.example.com {_b64(name[:4] + signed)}\n"
        return {
            "logIndex": "1",
            "rootHash": _b64(top),
            "treeSize": "2",
            "hashes": [_b64(neighbour)],
            "checkpoint": {"envelope": envelope},
        }


_ENCODED: Final = serialization.Encoding.DER


def statement(digest: str, predicate: str = SIGN) -> bytes:
    kind, _, value = digest.partition(":")
    said = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {kind: value}}],
        "predicateType": predicate,
        "predicate": {},
    }
    return json.dumps(said).encode()


def _usage(**said: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**(dict.fromkeys(names, False) | said))


def _with_scts(made: x509.CertificateBuilder, log: bytes, signature: bytes) -> x509.CertificateBuilder:
    """One timestamp of the log of certificates, within the certificate."""
    seen = int(NOW.timestamp() * 1000)
    one = struct.pack(">B32sQHBBH", 0, log, seen, 0, 4, 3, len(signature)) + signature
    listed = struct.pack(">HH", len(one) + 2, len(one)) + one
    size = bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])
    return made.add_extension(x509.UnrecognizedExtension(_SCTS, b"\x04" + size + listed), critical=False)
