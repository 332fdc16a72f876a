"""Signatures without a key of one's own, against an authority and logs of the tests' own: what counts, and
that each part of it is looked at."""

from __future__ import annotations

import copy
import json
import random
import socket
import ssl
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from servers.own_sigstore import BUNDLE, ISSUER, PLAIN, WORKFLOW, How, Sigstore, new_key
from servers.registries import INDEX, MANIFEST, Blob, Built, single
from servers.small_registry import Memory, SmallRegistry

from reconciler.errors import Misconfigured
from reconciler.images.keyless import Identity, Wanted, identity
from reconciler.images.reference import image
from reconciler.images.registry.client import Repository
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import Wire
from reconciler.images.signatures import Signed, signed

_DIGEST = f"sha256:{'a' * 64}"
_OTHER = f"sha256:{'b' * 64}"
_RELEASE = Wanted("release", ISSUER, WORKFLOW)


@pytest.fixture(scope="module")
def own() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def root(own: Sigstore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own.write_root(tmp_path_factory.mktemp("root") / "trusted_root.json")


def _body(own: Sigstore, how: How = PLAIN) -> bytes:
    return json.dumps(own.bundle(_DIGEST, how)).encode()


@pytest.mark.parametrize(
    ("wanted", "how", "counts"),
    [
        (_RELEASE, How(), True),
        (Wanted("r", ISSUER, pattern=r"https://git\.example\.com/team/.*@refs/heads/main"), How(), True),
        (Wanted("r", ISSUER, "ops@example.com"), How(identity="ops@example.com"), True),
        (Wanted("r", ISSUER, WORKFLOW + "x"), How(), False),
        (Wanted("r", ISSUER, WORKFLOW[:-1]), How(), False),
        (Wanted("r", ISSUER, pattern="team/app"), How(), False),  # it has to match all of it
        (Wanted("r", "https://accounts.example.com", WORKFLOW), How(), False),
        (Wanted("r", ISSUER + "/", WORKFLOW), How(), False),
        (_RELEASE, How(issuer="https://evil.example.com"), False),
        (_RELEASE, How(identity="ops@example.com"), False),
    ],
)
def test_issuer_and_identity_have_to_be_those_that_are_wanted(
    own: Sigstore, root: Path, wanted: Wanted, how: How, counts: bool
) -> None:
    assert (identity(wanted, root).signed(_body(own, how)) is not None) is counts


@pytest.mark.parametrize(
    "how",
    [
        How(certified_by=new_key()),  # another authority of the same name
        How(seen_by=new_key()),  # a certificate that isn't in the log of certificates
        How(logged_by=new_key()),  # another log
        How(promised_by=new_key()),
        How(logged=False),  # a log that has something else
        How(of_another=True),  # a log that has another signature by the same certificate
        How(signed_after=timedelta(minutes=11)),  # the certificate was over by then
        How(signed_after=-timedelta(minutes=1)),
    ],
)
def test_each_part_is_looked_at(own: Sigstore, root: Path, how: How) -> None:
    assert identity(_RELEASE, root).signed(_body(own, how)) is None


@pytest.mark.parametrize(
    "without",
    [
        ("verificationMaterial", "tlogEntries"),
        ("verificationMaterial", "tlogEntries", 0, "inclusionProof"),
        ("verificationMaterial", "tlogEntries", 0, "inclusionProof", "checkpoint"),
        ("verificationMaterial", "tlogEntries", 0, "inclusionPromise"),  # then nobody says when it was
        ("verificationMaterial", "certificate"),
        ("dsseEnvelope", "signatures"),
    ],
)
def test_nothing_may_be_missing(own: Sigstore, root: Path, without: tuple[str | int, ...]) -> None:
    bundle: Any = own.bundle(_DIGEST)
    inner = bundle
    for step in without[:-1]:
        inner = inner[step]
    del inner[without[-1]]
    assert identity(_RELEASE, root).signed(json.dumps(bundle).encode()) is None


def test_another_trusted_root_trusts_somebody_else(own: Sigstore, tmp_path: Path) -> None:
    other = Sigstore().write_root(tmp_path / "other.json")
    assert identity(_RELEASE, other).signed(_body(own)) is None


def test_spoiled_bundles_count_for_nothing_and_break_nothing(own: Sigstore, root: Path) -> None:
    """One leaf of it after the other is something else: only what nobody has to look at may change."""
    who, whole = identity(_RELEASE, root), own.bundle(_DIGEST)
    chance = random.Random(7)
    free = {"keyId", "logIndex", "treeSize"}  # names that are only hints, and numbers that stand there twice
    for at in _leaves(whole):
        for new in (None, "", 7, [], {}, "AAAA", "x" * 300, chance.random()):
            spoiled = copy.deepcopy(whole)
            inner: Any = spoiled
            for step in at[:-1]:
                inner = inner[step]
            if inner[at[-1]] == new:
                continue
            inner[at[-1]] = new
            told = who.signed(json.dumps(spoiled).encode())
            assert told is None or at[-1] in free, at
    for body in (b"", b"{}", b"[]", b"null", b"\xff", b"[" * 90_000, b"{" + b" " * (2 << 20)):
        assert who.signed(body) is None


def _leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield (*at, step)
        yield from _leaves(each, (*at, step))


# ---------------------------------------------------------------------------------------------
# As registries have them
# ---------------------------------------------------------------------------------------------


@pytest.fixture
def repository(registry: SmallRegistry) -> Iterator[Repository]:
    wire = Wire(lambda host: ssl.create_default_context(), 5.0, proxies={})
    asking = Registries(
        wire, Endpoints([Endpoint(registry.host, plain=True)]), Memory(), lambda seconds: None
    )
    yield asking.repository(image(f"{registry.host}/app:1"))
    wire.close()


def _attach(registry: SmallRegistry, bundle: Any, to: str) -> None:
    content = Blob(BUNDLE, json.dumps(bundle).encode())
    empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
    said = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": empty.descriptor,
        "layers": [content.descriptor],
    }  # fmt: skip
    manifest = Blob(MANIFEST, json.dumps(said).encode())
    registry.push("app", Built((content, empty), (manifest,)))
    registry.attached.setdefault(to, []).append(manifest)
    listed = [{**manifest.descriptor, "artifactType": empty.media}]  # as some write it
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    registry.push("app", Built((), (Blob(INDEX, json.dumps(index).encode()),)), to.replace(":", "-"))


