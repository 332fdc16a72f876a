"""GitLab: the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import Bench, ForgeContract
from gitlab_bench import Rig, rigged
from servers.repositories import Bare


@pytest.fixture
def rig(deploy: Bare, tmp_path: Path) -> Iterator[Rig]:
    with rigged(deploy, tmp_path / "gitlab") as made:
        yield made


@pytest.fixture
def bench(rig: Rig) -> Bench:
    return rig.bench


class TestGitLab(ForgeContract):
    pass
