"""Traces every chart of a folder and says how much of it is covered: `make corpus CHARTS=DIR`.

A chart's dependencies are taken from its siblings. For one container of each chart a request is
set and rendered; with `--prove-all` that is done for every container, and for its image's tag, too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from reconciler.model import Container, Field, NewValue, Place, Refused
from reconciler.rendering.cache import Cached
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.tools import Missing, Tools, find_tools
from reconciler.rendering.walls import find_walls
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.tracing.charts import mapping
from reconciler.source.tracing.edits import edit
from reconciler.source.tracing.helm import Traced, trace
from reconciler.source.tracing.images import parts
from reconciler.source.units import Layer, Unit

FETCHED = Path(__file__).parents[1] / ".venv" / "tools"
REQUESTS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST)
NEW_REQUEST = "333m"


class Row(NamedTuple):
    """What came of one chart."""

    name: str
    seconds: float
    traced: Traced | None  # None: it crashed, and `crash` is the traceback
    crash: str = ""
    proven: int = 0
    not_proven: tuple[str, ...] = ()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def assembled(root: Path, name: str, depth: int = 0) -> dict[str, bytes]:
    """A chart with those of its dependencies that lie beside it and aren't there already."""
    files = files_of(root / name)
    listed = [
        mapping(files.get(name, b"")).get("dependencies") for name in ("Chart.yaml", "requirements.yaml")
    ]
    for one in [one for wanted in listed if isinstance(wanted, list) for one in wanted]:
        other = str(one.get("name")) if isinstance(one, dict) else ""
        there = any(path.startswith((f"charts/{other}/", f"charts/{other}-")) for path in files)
        if other and depth < 5 and not there and (root / other / "Chart.yaml").is_file():
            inner = assembled(root, other, depth + 1)
            files.update({f"charts/{other}/{path}": data for path, data in inner.items()})
    return files


def unit_of(root: Path, name: str) -> Unit:
    files = assembled(root, name)
    own = Layer(Place("", f"{name}/values.yaml", 0, ()), False, files.get("values.yaml", b""), shared=True)
    request = HelmRequest(files, (), (), name, "corpus")
    return Unit(name, "", name, 1, "", "corpus", request, (own,))


def application_charts(root: Path) -> Iterator[str]:
    for folder in sorted(root.iterdir()):
        about = folder / "Chart.yaml"
        if about.is_file() and mapping(about.read_bytes()).get("type") != "library":
            yield folder.name


def run(root: Path, name: str, renderer: Renderer, prove_all: bool) -> Row:
    begun = time.monotonic()
    try:
        traced = trace(unit_of(root, name), renderer)
        seconds = time.monotonic() - begun
        proven, failed = prove(traced, renderer, prove_all)
    except Exception:  # noqa: BLE001 (a crash is one of the things that this run looks for)
        return Row(name, time.monotonic() - begun, None, traceback.format_exc())
    return Row(name, seconds, traced, "", proven, tuple(failed))


def prove(traced: Traced, renderer: Renderer, everything: bool) -> tuple[int, list[str]]:
    proven, failed = 0, []
    for container in traced.containers:
        for wish in wishes(container, everything):
            done = edit(traced, [wish], renderer)
            if not isinstance(done, Refused):
                proven += 1
                if not everything:
                    return proven, []
            else:
                failed.append(f"{container.ref} {wish.slot.field}: {done.reason}: {done.detail[:160]}")
    return proven, failed


def wishes(container: Container, everything: bool) -> Iterator[NewValue]:
    request, image = container.slot(Field.CPU_REQUEST), container.slot(Field.IMAGE)
    if request.refused is None:
        yield NewValue(request, NEW_REQUEST)
    if everything and image.refused is None and (newer := next_image(image.value or "")):
        yield NewValue(image, newer)


def next_image(reference: str) -> str:
    """The same image with another tag, or digest where it has no tag; "" for what has neither."""
    name, tag, digest = parts(reference)
    if tag:
        head, digits, tail = (
            found.groups() if (found := re.fullmatch(r"(.*?)(\d+)(\D*)", tag)) else (tag, "", "")
        )
        return f"{name}:{head}{int(digits) + 1 if digits else '-2'}{tail}" + (f"@{digest}" if digest else "")
    return f"{name}@{digest[:-1]}{'0' if digest[-1] != '0' else '1'}" if digest else ""