@pytest.mark.parametrize("referrers", [True, False])
def test_bundles_refer_to_an_image(
    own: Sigstore, root: Path, registry: SmallRegistry, repository: Repository, referrers: bool
) -> None:
    registry.referrers = referrers
    digest = registry.push("app", single(), "1")
    who: list[Identity] = [
        identity(_RELEASE._replace(name="other", identity="x"), root),
        identity(_RELEASE, root),
    ]
    _attach(registry, own.bundle(digest), digest)
    assert signed(repository, digest, who) == Signed("release")
    assert not isinstance(signed(repository, digest, who[:1]), Signed)


@pytest.mark.parametrize(
    ("of", "how"),
    [
        (_OTHER, How()),  # a true signature of another image
        (
            _DIGEST,
            How(predicate="https://slsa.dev/provenance/v1"),
        ),  # says how it was built, not that it may run
        (_DIGEST, How(kind="text/plain")),
    ],
)
def test_a_signature_counts_for_its_image_alone(
    own: Sigstore, root: Path, registry: SmallRegistry, repository: Repository, of: str, how: How
) -> None:
    digest = registry.push("app", single(), "1")
    _attach(registry, own.bundle(digest if of == _DIGEST else of, how), digest)
    assert not isinstance(signed(repository, digest, [identity(_RELEASE, root)]), Signed)


# ---------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------


def test_the_public_root_comes_along_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert identity(_RELEASE).signed(b"{}") is None


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sigstore.verify", None)
    with pytest.raises(Misconfigured, match=r"pip install 'reconciler\[keyless\]'"):
        identity(_RELEASE, tmp_path / "nobody asked for this one yet")


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "can't be read"), ("{}", "holds no trusted root"), ("x", "holds no trusted root")],
)
def test_a_trusted_root_that_is_none(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "root.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        identity(_RELEASE, path)


def test_a_trusted_root_without_a_log_is_none(own: Sigstore, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="without a log"):
        identity(_RELEASE, own.write_root(tmp_path / "root.json", tlogs=[]))
    nobody = identity(_RELEASE, own.write_root(tmp_path / "other.json", ctlogs=[]))
    assert nobody.signed(_body(own)) is None


def test_a_pattern_that_is_none(root: Path) -> None:
    with pytest.raises(Misconfigured, match=r"imageIdentities.r: '\(' is no regular expression"):
        identity(Wanted("r", ISSUER, pattern="("), root)
