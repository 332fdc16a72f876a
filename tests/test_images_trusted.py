"""Whole runs over images that have to be signed, and over tags whose registry tells when they were pushed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from servers.own_sigstore import BUNDLE, ISSUER, WORKFLOW, Sigstore
from servers.registries import MANIFEST, Blob, Built, single
from servers.small_registry import Asked, Said, SmallRegistry
from world import NOW, World

from reconciler.errors import Misconfigured
from reconciler.model import Keep, Reason, Report
from reconciler.usage.days import DAY

_WEB = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
    'spec: {template: {spec: {containers: [{name: app, image: "%s"}]}}}\n'
)
_HEAD = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: ours}\nmode: {images: propose}\n"


def _world(folder: Path, registry: SmallRegistry, images: str, kind: str = "none", **more: object) -> World:
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "ours.yaml").write_text(f"{_HEAD}images: {images}\n")
    entry = {"prefix": registry.host, "plainHttp": True, "pushTimes": kind}
    files = {"a.yaml": _WEB % f"{registry.host}/team/app:1.0.0"}
    return World(folder, files, (), policies="policies", registries=[entry], **more)


def _kept(report: Report) -> list[Keep]:
    return [keep for keep in report.kept if keep.slot.field.value == "image"]


def _sign(registry: SmallRegistry, own: Sigstore, digest: str) -> None:
    content = Blob(BUNDLE, json.dumps(own.bundle(digest)).encode())
    empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
    said = {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": empty.descriptor,
        "layers": [content.descriptor],
    }  # fmt: skip
    manifest = Blob(MANIFEST, json.dumps(said).encode())
    registry.push("team/app", Built((content, empty), (manifest,)))
    registry.attached[digest] = [manifest]


def test_who_may_sign_without_a_key_is_said_in_the_settings(tmp_path: Path, registry: SmallRegistry) -> None:
    own = Sigstore()
    registry.push("team/app", single(words="old"), "1.0.0")
    signed = registry.push("team/app", single(words="signed"), "1.1.0")
    registry.push("team/app", single(words="nobody's"), "1.2.0")
    root = own.write_root(tmp_path / "trusted_root.json")
    release = {"issuer": ISSUER, "identity": WORKFLOW, "trustedRoot": str(root)}
    world = _world(tmp_path, registry, "{signedBy: [release]}", imageIdentities={"release": release})
    assert [kept.reason for kept in _kept(world.run())] == [Reason.UNSIGNED]
    _sign(registry, own, signed)
    (change,) = world.run().changes
    assert change.values[0].new == f"{registry.host}/team/app:1.1.0@{signed}"
    assert "signed by release" in change.because


def test_names_that_the_settings_do_not_have_or_have_twice(tmp_path: Path, registry: SmallRegistry) -> None:
    registry.push("team/app", single(words="old"), "1.0.0", "1.1.0")
    world = _world(tmp_path, registry, "{signedBy: [relase]}")
    (kept,) = _kept(world.run())
    assert (kept.reason, "signedBy names relase, which the settings don't" in kept.detail) == (
        Reason.NO_CHOICE,
        True,
    )
    key = tmp_path / "key.pem"
    key.write_bytes(_public_key())
    release = {"issuer": ISSUER, "identity": WORKFLOW}
    world.write_settings(
        policies="policies", registries=[{"prefix": registry.host, "plainHttp": True}],
        imageIdentities={"release": release}, imageKeys={"release": str(key)},
    )  # fmt: skip
    with pytest.raises(Misconfigured, match="both say who release is"):
        world.run()


def _public_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(serialization.Encoding.PEM, form)


def test_a_tag_that_was_pushed_long_ago_needs_no_second_wait(tmp_path: Path, registry: SmallRegistry) -> None:
    """And what its registry said once is remembered: without its answer it is as old as before."""
    registry.push("team/app", single(words="old"), "1.0.0")
    digest = registry.push("team/app", single(words="new"), "1.1.0")
    told = json.dumps({"digest": digest, "push_time": "2026-01-10T00:00:00Z", "tags": []}).encode()

    def harbor(asked: Asked) -> Said | None:
        return Said(200, told) if asked.path.startswith("/api/v2.0/") else None

    registry.answers = harbor
    world = _world(tmp_path, registry, "{minimumAge: 7d}", kind="harbor")
    (change,) = world.run().changes
    assert "it was pushed 37 days ago, as its registry says" in change.because
    (request,) = world.requests()
    assert "2026-01-10, when it was pushed" in request.body
    registry.answers = lambda asked: Said(500) if asked.path.startswith("/api/") else None
    before = world.state()
    assert len(world.run(NOW + DAY).changes) == 1
    assert world.requests()[0].number == request.number
    assert before.keys() == world.state().keys()
