"""GitHub: the contract over real HTTP and real Git, every exchange held to what GitHub publishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import Bench, ForgeContract
from emulator import start
from emulator.github import GitHub
from emulator.github_spec import SPECS, check
from github_bench import Place
from servers.repositories import Bare

HAS_SPEC = (SPECS / "github.json").exists()


@pytest.fixture
def place(tmp_path: Path, deploy: Bare) -> Iterator[Place]:
    dialect = GitHub()
    with start(tmp_path / "forge", [dialect]) as emulator:
        if HAS_SPEC:
            emulator.check = check
        yield Place(emulator, dialect, deploy)
        assert emulator.broken == []
        assert emulator.secrets_in_urls() == []


@pytest.fixture
def bench(place: Place) -> Bench:
    return place.bench()


class TestGitHub(ForgeContract):
    pass
