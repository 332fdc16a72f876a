"""Registries of images: the real one, and images to push to any."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from servers.prometheus import free_port, launch, stop, wait_until_ready

NAME = "docker-registry"
PROGRAM = "RECONCILER_REGISTRY"  # another version to test against
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def find() -> str | None:
    return os.environ.get(PROGRAM) or shutil.which(NAME)


class Blob(NamedTuple):
    media: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media, "digest": self.digest, "size": len(self.data)}


class Built(NamedTuple):
    """What has to be pushed, in that order: blobs, then manifests, the last of which is the image."""

    blobs: tuple[Blob, ...]
    manifests: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        return self.manifests[-1].digest


def single(
    created: str = "2026-01-01T00:00:00Z",
    labels: Mapping[str, str] | None = None,
    platform: str = "linux/amd64",
    words: str = "",
) -> Built:
    os_, architecture, *variant = platform.split("/")
    said: dict[str, Any] = {"os": os_, "architecture": architecture, "created": created, "words": words}
    said |= {"variant": variant[0]} if variant else {}
    said["config"] = {"Labels": dict(labels or {})}
    config = Blob(CONFIG, json.dumps(said).encode())
    layer = Blob("application/vnd.oci.image.layer.v1.tar+gzip", f"layer {platform} {words}".encode())
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor],
    }
    return Built((config, layer), (Blob(MANIFEST, json.dumps(document).encode()),))


def multi(platforms: Sequence[str] = ("linux/amd64", "linux/arm64"), **how: Any) -> Built:
    made = [single(platform=each, **how) for each in platforms]
    children = []
    for each, built in zip(platforms, made, strict=True):
        os_, architecture, *variant = each.split("/")
        platform = {"os": os_, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        children.append({**built.manifests[-1].descriptor, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    blobs = tuple(blob for built in made for blob in built.blobs)
    manifests = tuple(built.manifests[-1] for built in made)
    return Built(blobs, (*manifests, Blob(INDEX, json.dumps(index).encode())))


class Registry(NamedTuple):
    url: str
    pid: int = 0

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]

    def push(self, repository: str, built: Built, tags: Sequence[str], authorization: str = "") -> str:
        """The digest it has then."""
        for blob in built.blobs:
            begun = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"", {}, authorization)
            joint = "&" if "?" in begun else "?"
            octets = {"Content-Type": "application/octet-stream"}
            self._send("PUT", f"{begun}{joint}digest={blob.digest}", blob.data, octets, authorization)
        for manifest in built.manifests:
            self._put(repository, manifest.digest, manifest, authorization)
        for tag in tags:
            self._put(repository, tag, built.manifests[-1], authorization)
        return built.digest

    def _put(self, repository: str, reference: str, manifest: Blob, authorization: str) -> None:
        where = f"/v2/{repository}/manifests/{reference}"
        self._send("PUT", where, manifest.data, {"Content-Type": manifest.media}, authorization)

    def _send(
        self, method: str, path: str, data: bytes, headers: Mapping[str, str], authorization: str
    ) -> str:
        url = path if "://" in path else self.url + path
        extra = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(url, data, {**headers, **extra}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return answer.headers.get("Location", "")


def start(folder: Path, auth: str = "") -> tuple[Registry, Callable[[], None]]:
    """`auth` is the YAML of the registry's own section of that name, in one line."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = [
        "version: 0.1",
        "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}', secret: for-tests}}",
        *([f"auth: {auth}"] if auth else []),
    ]
    (folder / "config.yml").write_text("\n".join(settings) + "\n")
    url = f"http://127.0.0.1:{port}"
    server = launch([find() or NAME, "serve", str(folder / "config.yml")], folder)
    wait_until_ready(f"{url}/", server, folder / "log")
    return Registry(url, server.pid), lambda: stop(server)


USER, PASSWORD = "robot$ci", "pa:ss:word"
_HASHED = "$2b$04$abcdefghijklmnopqrstuunh10qKcoDsaz2Tw/Z/b0G1b9MWIXb/C"  # of PASSWORD


def htpasswd(folder: Path) -> str:
    """The section of a registry that knows one user."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(f"{USER}:{_HASHED}\n")
    return f"{{htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}}}"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A pair with which a server of tokens signs, and the registry checks."""
    folder.mkdir(parents=True, exist_ok=True)
    key, cert = folder / "key.pem", folder / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"]
    subprocess.run(
        [*words, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True, timeout=60
    )
    return key, cert
