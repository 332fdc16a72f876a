"""Images: what a run asks of registries, and what it costs to choose among many tags.

    python benchmarks/images.py [--images 1000] [--tags 50000]

A warm run over many images, against a registry on this machine, is compared with asking one image after
the other, each tag anew and nothing kept. Fails when the warm run takes ten seconds or more, asks more
than one list a repository, reads what a digest names again, or choosing among many tags needs more than
150 MB.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from servers import small_registry
from servers.registries import multi
from servers.small_registry import SmallRegistry

from reconciler.images.facts import Asked
from reconciler.images.registry.endpoints import Endpoint, Endpoints
from reconciler.images.registry.memory import Folder
from reconciler.images.registry.registries import Registries
from reconciler.images.registry.wire import Wire
from reconciler.images.snapshot import Surroundings, snapshot
from reconciler.model import ImageFacts, ImagePolicy

MAX_SECONDS = 10.0
MAX_BYTES = 150 << 20
NOW = 1_800_000_000
SAMPLE = 50  # images that are asked one after the other; the rest is counted up


class Nothing:
    """Keeps nothing."""

    def get(self, digest: str) -> bytes | None:
        return None

    def put(self, digest: str, body: bytes) -> None:
        return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--tags", type=int, default=50_000)
    wanted = parser.parse_args()
    registry = SmallRegistry()
    with small_registry.running(registry), tempfile.TemporaryDirectory() as folder:
        failures = [*runs(registry, Path(folder), wanted.images), *many(registry, wanted.tags)]
    for words in failures:
        print(f"FAILED: {words}")
    return 1 if failures else 0


def runs(registry: SmallRegistry, folder: Path, images: int) -> list[str]:
    old, new = multi(words="old"), multi(words="new")
    for number in range(images):
        registry.push(f"team/app-{number}", old, *(f"1.{minor}.0" for minor in range(20)))
        registry.push(f"team/app-{number}", new, "1.20.0")
    asked = [Asked(f"{registry.host}/team/app-{number}:1.5.0", ImagePolicy()) for number in range(images)]
    cold, _ = timed(registry, asked, Folder(folder))
    warm, found = timed(registry, asked, Folder(folder))
    lists = sum(path.endswith("/tags/list") for path in registry.paths())
    digests = sum("/sha256:" in path for path in registry.paths())
    alone = 0.0
    for one in asked[:SAMPLE]:
        alone += timed(registry, [one], Nothing())[0]
    alone *= images / min(SAMPLE, images)
    each = f"{warm / images * 1e3:.1f} ms each"
    print(f"{images} images, 21 tags each: {cold:.1f} s at first, {warm:.1f} s warm ({each})")
    print(f"one after the other, keeping nothing: {alone:.1f} s, {alone / warm:.1f} times as long")
    wrong = [
        (warm >= MAX_SECONDS, f"a warm run takes {warm:.1f} s, {MAX_SECONDS:.0f} s are promised"),
        (lists > images, f"{lists} lists of tags for {images} repositories"),
        (digests > 0, f"{digests} contents were read again"),
        (any(facts.finalists[0].tag != "1.20.0" for facts in found), "another tag was chosen"),
    ]
    return [words for bad, words in wrong if bad]


def timed(
    registry: SmallRegistry, asked: list[Asked], memory: Folder | Nothing
) -> tuple[float, list[ImageFacts]]:
    """Seconds, and what was found; the registry's account begins anew."""
    registry.asked.clear()
    wire = Wire(lambda host: ssl.create_default_context(), 10.0, proxies={})
    registries = Registries(wire, Endpoints([Endpoint(registry.host, plain=True)]), memory)
    begun = time.perf_counter()
    found = snapshot(asked, registries, Surroundings(NOW, {}, {})).facts
    took = time.perf_counter() - begun
    registries.close()
    return took, list(found.values())


def many(registry: SmallRegistry, tags: int) -> list[str]:
    registry.push(
        "many", multi(words="many"), *(f"{n // 1000}.{n % 1000}.{n % 7}-alpine" for n in range(tags))
    )
    asked = [Asked(f"{registry.host}/many:0.1.1-alpine", ImagePolicy())]
    took, _ = timed(registry, asked, Nothing())
    tracemalloc.start()
    timed(registry, asked, Nothing())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{tags} tags of one image: {took:.1f} s, {most / 1e6:.0f} MB at most, with what the registry takes"
    )
    return [f"{most >> 20} MB for {tags} tags"] if most > MAX_BYTES else []


if __name__ == "__main__":
    sys.exit(main())
