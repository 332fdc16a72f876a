"""Settings as text, in a file."""

from __future__ import annotations

from pathlib import Path

from reconciler.config import Found, Settings, load_settings

SMALL = "apiVersion: reconciler/v1\nrepositories: [{url: https://git.example.com/a/b.git}]\n"


def load(folder: Path, text: str | bytes, *, trusted: bool = True) -> Settings:
    path = folder / "reconcile.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(Found(path, trusted))
