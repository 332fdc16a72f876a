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
    @pytest.fixture(autouse=True)
    def _project(self, rig: Rig, request: pytest.FixtureRequest) -> None:
        """A project that makes merge commits makes one on top of a squash, too: not what is asked here."""
        if request.node.name == "test_a_squash":
            rig.repository.options["merge_method"] = "ff"
