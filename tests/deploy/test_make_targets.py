"""What `make` promises, as far as it can be seen without making a virtual environment anew."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ["help", "setup", "demo", "lint", "test", "bench", "corpus", "clean"]


def run(*words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        words, cwd=cwd, env=kept | variables, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The parts of a checkout that make itself needs."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def state_of(checkout: Path, extras: str) -> str:
    """What .ci/setup leaves behind when it is done."""
    hashes = run("git", "hash-object", "--no-filters", "pyproject.toml", ".ci/setup", cwd=checkout)
    return f"{extras} {checkout} {' '.join(hashes.stdout.split())} \n"


def test_make_alone_tells_every_target() -> None:
    done = run("make")
    assert re.findall(r"^make (\w+) +\S", done.stdout, re.MULTILINE) == TARGETS
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["setup", "servers", "specs", "bench", "run"])
def test_the_scripts_can_be_started(name: str) -> None:
    path = ROOT / ".ci" / name
    assert os.access(path, os.X_OK)
    shell = path.read_text().partition("\n")[0].rpartition("/")[2].removeprefix("env ")
    assert run(shell, "-n", str(path)).stderr == ""


@pytest.mark.parametrize("extras", ["runtime", "test"])
def test_setup_is_silent_when_all_is_done(checkout: Path, extras: str) -> None:
    (checkout / ".venv" / "state").write_text(state_of(checkout, "test"))
    done = run(".ci/setup", extras, cwd=checkout, PYTHON="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_setup_does_not_take_the_runtime_for_the_tests(checkout: Path) -> None:
    (checkout / ".venv" / "state").write_text(state_of(checkout, "runtime"))
    done = run(".ci/setup", "test", cwd=checkout, PYTHON="/nonsense")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (["everything"], {}, "'runtime' or 'test', not 'everything'"),
        ([], {"PYTHON": "/nonsense"}, "PYTHON=/nonsense is no Python 3.11 or newer"),
        ([], {"PYTHON": "false"}, "PYTHON=false is no Python 3.11 or newer"),
    ],
)
def test_setup_says_in_one_line_what_it_lacks(
    checkout: Path, words: list[str], variables: dict[str, str], said: str
) -> None:
    done = run(".ci/setup", *words, cwd=checkout, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("setup: ")
    assert said in line


def test_setup_says_when_there_is_no_python_at_all(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "git", "tr", "cat", "flock", "mktemp", "rm", "id"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (checkout / ".venv" / "bin" / "python").unlink()
    done = run(str(tools / "sh"), ".ci/setup", cwd=checkout, PATH=str(tools), PYTHON="")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed and not on PATH" in done.stderr


def test_bench_runs_all_and_fails_when_one_does(checkout: Path) -> None:
    (checkout / "benchmarks").mkdir()
    (checkout / "benchmarks" / "a_slow.py").write_text("raise SystemExit('twice as slow')")
    (checkout / "benchmarks" / "b_fast.py").write_text("print('ten times as fast')")
    done = run(".ci/bench", cwd=checkout)
    assert done.returncode == 1
    assert "ten times as fast" in done.stdout
    summary = [line.split() for line in done.stdout.splitlines()[-2:]]
    assert [(line[0], line[-1]) for line in summary] == [
        ("FAILED", "benchmarks/a_slow.py"),
        ("ok", "benchmarks/b_fast.py"),
    ]
    (checkout / "benchmarks" / "a_slow.py").unlink()
    assert run(".ci/bench", cwd=checkout).returncode == 0


def test_the_last_line_of_a_run_is_that_of_the_tests(checkout: Path) -> None:
    """Even when a make called it, whose own last words would follow."""
    (checkout / "Makefile").write_text("test:\n\t@echo 3 passed in 0.1s\n")
    done = run("bash", ".ci/run", cwd=checkout, MAKEFLAGS="w", MAKELEVEL="1", CI="true")
    assert done.stdout.splitlines()[-1] == "3 passed in 0.1s"
    (checkout / "Makefile").write_text("test:\n\t@false\n")
    assert run("bash", ".ci/run", cwd=checkout).returncode != 0
