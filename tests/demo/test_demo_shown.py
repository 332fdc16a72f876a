"""What the demo prints: what it finds, and proves; and a story without helm and kubectl, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from rendered_world import put_tools_on_path

from reconciler.commands.demo import _RENDERED
from reconciler.demo import demo_files


class Told(NamedTuple):
    """What it printed with helm and kubectl, and without them."""

    rendered: str
    plain: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("shown")
    programs = folder / "programs"
    programs.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    with pytest.MonkeyPatch.context() as patch:
        put_tools_on_path(patch)
        path = os.environ["PATH"]
    with started(folder / "one", path) as one, started(folder / "two", str(programs)) as two:
        return Told(ended(one), ended(two))


@contextmanager
def started(home: Path, path: str) -> Iterator[subprocess.Popen[bytes]]:
    """The demo, with a folder for temporary ones that has to be empty afterwards."""
    home.mkdir()
    environment = {**os.environ, "PATH": path, "TMPDIR": str(home), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "reconciler", "demo"]
    with subprocess.Popen(
        words, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        yield process
    assert list(home.iterdir()) == []


def ended(process: subprocess.Popen[bytes]) -> str:
    printed = process.communicate()[0].decode()
    assert process.returncode == 0, printed
    return printed


def test_the_line_that_it_follows_is_the_shared_one() -> None:
    path, _, line = _RENDERED.line.partition(":")
    assert "memory: 1536Mi" in demo_files()[path].decode().splitlines()[int(line) - 1]


def test_it_shows_where_values_live_and_whom_a_line_feeds(told: Told) -> None:
    assert "missing-tool" not in told.rendered
    assert "charts/search/values-shared.yaml:5  shared with 1 more" in told.rendered
    assert "charts/search/values-shared.yaml:5 sets requests.memory to 1536Mi" in told.rendered
    assert "apps/storefront/cart/overlays/production/resources.yaml:12" in told.rendered


def test_it_proves_what_it_changes(told: Told) -> None:
    assert "search-staging renders the same but for 1 field" in told.rendered
    assert "apps/storefront/cart/overlays/production renders the same but for 1 field" in told.rendered
    assert "-    memory: 1536Mi  # the index is held in memory" in told.rendered
    assert "+exporter:\n+  resources:\n+    requests:\n+      memory: 36Mi\n+      cpu: 15m" in told.rendered


def test_it_ends_with_a_run_that_changes_nothing(told: Told) -> None:
    for printed in told:
        assert "Merged !" in printed
        again = printed.rpartition("And once more")[2]
        assert "left as before" in again
        assert not {"open", "update", "close"} & set(again.split())


def test_without_helm_and_kubectl_it_says_so_and_goes_on(told: Told) -> None:
    assert "kept (missing-tool), and we go on with plain manifests" in told.plain
    assert "helm is not on PATH (missing-tool)" in told.plain
    assert "fix(resources): give more to recommendations" in told.plain


def test_it_leaves_out_what_is_long_and_says_so(told: Told) -> None:
    for printed in told:
        assert re.search("^… [0-9]+ more$", printed, re.MULTILINE)
        assert len(printed.splitlines()) < 320
        assert "\x1b[" not in printed
