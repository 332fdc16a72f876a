"""Mapping against reading: 5,000 plain manifests, in which no mapping finds anything, and 200 with values.

Every mapping that ships is asked of every file, and every line could carry a marker. Beside discovery
without a cache, which reads and parses the same files, that may take a third, most of which is reading
the files; the obvious, to ask the mappings of every document, takes several times as long as discovery.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from discover import OTHER, WORKLOAD

from reconciler.config import PolicyBook
from reconciler.git.folder import FolderSnapshot
from reconciler.source.compose import Places
from reconciler.source.discover import discover
from reconciler.source.layout import lay_out
from reconciler.source.mapping import mapped
from reconciler.source.mapping.reading import Source, claims, objects
from reconciler.source.view import View
from reconciler.source.yamledit import parse

PLAIN, HELD, ROUNDS = 5_000, 200, 3
KAFKA = """\
apiVersion: kafka.strimzi.io/v1beta2
kind: Kafka
metadata: {{name: events-{number}, namespace: team}}
spec:
  kafka:
    replicas: 3
    resources:
      requests: {{cpu: "1", memory: 4Gi}}
"""


def build_plain(folder: Path) -> None:
    for number in range(PLAIN):
        text = (WORKLOAD if number % 2 else OTHER).format(number=number, team=1, replicas=2, cpu=100)
        place = folder / f"team-{number // 100:03}"
        place.mkdir(exist_ok=True)
        (place / f"app-{number}.yaml").write_text(text)


def build_held(folder: Path) -> None:
    for number in range(HELD):
        (folder / f"kafka-{number}.yaml").write_text(KAFKA.format(number=number))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def obvious(snapshot: FolderSnapshot) -> int:
    """Ask every mapping of every document."""
    found, own = 0, PolicyBook().mappings
    for entry in lay_out(snapshot).manifests:
        text = (snapshot.read(entry) or b"").decode()
        for document in parse(text):
            source = Source("bench", entry.path, "", "", text, document, View(document))
            for top in objects(source.view, document):
                found += sum(len(list(claims(source, top, one, 0))) for one in own)
    return found


def main() -> int:
    own, places = PolicyBook().mappings, Places("bench", [], [])
    with tempfile.TemporaryDirectory() as scratch:
        for name, build in (("plain", build_plain), ("held", build_held)):
            Path(scratch, name).mkdir()
            build(Path(scratch, name))
        plain, held = (FolderSnapshot(Path(scratch, name), repository="bench") for name in ("plain", "held"))
        layout = lay_out(plain)
        reading = min(timed(lambda: discover(plain, [], [])) for _ in range(ROUNDS))
        asked = timed(lambda: obvious(plain))
        took = min(timed(lambda: mapped(plain, own, places, layout)) for _ in range(ROUNDS))
        with_values = min(timed(lambda: mapped(held, own, places)) for _ in range(ROUNDS))
        found = (len(mapped(plain, own, places).workloads), len(mapped(held, own, places).workloads))
    print(f"{len(own)} mappings, {PLAIN} plain files, {HELD} with values; best of {ROUNDS}")
    print(f"discover, without a cache            {reading:6.2f} s")
    print(f"every mapping of every document      {asked:6.2f} s   {asked / reading:5.2f} of it")
    print(f"mapped                               {took:6.2f} s   {took / reading:5.2f} of it (bound 0.33)")
    each = with_values / HELD * 1000
    print(f"mapped, the {HELD} with values         {with_values:6.2f} s   {each:.1f} ms a file")
    return int(found != (0, HELD) or took > reading / 3)


if __name__ == "__main__":
    sys.exit(main())
