"""What killed runs leave behind, and machines on which there is little room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from charts import chart, request

from reconciler.model import Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.rendering.room import limits_here, workers_here
from reconciler.rendering.sandbox import Limits
from reconciler.rendering.setup import open_renderer
from reconciler.rendering.tools import Missing, Tool, Tools, find_tools
from reconciler.rendering.tree import sweep, temporary_tree
from reconciler.rendering.walls import NO_WALLS
from reconciler.source.render import Rendered

NOW = 1_800_000_000
DAY = 86_400
NO_TOOLS = Tools(Missing("helm", "helm is not on PATH"), Missing("kustomize", "none is on PATH"))


def left(folder: Path, name: str, age: int) -> Path:
    path = folder / name
    (path / "tmp" / "deep").mkdir(parents=True)
    (path / "tmp" / "deep" / "secret").write_text("hunter2")
    os.utime(path, (NOW - age, NOW - age))
    return path


def test_only_old_folders_of_renders_go(folder_of_renders: Path) -> None:
    old = left(folder_of_renders, "reconcile-render-abcd1234", DAY + 60)
    kept = [
        left(folder_of_renders, "reconcile-render-young000", DAY - 60),
        left(folder_of_renders, "someone-elses", 9 * DAY),
        left(folder_of_renders, "x-reconcile-render-a", 9 * DAY),
    ]
    assert sweep(NOW) == 1
    assert not old.exists()
    assert sweep(NOW) == 0
    for path in kept:
        assert (path / "tmp" / "deep" / "secret").exists()
        subprocess.run(["rm", "-r", path], check=True)


def test_no_link_is_followed(folder_of_renders: Path, tmp_path: Path) -> None:
    target = left(tmp_path, "mine", 9 * DAY)
    link = folder_of_renders / "reconcile-render-link0000"
    link.symlink_to(target)
    os.utime(link, (NOW - 9 * DAY, NOW - 9 * DAY), follow_symlinks=False)
    file = folder_of_renders / "reconcile-render-file0000"
    file.write_text("")
    os.utime(file, (NOW - 9 * DAY, NOW - 9 * DAY))
    old = left(folder_of_renders, "reconcile-render-old00000", 9 * DAY)
    (old / "out").symlink_to(target)
    os.utime(old, (NOW - 9 * DAY, NOW - 9 * DAY))
    assert sweep(NOW) == 1
    assert (target / "tmp" / "deep" / "secret").exists()
    assert link.is_symlink()
    link.unlink()
    file.unlink()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_stays(folder_of_renders: Path) -> None:
    other = left(folder_of_renders, "reconcile-render-other000", 9 * DAY)
    os.chown(other, 12345, 12345)
    assert sweep(NOW) == 0
    os.chown(other, 0, 0)
    assert sweep(NOW) == 1


def test_a_folder_for_temporary_files_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert sweep(NOW) == 0


def test_a_killed_run_is_swept_up_by_one_a_day_later(folder_of_renders: Path, tmp_path: Path) -> None:
    script = (
        "import time; from reconciler.rendering.tree import temporary_tree\n"
        "with temporary_tree() as tree: print(tree, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"TMPDIR": str(folder_of_renders)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        behind = Path(run.stdout.readline().decode().strip())
        run.send_signal(signal.SIGKILL)
    assert (behind / "home").is_dir()
    open_renderer(NO_TOOLS, tmp_path, walls=NO_WALLS)
    assert behind.exists()  # it may be a run beside this one
    yesterday = time.time() - DAY - 60
    os.utime(behind, (yesterday, yesterday))
    open_renderer(NO_TOOLS, tmp_path, walls=NO_WALLS)
    assert not behind.exists()


def test_a_renderer_put_together(helm: Tool, tmp_path: Path) -> None:
    tools = Tools(helm, Missing("kustomize", "none"))
    asked = request(chart("a: {{ .Values.a }}", "a: 1"))
    first = open_renderer(tools, tmp_path).render(asked)
    assert isinstance(first, Rendered)
    assert first == open_renderer(tools, tmp_path, walls=NO_WALLS).render(asked)
    assert len(list(tmp_path.glob("??/*"))) == 1
    slow = request(chart("{{ range until 10000000 }}{{ range until 10000000 }}{{ end }}{{ end }}"))
    answer = open_renderer(tools, tmp_path, seconds=0.5).render(slow)
    assert answer == Refused(Reason.RENDER_LIMIT, "rendering it takes longer than 0.5 s")


def test_no_room_is_a_reason_and_no_crash(
    helm: Tool, kubectl: Tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    answer = ProgramRenderer(Tools(helm, kubectl), NO_WALLS).render(request(chart("a: 1")))
    assert answer == Refused(Reason.RENDER_LIMIT, "its folder can't be written: No such file or directory")
    found = find_tools("", {"helm": helm.path}).helm
    assert found == Missing("helm", f"{helm.path} has no folder to run in: No such file or directory")


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("max", 2 << 30),
        ("9223372036854771712", 2 << 30),
        (str(16 << 30), 2 << 30),
        (str(4 << 30), 1 << 30),
        (str(2 << 30), 512 << 20),
        (str(64 << 20), 384 << 20),
    ],
)
def test_a_container_leaves_one_render_a_part_of_its_memory(tmp_path: Path, said: str, most: int) -> None:
    (tmp_path / "memory").mkdir()
    for name in ("memory/memory.limit_in_bytes", "memory.max"):  # version 1 of cgroups, and 2
        assert limits_here(7, tmp_path) == Limits(seconds=7)
        (tmp_path / name).write_text(f"{said}\n")
        assert limits_here(7, tmp_path) == Limits(seconds=7, memory=most)
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("memory", "cpu", "most"),
    [
        ("max", "max 100000", 64),
        (str(1 << 30), "max 100000", 5),
        (str(100 << 20), "max 100000", 1),
        ("max", "200000 100000", 2),
        ("max", "150000 100000", 2),
        ("max", "5000 100000", 1),
        (str(512 << 20), "900000 100000", 2),
    ],
)
def test_no_more_renders_side_by_side_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str, cpu: str, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert workers_here(tmp_path) == 64
    (tmp_path / "memory.max").write_text(f"{memory}\n")
    (tmp_path / "cpu.max").write_text(f"{cpu}\n")
    assert workers_here(tmp_path) == most
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert workers_here(tmp_path) == 1


def test_the_least_memory_is_enough_for_a_large_chart(helm: Tool, tmp_path: Path) -> None:
    """Limits that small charts alone keep to would be none."""
    template = (
        "{{ range until 3000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: n{{ . }}}\n{{ end }}"
    )
    values = "\n".join(f"key{number}: {{a: {number}, b: [x, y, z]}}" for number in range(20_000))
    (tmp_path / "memory.max").write_text("1\n")
    limits = limits_here(30, tmp_path)
    renderer = ProgramRenderer(Tools(helm, Missing("kustomize", "none")), NO_WALLS, limits)
    answer = renderer.render(request(chart(template, values)))
    assert isinstance(answer, Rendered), answer
    assert answer.text.count("ConfigMap") == 3000


def test_the_folder_follows_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only root file system has one folder to write to, and TMPDIR says where it is."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with temporary_tree() as tree:
        assert tree.parent == tmp_path.resolve()
