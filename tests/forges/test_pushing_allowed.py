"""Whether a token may push is known without pushing anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import Emulator, Role, start
from emulator.gitea import Gitea

from reconciler.errors import Problem
from reconciler.git.access import Access
from reconciler.git.reach import may_push
from reconciler.model import Secret


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Emulator]:
    with start(tmp_path, [Gitea()], kind="gitea") as running:
        place = running.store.repository("org/deploy")
        place.members = {"bot": Role.WRITE, "eve": Role.READ}
        running.store.token("s3cret", "bot")
        running.store.token("looks", "eve")
        yield running


def test_who_may_write_is_let_through_and_nothing_is_pushed(forge: Emulator) -> None:
    may_push(f"{forge.url}/org/deploy.git", Access(Secret("s3cret")))
    assert not forge.store.repository("org/deploy").branches()


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (Secret("looks"), "give the token write access"),
        (Secret("wrong"), "did not accept the credentials"),
        (None, "name its forge with a token"),
    ],
)
def test_who_may_not_is_told_what_to_do(forge: Emulator, token: Secret | None, told: str) -> None:
    with pytest.raises(Problem, match=told):
        may_push(f"{forge.url}/org/deploy.git", Access(token))
