"""The contract on a real server: GitHub, GitLab, Gitea or Forgejo, whichever the environment names.

docs/emulator.md says what to set. Without it, or where the server refuses, nothing is held back: the
same contract runs against the emulator in any case.
"""

from __future__ import annotations

from pathlib import Path

import far_bench
import pytest
from contract import Bench, ForgeContract
from far_bench import NAMES
from servers.fixtures import UNTESTED

from reconciler.forges.port import Method
from reconciler.model import MergeRequest


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    server = far_bench.named()
    if server is None:
        text = f"a real forge: set {', '.join(NAMES)} (docs/emulator.md)"
        said = request.config.stash.setdefault(UNTESTED, [])
        if text not in said:
            said.append(text)
        pytest.skip(text)
    return far_bench.bench(server, tmp_path / "far.git")


class TestFar(ForgeContract):
    def test_a_squash(self, bench: Bench) -> None:
        """GitLab makes a merge commit on top of the squash, in a project that makes merge commits."""
        server = far_bench.named()
        if server is None or server.kind != "gitlab":
            super().test_a_squash(bench)
            return
        made = self.opened(bench)
        base = bench.bare.tip()
        merged = bench.forge.merge(made.number, made.head, method=Method.SQUASH)
        assert isinstance(merged, MergeRequest)
        first, second = bench.bare.store[merged.merge_commit].parents
        assert (str(first.id), [str(each) for each in second.parent_ids]) == (base, [base])
        assert "Reconcile-Key: savings/web" in second.message


@pytest.mark.parametrize(
    ("changed", "words"),
    [({0: "gitea2"}, "expected one of"), ({3: "org/production"}, "must have `test` in it")],
)
def test_what_is_named_is_checked(
    monkeypatch: pytest.MonkeyPatch, changed: dict[int, str], words: str
) -> None:
    values = ["gitea", "https://git.example.com", "t", "org/a-test"]
    for name, value in zip(NAMES, [changed.get(n, value) for n, value in enumerate(values)], strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=words):
        far_bench.named()
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert far_bench.named() == ("gitea", "https://git.example.com", "t", "org/a-test")
    monkeypatch.setenv(NAMES[2], "")
    assert far_bench.named() is None
