"""Small charts of our own, and requests for them."""

from __future__ import annotations

import io
import tarfile
from textwrap import dedent
from typing import Any

from reconciler.source.render import HelmRequest

CHART = b"apiVersion: v2\nname: web\nversion: 0.1.0\n"


def chart(template: str = "", values: str = "", **more: str) -> dict[str, bytes]:
    """A chart with one template; `more` are files by path, with `__` for '/' and `_yaml` at the end."""
    files = {"Chart.yaml": CHART, "values.yaml": dedent(values).encode()}
    if template:
        files["templates/all.yaml"] = dedent(template).encode()
    for name, text in more.items():
        files[name.replace("__", "/").replace("_yaml", ".yaml")] = dedent(text).encode()
    return files


def request(files: dict[str, bytes], *values: str, **more: Any) -> HelmRequest:
    asked = {"parameters": (), "release": "web", "namespace": "shop"} | more
    return HelmRequest(files, tuple(dedent(text).encode() for text in values), **asked)


def packed(files: dict[str, bytes], folder: str = "web") -> bytes:
    """The files as a `.tgz`, as helm packs them."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()
