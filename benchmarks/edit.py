"""Editing and proving 600 manifests, against ruamel.yaml's round trip on the same files in the same run.

Run as `python benchmarks/edit.py [FILES]`. Exits 1 when it isn't at least 20 times faster.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reconciler.model import Refused
from reconciler.source.yamledit import Assignment, rewrite

sys.path.append(str(Path(__file__).parents[1] / "tests" / "corpus"))

from manifest_corpus import Manifest, manifests

BOUND = 20
ROUNDS = 3
NEW = {"cpu": "735m", "memory": "1471Mi"}


def edited(manifest: Manifest) -> bytes:
    assignments = [
        Assignment(document, (*path, "resources", "requests", name), value)
        for document, path in manifest.containers
        for name, value in NEW.items()
    ]
    after = rewrite(manifest.data, assignments)
    if isinstance(after, Refused):
        raise SystemExit(f"{manifest.name}: {after.detail}")
    return after


def round_trip(manifest: Manifest) -> bytes:
    yaml = YAML()
    yaml.preserve_quotes = True
    documents = list(yaml.load_all(manifest.data.decode()))
    for document, path in manifest.containers:
        found: Any = documents[document]
        for key in path:
            found = found[key]
        for key in ("resources", "requests"):
            if found.get(key) is None:
                found[key] = {}
            found = found[key]
        found.update(NEW)
    out = io.StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue().encode()


def main() -> int:
    files = list(manifests(int(sys.argv[1]) if len(sys.argv) > 1 else 600))
    size = sum(len(one.data) for one in files)
    print(f"{len(files)} files, {size / len(files):.0f} bytes and {_containers(files):.1f} containers each")
    ours, theirs = 0.0, 0.0
    for one in files:  # by turns, and in CPU time, so that a busy machine is fair to both
        ours += min(_seconds(edited, one) for _ in range(ROUNDS))
        theirs += _seconds(round_trip, one)
    ratio = theirs / ours
    print(f"edited and proven  {ours:7.3f} s  {ours / len(files) * 1e3:6.3f} ms a file")
    print(f"ruamel round trip  {theirs:7.3f} s  {theirs / len(files) * 1e3:6.3f} ms a file")
    print(f"{ratio:.1f} times faster (at least {BOUND} promised)")
    return 0 if ratio >= BOUND else 1


def _seconds(work: Callable[[Manifest], bytes], one: Manifest) -> float:
    start = time.process_time()
    work(one)
    return time.process_time() - start


def _containers(files: list[Manifest]) -> float:
    return statistics.mean(len(one.containers) for one in files)


if __name__ == "__main__":
    sys.exit(main())
