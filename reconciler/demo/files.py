"""The files of the demo: a deployment repository as teams really keep one, and settings for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

ADDRESS = "https://git.example.com/shop/deploy.git"  # what its Applications call the repository


def demo_files() -> dict[str, bytes]:
    """Path in the repository → content, sorted by path."""
    return dict(sorted(_walk(files("reconciler.demo") / "repository", "")))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        else:
            yield path, entry.read_bytes()


def build_deployment_repository(folder: Path) -> None:
    """Write the files into a folder; making a Git repository of it is the caller's."""
    for path, content in demo_files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def settings_text(repo_url: str, usage_folder: str) -> str:
    """A `reconcile.yaml` for a bare copy of the repository and the recording beside it."""
    # A JSON string is a YAML string, whatever characters a path has.
    url, usage = json.dumps(repo_url), json.dumps(usage_folder)
    return (
        "apiVersion: reconciler/v1\n"
        "repositories:\n"
        f"  - {{url: {url}, branch: main, aliases: [{ADDRESS}]}}\n"
        "forges:\n"
        f"  - {{kind: local, url: {url}}}\n"
        "metrics:\n"
        f"  - {{name: demo, kind: recording, path: {usage}}}\n"
        "proposals: {group: application}\n"
    )
