"""Packed charts and kustomizations that want more than to be rendered, with helm 3 and helm 4."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from charts import chart, request

from reconciler.model import Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.sandbox import Limits
from reconciler.rendering.tools import Missing, Tool, Tools
from reconciler.rendering.walls import NO_WALLS, Walls
from reconciler.source.render import KustomizeRequest, Rendered

TIGHT = Limits(seconds=1.0, output=2 << 20, memory=400 << 20)
DEPENDENCY = b"apiVersion: v2\nname: d\nversion: 1.0.0\n"
SHOWS_ALL = (
    b'{{ range $path, $data := .Files.Glob "**" }}\n{{ $path }}: {{ $data | toString | quote }}{{ end }}\n'
)


@pytest.fixture
def tight(tools: Tools, walls: Walls) -> ProgramRenderer:
    return ProgramRenderer(tools, walls, TIGHT)


# ------------------------------------------------------------------------------ packed dependencies


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(data)
    return member, data


def tgz(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for member, data in (entry("d/Chart.yaml", data=DEPENDENCY), *entries):
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


@pytest.mark.parametrize("walled", [True, False], ids=["walls", "no walls"])
@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE],
    ids=["link", "hard", "device", "fifo"],
)
def test_no_link_in_a_packed_chart_leads_anywhere(
    tools: Tools, walls: Walls, tmp_path: Path, kind: bytes, walled: bool
) -> None:
    (tmp_path / "secret").write_text("hunter2")
    up = "../" * 15
    for path in (
        f"{tmp_path}/secret",
        f"{up}{tmp_path}/secret"[1:] if up.startswith("/") else f"{up}{tmp_path}/secret",
    ):
        data = tgz(
            entry("d/files/x", kind, path),
            entry("d/templates/y.yaml", kind, path),
            entry("d/values.yaml", kind, path),
            entry("d/templates/all.yaml", data=SHOWS_ALL),
        )
        asked = request(chart("a: 1") | {"charts/d-1.0.0.tgz": data})
        answer = ProgramRenderer(tools, walls if walled else NO_WALLS).render(asked)
        said = answer.text if isinstance(answer, Rendered) else answer.detail
        assert "hunter2" not in said


@pytest.mark.parametrize(
    "path", ["../../escaped", "/tmp/escaped-by-a-chart", "d/../../escaped", "d/..\\..\\escaped", "c:/escaped"]
)
def test_no_path_in_a_packed_chart_leads_out(tools: Tools, folder_of_renders: Path, path: str) -> None:
    asked = request(chart("a: 1") | {"charts/d-1.0.0.tgz": tgz(entry(path, data=b"x"))})
    ProgramRenderer(tools, NO_WALLS).render(asked)
    assert not list(folder_of_renders.rglob("*escaped*"))
    assert not Path("/tmp/escaped-by-a-chart").exists()


def test_a_packed_bomb_ends_with_a_reason(tight: ProgramRenderer) -> None:
    data = tgz(entry("d/files/zeros", data=bytes(300 << 20)))
    assert len(data) < 1 << 20
    begun = time.monotonic()
    answer = tight.render(request(chart("a: 1") | {"charts/d-1.0.0.tgz": data}))
    assert isinstance(answer, Refused)
    assert time.monotonic() - begun < TIGHT.seconds + 4


# ------------------------------------------------------------------------------ kustomizations


MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"


def tree(text: str, **more: bytes) -> KustomizeRequest:
    files = {"kustomization.yaml": text.encode(), "map.yaml": MAP} | more
    options = ("--enable-helm",) if "helmCharts" in text else ()
    return KustomizeRequest({f"over/{path}": data for path, data in files.items()}, "over", options)


def inflated(template: bytes, **more: bytes) -> KustomizeRequest:
    files = {
        "charts/sub/Chart.yaml": b"apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        "charts/sub/values.yaml": b"",
        "charts/sub/templates/a.yaml": template,
    }
    return tree("helmCharts: [{name: sub}]\n", **files, **more)


def bombs() -> dict[str, KustomizeRequest]:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]" for n in range(12)]
    aliases = "\n".join(rows)
    resource = f"kind: ConfigMap\napiVersion: v1\nmetadata: {{name: x}}\n{aliases}\n".encode()
    maps = "".join(f"  - {{name: m{n}, files: [big.txt]}}\n" for n in range(40))
    deep = {f"{'d/' * n}kustomization.yaml": b"resources: [d]\n" for n in range(1, 200)}
    patches = "{patch: '[]', target: {name: '.*'}}," * 20_000
    slow = f"{{patch: '[]', target: {{name: '{'(a*)*' * 200}b'}}}}"
    return {
        "aliases": tree(f"resources: [map.yaml]\nx: 1\n{aliases}\n"),
        "aliases in a resource": tree("resources: [x.yaml]\n", **{"x.yaml": resource}),
        "huge output": tree(f"configMapGenerator:\n{maps}", **{"big.txt": b"x" * 200_000}),
        "deep": tree("resources: [d]\n", **deep),
        "long prefix": tree(f"resources: [map.yaml]\nnamePrefix: {'x' * 3_000_000}\n"),
        "deep flow": tree("resources: [map.yaml]\nx: " + "[" * 100_000),
        "many patches": tree(f"resources: [map.yaml]\npatches: [{patches}]\n"),
        "slow expression": tree(f"resources: [map.yaml]\npatches: [{slow}]\n"),
    }


def ends_in_time(renderer: ProgramRenderer, asked: KustomizeRequest) -> None:
    begun = time.monotonic()
    answer = renderer.render(asked)
    assert time.monotonic() - begun < TIGHT.seconds + 4
    if isinstance(answer, Refused):
        assert answer.reason in (Reason.RENDER_LIMIT, Reason.RENDER_FAILED)
        assert answer.detail.isprintable()
        assert len(answer.detail) < 500
    else:
        assert len(answer.text) <= TIGHT.output


@pytest.mark.parametrize("what", list(bombs()))
def test_kustomize_bombs_end_in_time(kubectl: Tool, walls: Walls, what: str) -> None:
    ends_in_time(ProgramRenderer(Tools(Missing("helm", "not needed"), kubectl), walls, TIGHT), bombs()[what])


ENDLESS = b"{{ range until 10000000 }}{{ range until 10000000 }}{{ end }}{{ end }}"


@pytest.mark.parametrize("template", [ENDLESS, b'{{ repeat 3000000 "a long line of text" }}'])
def test_bombs_in_an_inflated_chart_end_in_time(tight: ProgramRenderer, template: bytes) -> None:
    ends_in_time(tight, inflated(template))


def test_what_an_inflated_chart_can_see(
    tools: Tools, walls: Walls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own files: neither those of the kustomization, nor this process's environment."""
    monkeypatch.setenv("HUNTER", "hunter2")
    (tmp_path / "secret").write_text("hunter2")
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"
        f'  a: {{{{ .Files.Get "{tmp_path}/secret" | quote }}}}\n'
        '  b: {{ .Files.Get "../../secret.txt" | quote }}\n'
        '  c: {{ .Files.Glob "**" | toJson | quote }}\n'
    )
    for held in (walls, NO_WALLS):
        asked = inflated(template.encode(), **{"secret.txt": b"hunter2"})
        answer = ProgramRenderer(tools, held).render(asked)
        assert isinstance(answer, Rendered), answer
        assert "hunter2" not in answer.text


def test_nothing_is_left_of_them(folder_of_renders: Path, tools: Tools, walls: Walls) -> None:
    answer = ProgramRenderer(tools, walls, Limits(seconds=0.3)).render(inflated(ENDLESS))
    assert answer == Refused(Reason.RENDER_LIMIT, "rendering it takes longer than 0.3 s")
    assert os.listdir(folder_of_renders) == []
