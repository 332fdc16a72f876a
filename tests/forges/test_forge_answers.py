"""Answers that no forge gives: each is one clear sentence, whatever was asked, and no other error."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_forge_laws import BRANCHES, running

from reconciler.errors import Problem
from reconciler.forges.port import Comment, Draft, Forge, Page, Wording
from reconciler.forges.records import LATEST
from reconciler.forges.web import Answer, Web
from reconciler.model import MergeRequest

JUNK = (
    None, True, False, -1, 0, 10**30, 1.5, "x", "", [], {}, [[]], {"a": 1}, "\ud800\x00", "a" * 40,
    [None], [{}], "99999-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00",
    "9" * 5000,
)  # fmt: skip
HEADERS = ("link", "x-next-page", "x-total-count", "retry-after")
WORDS = ('<http://other.example/>; rel="next"', "²", "99999999999", "-1", "1e9")
ASKED: tuple[Callable[[Forge], object], ...] = (
    lambda forge: forge.whoami(),
    lambda forge: forge.mine("reconcile/"),
    lambda forge: forge.mine("reconcile/", 5),
    lambda forge: forge.standing(1),
    lambda forge: forge.open(Draft(BRANCHES[0], "main", "t", "b", ("l",), ("ada",))),
    lambda forge: forge.update(1, Wording(title="n", body="z", add_labels=("q",), remove_labels=("l",))),
    lambda forge: forge.update(1, Wording(comment=Comment("a", "words"), add_reviewers=("ada", "org/all"))),
    lambda forge: forge.close(2, Comment("c", "x")),
    lambda forge: forge.merge(1, "f" * 40, later=True),
    lambda forge: forge.page("dashboard"),
    lambda forge: forge.write_page(Page("dashboard", "D", "y")),
    lambda forge: forge.write_page(Page("another", "D", "y")),
)


class Garbled:
    """Answers of a server, some of whose parts are something else or missing."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.share = 0.0

    def of(self, answer: Answer) -> Answer:
        try:
            found = json.loads(answer.body)
        except ValueError:
            return answer
        headers: Mapping[str, str] = answer.headers
        if self.share and self.chance.random() < 0.05:
            headers = {**headers, self.chance.choice(HEADERS): self.chance.choice(WORDS)}
        return answer._replace(headers=headers, body=json.dumps(self._changed(found)).encode())

    def _changed(self, found: Any) -> Any:
        if self.share and self.chance.random() < self.share:
            return self.chance.choice(JUNK)
        if isinstance(found, dict):
            return {key: self._changed(each) for key, each in found.items()}
        return [self._changed(each) for each in found] if isinstance(found, list) else found


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_an_answer_of_any_shape_is_an_answer_or_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    garbled, ask = Garbled(11), Web.ask
    monkeypatch.setattr(Web, "ask", lambda *given: garbled.of(ask(*given)))
    with running(kind, tmp_path) as here:
        for number, branch in enumerate(BRANCHES, 1):
            assert here.bench.forge.open(Draft(branch, "main", "t", "b")).number == number
        request = here.place.request(1)
        here.place.review(request, here.emulator.store.user("ada"), "approved")
        here.place.set_status(request.head, "ci", "success")
        ends = {"answer": 0, "problem": 0}
        for turn in range(180):
            forge = here.bench.fresh()
            garbled.share = garbled.chance.choice((0.003, 0.01, 0.05, 0.2))
            try:
                answer = ASKED[turn % len(ASKED)](forge)
                ends["answer"] += 1
            except Problem:
                ends["problem"] += 1
                continue
            for one in answer if isinstance(answer, list) else [answer]:
                if isinstance(one, MergeRequest):
                    assert 0 <= one.opened_at <= LATEST
                    assert 0 <= one.ended_at <= LATEST
        assert min(ends.values()) > 20, ends
        here.emulator.broken.clear()
