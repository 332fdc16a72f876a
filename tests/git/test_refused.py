"""Branches that could not be pushed: who was faster, and what is in the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers.repositories import Bare

from reconciler.git.command import Ran
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome, results
from reconciler.model import RefUpdate

BOT = Author("Bot", "bot@example.com")


def change(mirror: Mirror, base: str, content: bytes = b"ours\n") -> str:
    return mirror.commit(
        CommitRequest(base, {"apps/web/service.yaml": content}, "ours\n", BOT, 1_700_000_000)
    )


@pytest.fixture
def mirror(deploy: Bare, tmp_path: Path) -> Mirror:
    return open_mirror(deploy.url, tmp_path / "cache")


@pytest.mark.parametrize(
    ("there", "ours", "other"),
    [
        ("bot", "bot/a", "bot"), ("bot", "bot/a/b", "bot"), ("bot/a", "bot", "bot/a"),
        ("bot/a/b's", "bot/a", "bot/a/b's"), ("bot's", "bot's/a", "bot's"),
    ],
)  # fmt: skip
def test_a_branch_in_the_way_is_named(
    there: str, ours: str, other: str, mirror: Mirror, deploy: Bare
) -> None:
    deploy.commit({}, there, start="main")
    new = change(mirror, deploy.tip())
    refused, done = mirror.push([RefUpdate(ours, new, ""), RefUpdate("free", new, "")])
    assert (refused.outcome, done.outcome) == (Outcome.REFUSED, Outcome.DONE)
    assert f"can't be made beside the branch {other}: delete or rename {other}" in refused.detail
    assert deploy.tip("free") == new


def test_two_of_ours_in_each_others_way(mirror: Mirror, deploy: Bare) -> None:
    new = change(mirror, deploy.tip())
    pushed = mirror.push([RefUpdate("a", new, ""), RefUpdate("a/b", new, "")])
    assert sorted(each.outcome for each in pushed) == [Outcome.DONE, Outcome.REFUSED]


def test_a_server_that_does_not_tell_what_is_in_the_way(mirror: Mirror, deploy: Bare) -> None:
    ours = RefUpdate("refs/heads/bot/a", deploy.tip(), "")
    for why in ("failed to update ref", "refname conflict", "directory file conflict"):
        ran = Ran(1, f"!\t{ours.new}:{ours.ref}\t[remote rejected] ({why})\n", "")
        (pushed,) = results([ours], ran, ["main", "bot"]) or ()
        assert (pushed.outcome, "beside the branch bot:" in pushed.detail) == (Outcome.REFUSED, True)
    (pushed,) = (
        results([ours], Ran(1, f"!\tx:{ours.ref}\t[remote rejected] (failed to update ref)\n", "")) or ()
    )
    assert pushed.outcome is Outcome.STALE


def test_whoever_holds_the_branch_at_this_moment_was_faster(mirror: Mirror, deploy: Bare) -> None:
    new = change(mirror, deploy.tip())
    mirror.push([RefUpdate("gone", new, "")])
    for name in ("bot", "gone"):
        (deploy.path / "refs" / "heads" / f"{name}.lock").touch()
    pushed = mirror.push([RefUpdate("bot", new, ""), RefUpdate("gone", "", new), RefUpdate("free", new, "")])
    assert [each.outcome for each in pushed] == [Outcome.STALE, Outcome.STALE, Outcome.DONE]


def test_a_server_with_a_full_disk_is_no_race() -> None:
    ours = RefUpdate("refs/heads/bot", "a" * 40, "")
    said = "remote: error: cannot lock ref 'refs/heads/bot': Unable to create '/x': No space left on device"
    ran = Ran(1, f"!\tx:{ours.ref}\t[remote rejected] (failed to update ref)\n", said)
    (pushed,) = results([ours], ran) or ()
    assert pushed.outcome is Outcome.REFUSED
    assert "No space left" in pushed.detail


def test_racing_for_the_same_branch(deploy: Bare, tmp_path: Path) -> None:
    """Whatever the server calls it when two push at once: one wins, and the other was too late."""
    mirrors = [open_mirror(deploy.url, tmp_path / f"cache-{number}") for number in range(4)]
    for round_ in range(4):
        updates = [
            RefUpdate(f"bot-{round_}", change(mirror, deploy.tip(), b"%d" % number), "")
            for number, mirror in enumerate(mirrors)
        ]
        with ThreadPoolExecutor(len(mirrors)) as pool:
            pushed = list(
                pool.map(lambda pair: pair[0].push([pair[1]])[0], zip(mirrors, updates, strict=True))
            )
        outcomes = [each.outcome for each in pushed]
        assert outcomes.count(Outcome.DONE) == 1
        assert outcomes.count(Outcome.STALE) == 3