def printed(rows: list[Row], seconds: float) -> int:
    done = [row for row in rows if row.traced is not None]
    rendered = [row for row in done if row.traced and row.traced.refused is None]
    containers = [one for row in rendered if row.traced for one in row.traced.containers]
    requests = sum(all(one.slot(field).refused is None for field in REQUESTS) for one in containers)
    tags = sum(one.slot(Field.IMAGE).refused is None for one in containers)
    extras = [one for row in rendered if row.traced for one in row.traced.extras]
    with_requests = [row for row in rendered if row.traced and has_requests(row.traced)]
    print(f"charts               {len(rows)}")
    print(f"rendered             {len(rendered)}")
    print(f"crashed              {len(rows) - len(done)}")
    print(f"containers           {len(containers)}")
    print(f"requests traced      {requests} ({share(requests, len(containers))})")
    print(f"images traced        {tags} ({share(tags, len(containers))})")
    print(f"replicas and targets {sum(one.refused is None for one in extras)} of {len(extras)}")
    edits = sum(row.proven for row in rows)
    edited = sum(row.proven > 0 for row in with_requests)
    renders = sum(row.traced.renders for row in done if row.traced) / max(1, len(done))
    each = sum(row.seconds for row in rows) / max(1, len(rows))
    print(f"set and proven       {edited} of {len(with_requests)} charts, {edits} edits")
    print(f"renders a chart      {renders:.2f}")
    print(f"seconds              {seconds:.1f} ({each:.2f} a chart)")
    reasons = Counter(
        slot.refused.reason.value for one in containers for slot in one.slots if slot.refused is not None
    )
    for reason, count in reasons.most_common():
        print(f"refused              {count} fields: {reason}")
    details(rows)
    return 1 if len(done) < len(rows) else 0


def has_requests(traced: Traced) -> bool:
    return any(one.slot(Field.CPU_REQUEST).refused is None for one in traced.containers)


def details(rows: list[Row]) -> None:
    for row in rows:
        if row.traced is None:
            print(f"\n{row.name}: CRASHED\n{row.crash}")
            continue
        if row.traced.refused is not None:
            print(f"\n{row.name}: {row.traced.refused.reason}: {row.traced.refused.detail[:300]}")
        lines = [
            f"  {one.ref}{' (init)' if one.init else ''}: {detail}"
            for one in row.traced.containers
            for detail in dict.fromkeys(
                slot.refused.detail[:200].replace("requests.memory", "requests.cpu")
                for slot in one.slots
                if slot.refused is not None and slot.field in (*REQUESTS, Field.IMAGE)
            )
        ]
        if lines or row.not_proven:
            print(f"\n{row.name}")
            print("\n".join([*lines, *(f"  not proven: {one}" for one in row.not_proven)]))


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def helm() -> ProgramRenderer:
    named = [os.environ.get("RECONCILE_HELM"), shutil.which("helm"), *sorted(FETCHED.glob("v*/helm"))[::-1]]
    for path in filter(None, named):
        tools = find_tools("", {"helm": Path(path)})
        if not isinstance(tools.helm, Missing):
            return ProgramRenderer(Tools(tools.helm, Missing("kustomize", "not needed")), find_walls())
    raise SystemExit("no helm here: install it, or name it in $RECONCILE_HELM")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("charts", type=Path, help="a folder with a chart in each of its folders")
    words.add_argument("--prove-all", action="store_true", help="edit and render every container")
    given = words.parse_args()
    if not given.charts.is_dir():
        raise SystemExit(f"{given.charts} is no folder: name one with a chart in each of its folders")
    program, begun = helm(), time.monotonic()
    names = list(application_charts(given.charts))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        renderer = Cached(program, Path(folder))  # the noise of a chart is the same for all its edits
        rows = list(pool.map(lambda name: run(given.charts, name, renderer, given.prove_all), names))
    return printed(rows, time.monotonic() - begun)


if __name__ == "__main__":
    sys.exit(main())
