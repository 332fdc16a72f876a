"""Laws of all forges with servers, whatever is asked of them and whichever answer is lost: nothing is
doubled, nothing of people is undone, and what was asked for is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import gitea_bench
import gitlab_bench
import pytest
from contract import Bench
from emulator import Emulator, Repository, start
from emulator.github import GitHub
from github_bench import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.repositories import Bare

from reconciler.forges.port import Comment, Draft, Page, Wording
from reconciler.model import MergeRequest

BRANCHES = ("reconcile/savings/a", "reconcile/savings/b")
FAULTS = ("none", "none", "lose", "fail_after", "fail_before", "limit")
DEEDS = ("open", "title", "body", "label", "unlabel", "comment", "close", "reopen", "merge", "page", "person")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(DEEDS), st.sampled_from(BRANCHES), st.sampled_from("xyz"), st.sampled_from(FAULTS)
    ),
    min_size=6,
    max_size=14,
)


class Running(NamedTuple):
    emulator: Emulator
    place: Repository
    bench: Bench


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Running]:
    bare = Bare(folder / "deploy.git")
    bare.commit({"apps/web/service.yaml": b"kind: Service\n"})
    for number, branch in enumerate(BRANCHES):
        bare.commit({f"apps/{number}.yaml": b"ours\n"}, branch, start="main")
    if kind == "github":
        with start(folder / "forge", [dialect := GitHub()]) as emulator:
            place = Place(emulator, dialect, bare)
            yield Running(emulator, place.repository, place.bench())
    elif kind == "gitlab":
        with gitlab_bench.rigged(bare, folder / "forge") as rig:
            yield Running(rig.emulator, rig.repository, rig.bench)
    else:
        with gitea_bench.served(folder / "forge") as emulator:
            emulator.check = None  # the other tests hold each exchange to what is published
            place = gitea_bench.placed(emulator, bare)
            yield Running(emulator, place, gitea_bench.bench_of(emulator, place, bare))


class Expected:
    """What there has to be, by what was asked for."""

    def __init__(self) -> None:
        self.requests: dict[int, MergeRequest] = {}
        self.comments: dict[int, dict[str, str]] = {}
        self.page = ""

    def of(self, branch: str, *states: str) -> MergeRequest | None:
        found = [one for one in self.requests.values() if one.branch == branch and one.state in states]
        return found[-1] if found else None


def told(seen: MergeRequest) -> tuple[object, ...]:
    return seen.number, seen.branch, seen.state, seen.title, seen.body, frozenset(seen.labels)


def do(here: Running, expected: Expected, deed: str, branch: str, word: str) -> None:
    forge, there = here.bench.forge, expected.of(branch, "open")
    if deed == "page":
        forge.write_page(Page("dashboard", "Dashboard", word))
        expected.page = word
    elif deed == "open" and not expected.of(branch, "merged"):
        made = forge.open(Draft(branch, "main", word, f"about {word}", ("bot", word)))
        assert there is None or made.number == there.number
        expected.requests[made.number] = made
        expected.comments.setdefault(made.number, {})
    elif deed == "reopen" and there is None and (ended := expected.of(branch, "closed")):
        expected.requests[ended.number] = ended._replace(state="open")
        forge.reopen(ended.number)
    elif there is not None:
        expected.requests[there.number] = _done(here, expected, deed, there, word)


def _done(here: Running, expected: Expected, deed: str, there: MergeRequest, word: str) -> MergeRequest:
    forge, number = here.bench.forge, there.number
    if deed == "title":
        forge.update(number, Wording(title=f"T {word}"))
        return there._replace(title=f"T {word}")
    if deed == "body":
        forge.update(number, Wording(body=f"B {word}"))
        return there._replace(body=f"B {word}")
    if deed == "label":
        forge.update(number, Wording(add_labels=(word,)))
        return there._replace(labels=(*there.labels, word))
    if deed == "unlabel":
        forge.update(number, Wording(remove_labels=(word,)))
        return there._replace(labels=tuple(label for label in there.labels if label != word))
    if deed == "person":
        here.place.add_labels(here.place.request(number), [f"person's {word}"])
        return there._replace(labels=(*there.labels, f"person's {word}"))
    if deed == "comment":
        forge.update(number, Wording(comment=Comment("topic", word)))
        expected.comments[number]["topic"] = word
    if deed == "close":
        forge.close(number, Comment("closed", word))
        expected.comments[number]["closed"] = word
        return there._replace(state="closed")
    if deed == "merge":
        merged = forge.merge(number, there.head)
        assert isinstance(merged, MergeRequest)
        return there._replace(state="merged")
    return there


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_nothing_is_doubled_lost_or_undone(kind: str, steps: list[tuple[str, str, str, str]]) -> None:
    expected = Expected()
    with TemporaryDirectory() as folder, running(kind, Path(folder)) as here:
        for deed, branch, word, fault in steps:
            here.emulator.faults.rules.clear()
            if fault != "none":
                getattr(here.emulator.faults, fault)("write", "/api/")
            do(here, expected, deed, branch, word)
        here.emulator.faults.rules.clear()
        seen = {told(each) for each in here.bench.fresh().mine("reconcile/")}
        assert seen == {told(each) for each in expected.requests.values()}
        assert len(here.place.requests) == len(expected.requests)
        for number, comments in expected.comments.items():
            assert sorted(here.bench.comments(number)) == sorted(comments.items())
        page = here.bench.fresh().page("dashboard")
        assert (page.body if page else "") == expected.page
        assert len(here.place.issues) == bool(expected.page)
        assert not here.emulator.broken
