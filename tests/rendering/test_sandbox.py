"""What a program that is started here can't do, tried by programs that do try."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from listener import listening

from reconciler.model import Reason, Refused
from reconciler.rendering.sandbox import Limits, Ran, run
from reconciler.rendering.tree import temporary_tree
from reconciler.rendering.walls import NO_WALLS, Walls, find_walls

SHELL = Path(shutil.which("bash") or "/bin/sh").resolve()
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="walls are Linux's")


def shell(script: str, walls: Walls = NO_WALLS, limits: Limits | None = None) -> Ran | Refused:
    with temporary_tree() as tree:
        return run([str(SHELL), "-c", script], tree, limits or Limits(seconds=20), walls, [SHELL])


def python(script: str, limits: Limits) -> Ran | Refused:
    with temporary_tree() as tree:
        return run([sys.executable, "-I", "-c", script], tree, limits, NO_WALLS, [])


def said(ran: Ran | Refused) -> str:
    assert isinstance(ran, Ran), ran
    return ran.out.decode()


def each_wall() -> list[Walls]:
    """The walls of this machine one by one, so that each is seen to hold alone."""
    found = find_walls()
    return [Walls(found.landlock, ""), Walls(0, found.unshare)]


# ------------------------------------------------------------------------------ the surroundings


def test_only_its_own_folder_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "HELM_PLUGINS", "HTTPS_PROXY", "NO_PROXY", "AWS_SECRET_ACCESS_KEY", "PATH"):
        monkeypatch.setenv(name, f"/outside/{name}")
    with temporary_tree() as tree:
        env = shutil.which("env", path="/usr/bin:/bin") or ""
        ran = run([env], tree, Limits(), NO_WALLS, [])
        found = dict(line.split("=", 1) for line in said(ran).splitlines())
        assert not [value for value in found.values() if "outside" in value]
        paths = {name: value for name, value in found.items() if value.startswith("/")}
        assert {"HOME", "TMPDIR", "PATH", "KUBECONFIG", "HELM_PLUGINS", "XDG_CONFIG_HOME"} <= set(paths)
        assert all(value.startswith(f"{tree}/") for value in paths.values())
        assert "NO_PROXY" not in found


def test_nothing_is_to_be_read_from_standard_input() -> None:
    assert said(shell("read line; echo [$line]")) == "[]\n"


def test_no_file_of_this_process_is_open_in_it(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert said(shell(f"[ -e /proc/self/fd/{file.fileno()} ] || echo closed")) == "closed\n"


def test_the_folder_is_private_and_goes(folder_of_renders: Path) -> None:
    with temporary_tree() as tree:
        assert tree.stat().st_mode & 0o077 == 0
        (tree / "home" / "left").write_text("behind")
    assert not tree.exists()


def test_the_folder_goes_when_the_render_fails() -> None:
    with pytest.raises(KeyboardInterrupt), temporary_tree() as tree:
        raise KeyboardInterrupt
    assert not tree.exists()


# ------------------------------------------------------------------------------ the walls


@linux
def test_each_wall_keeps_the_listener_silent() -> None:
    with listening() as listener:
        call = f"exec 3<>/dev/tcp/127.0.0.1/{listener.port} && echo hello >&3 && echo through"
        assert said(shell(call)) == "through\n"  # without a wall it would get there
        time.sleep(0.1)
        assert len(listener.heard) == 1
        for walls in each_wall():
            if walls.without_network:
                assert "through" not in said(shell(call, walls))
        time.sleep(0.1)
        assert len(listener.heard) == 1


@linux
def test_nothing_outside_is_read_or_written(walls: Walls, tmp_path: Path) -> None:
    if not walls.landlock:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK: files are kept apart by checks alone")
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("token")
    script = f"read x <{secret}; echo [$x]; echo gone >{target}; echo mine >tmp/x; read x <tmp/x; echo [$x]"
    assert said(shell(script)) == "[token]\n[mine]\n"
    target.unlink()
    assert said(shell(script, walls)) == "[]\n[mine]\n"
    assert not target.exists()


@linux
def test_no_other_program_is_started(walls: Walls) -> None:
    if not walls.landlock:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK: programs are kept away by an empty PATH alone")
    env = shutil.which("env", path="/usr/bin:/bin")
    assert said(shell(f"{env} >/dev/null && echo started")) == "started\n"
    assert "started" not in said(shell(f"{env} >/dev/null && echo started", walls))


@linux
def test_this_process_stays_free(walls: Walls, tmp_path: Path) -> None:
    said(shell("true", walls))
    (tmp_path / "still").write_text("writable")
    with listening() as listener:
        assert said(shell(f"exec 3<>/dev/tcp/127.0.0.1/{listener.port} && echo through")) == "through\n"


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert find_walls("/nowhere").unshare == ""


# ------------------------------------------------------------------------------ the limits


def test_it_ends_in_time_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    begun = time.monotonic()
    ran = shell(f"(/bin/sleep 1.2; echo x >{mark}) & /bin/sleep 30", limits=Limits(seconds=0.4))
    assert ran == Refused(Reason.RENDER_LIMIT, "rendering it takes longer than 0.4 s")
    assert time.monotonic() - begun < 5
    time.sleep(1.2)
    assert not mark.exists()


def test_it_ends_in_time_when_it_has_closed_its_output() -> None:
    ran = shell("exec >/dev/null 2>&1; /bin/sleep 30", limits=Limits(seconds=0.4))
    assert isinstance(ran, Refused)


def test_what_stays_behind_goes_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    ran = shell(f"(/bin/sleep 0.5; echo x >{mark}) >/dev/null 2>&1 & echo done")
    assert said(ran) == "done\n"
    time.sleep(0.8)
    assert not mark.exists()


def test_endless_output_is_cut_off_in_bounded_memory() -> None:
    ran = python("while True: print('x' * 65536)", Limits(seconds=20, output=4 << 20))
    assert ran == Refused(Reason.RENDER_LIMIT, "it renders to more than 4 MiB")


def test_endless_complaints_are_cut_short() -> None:
    ran = python("import sys; sys.stderr.write('x' * 9_000_000); sys.exit(3)", Limits(seconds=20))
    assert isinstance(ran, Ran)
    assert (ran.status, len(ran.err)) == (3, 1 << 16)


@linux
def test_memory_has_an_end() -> None:
    script = "import time; time.sleep(0.2); x = bytearray(600 << 20); print(len(x))"
    assert said(python(script, Limits())) == f"{600 << 20}\n"
    ran = python(script, Limits(memory=200 << 20))
    assert isinstance(ran, Ran)
    assert b"MemoryError" in ran.err


@linux
def test_files_have_an_end() -> None:
    script = "import time; time.sleep(0.2); open('tmp/x', 'wb').write(bytes(3 << 20)); print('written')"
    assert said(python(script, Limits())) == "written\n"
    assert "written" not in said(python(script, Limits(file=1 << 20)))


def test_a_program_that_is_not_there() -> None:
    with temporary_tree() as tree:
        ran = run([str(tree / "helm"), "x"], tree, Limits(), NO_WALLS, [])
    assert ran == Refused(Reason.MISSING_TOOL, "helm can't be started: No such file or directory")


def test_words_that_are_too_long() -> None:
    with temporary_tree() as tree:
        ran = run([str(SHELL), "-c", "x" * (4 << 20)], tree, Limits(), NO_WALLS, [])
    assert isinstance(ran, Refused)
    assert ran.reason is Reason.RENDER_LIMIT
