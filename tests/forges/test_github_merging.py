"""GitHub: merging now and later, under its rules; and commits and tokens of apps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import Bench, ForgeContract
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from emulator import Protection, start
from emulator.github import AppAccount, GitHub
from emulator.github_spec import SPECS, check
from github_bench import PATH, TOKEN, Place
from servers.repositories import Bare, git

from reconciler.errors import Problem
from reconciler.forges import APP_TOKENS, FORGES
from reconciler.forges.github import GitHubForge
from reconciler.forges.port import App, Blocked, Merging, Method, NotMerged, Site
from reconciler.forges.web import Answer, Web
from reconciler.git.access import Access
from reconciler.git.commits import Author, CommitRequest
from reconciler.git.mirror import open_mirror
from reconciler.model import Commit, MergeRequest, RefUpdate, Secret
from reconciler.vouched import cautions, vouched

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


@pytest.fixture
def made(bench: Bench) -> MergeRequest:
    return ForgeContract().opened(bench)


# -- now ---------------------------------------------------------------------------------------------------


def test_github_may_need_time_to_know(place: Place, bench: Bench) -> None:
    place.emulator.store.slow_mergeability = 3
    made = ForgeContract().opened(bench)
    assert isinstance(bench.forge.merge(made.number, made.head), MergeRequest)
    assert place.emulator.clock.monotonic() >= 1


def test_github_may_not_know_in_time(place: Place, bench: Bench) -> None:
    place.emulator.store.slow_mergeability = 100
    made = ForgeContract().opened(bench)
    answer = bench.forge.merge(made.number, made.head)
    assert answer == NotMerged(Blocked.NOT_READY, "GitHub doesn't know yet whether it can be merged")
    assert not place.emulator.writes("/merge$")


def test_the_method_is_one_that_the_repository_allows(place: Place, bench: Bench, made: MergeRequest) -> None:
    place.repository.methods = ["squash"]
    answer = place.forge().merge(made.number, made.head, method=Method.MERGE)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_ALLOWED
    assert not place.emulator.writes("/merge$")
    merged = bench.forge.merge(made.number, made.head)
    assert isinstance(merged, MergeRequest)
    message = bench.bare.store[merged.merge_commit].message
    assert message.startswith(f"Lower cpu (#{made.number})\n\n")
    assert "Reconcile-Key: savings/web" in message


def test_a_rebase(bench: Bench, made: MergeRequest) -> None:
    bench.bare.commit({"README.md": b"meanwhile\n"})
    merged = bench.forge.merge(made.number, made.head, method=Method.REBASE)
    assert isinstance(merged, MergeRequest)
    assert merged.merge_commit == bench.bare.tip() != made.head


@pytest.mark.parametrize(
    "rules", [Protection(approvals=1), Protection(checks=("ci",)), Protection(up_to_date=True)]
)
def test_even_an_administrator_does_not_pass_over_the_rules(
    place: Place, bench: Bench, made: MergeRequest, rules: Protection
) -> None:
    place.repository.members["robot"] = place.repository.members["root"]
    place.repository.protected["main"] = rules
    base = bench.bare.commit({"README.md": b"meanwhile\n"})
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY
    assert bench.bare.tip() == base


def test_who_may_not_merge_is_told(place: Place, bench: Bench, made: MergeRequest) -> None:
    place.emulator.faults.fail_before(
        "PUT", "/merge$", status=403, body={"message": "Resource not accessible by integration"}
    )
    answer = bench.forge.merge(made.number, made.head)
    assert answer == NotMerged(Blocked.NOT_ALLOWED, "Resource not accessible by integration")


def test_a_push_at_the_last_moment_is_not_merged(place: Place, bench: Bench, made: MergeRequest) -> None:
    base = bench.bare.tip()
    place.emulator.faults.human(
        lambda _: bench.bare.commit({"apps/web/service.yaml": b"late\n"}, made.branch), "PUT", "/merge$"
    )
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.HEAD_MOVED
    assert bench.bare.tip() == base


def test_a_base_that_moved_at_the_last_moment_is_tried_once_more(
    place: Place, bench: Bench, made: MergeRequest
) -> None:
    body = {"message": "Base branch was modified. Review and try the merge again."}
    place.emulator.faults.fail_before("PUT", "/merge$", status=405, body=body)
    assert isinstance(bench.forge.merge(made.number, made.head), MergeRequest)
    other = ForgeContract().opened(bench, "reconcile/savings/api")
    place.emulator.faults.fail_before("PUT", "/merge$", status=405, body=body, times=2)
    answer = bench.forge.merge(other.number, other.head)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY


def test_a_token_that_is_told_back_is_not_passed_on(
    bench: Bench, made: MergeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, told = Web.ask, json.dumps({"message": f"no {TOKEN} may merge"}).encode()

    def answered(web: Web, method: str, *asked: Any) -> Answer:
        return Answer(405, {}, told) if method == "PUT" else ask(web, method, *asked)

    monkeypatch.setattr(Web, "ask", answered)
    answer = bench.forge.merge(made.number, made.head)
    assert isinstance(answer, NotMerged)
    assert answer.detail == "no *** may merge"


@pytest.mark.parametrize("later", [False, True])
def test_checks_that_nobody_requires_are_waited_for_all_the_same(
    place: Place, bench: Bench, made: MergeRequest, later: bool
) -> None:
    for state in ("pending", "failure"):
        place.repository.set_status(made.head, "ci", state)
        answer = bench.forge.merge(made.number, made.head, later=later)
        assert isinstance(answer, NotMerged)
        assert (answer.why, answer.detail) == (Blocked.NOT_READY, "its checks have not all passed")
    place.repository.set_status(made.head, "ci", "success")
    place.repository.set_status(made.head, "reconcile/own", "pending")
    assert isinstance(bench.forge.merge(made.number, made.head, later=later), MergeRequest)


# -- later -------------------------------------------------------------------------------------------------


def test_what_nothing_stands_against_is_merged_at_once(bench: Bench, made: MergeRequest) -> None:
    merged = bench.forge.merge(made.number, made.head, later=True)
    assert isinstance(merged, MergeRequest)
    assert merged.state == "merged"


@pytest.mark.parametrize("method", [Method.MERGE, Method.SQUASH])
def test_github_merges_it_once_it_is_approved(
    place: Place, bench: Bench, made: MergeRequest, method: Method
) -> None:
    place.repository.protected["main"] = Protection(approvals=1)
    answer = bench.forge.merge(made.number, made.head, method=method, later=True)
    assert isinstance(answer, Merging)
    assert answer.request.state == "open"
    assert bench.forge.standing(made.number).merging
    writes = len(place.emulator.writes())
    assert isinstance(bench.forge.merge(made.number, made.head, later=True), Merging)
    assert len([e for e in place.emulator.writes()[writes:] if "graphql" not in e.path]) == 0
    place.repository.review(
        place.repository.request(made.number), place.emulator.store.user("ada"), "approved"
    )
    (merged,) = bench.forge.mine("")
    assert (merged.state, merged.ended_by) == ("merged", "robot")
    assert "Reconcile-Key: savings/web" in bench.bare.store[merged.merge_commit].message or (
        method is Method.MERGE
    )


def test_without_auto_merge_it_waits_for_the_next_run(place: Place, bench: Bench, made: MergeRequest) -> None:
    place.repository.protected["main"] = Protection(approvals=1)
    place.repository.auto_merge_allowed = False
    answer = bench.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, NotMerged)
    assert answer.why is Blocked.NOT_READY
    assert "Auto merge is not allowed" in answer.detail


def test_what_became_ready_meanwhile_is_merged(place: Place, bench: Bench, made: MergeRequest) -> None:
    """GitHub arms nothing that could be merged at once."""
    place.repository.protected["main"] = Protection(approvals=1)
    request, ada = place.repository.request(made.number), place.emulator.store.user("ada")
    place.emulator.faults.human(
        lambda asked: b"enablePull" in asked.body and place.repository.review(request, ada, "approved"),
        "POST", "/graphql", times=3,
    )  # fmt: skip
    merged = bench.forge.merge(made.number, made.head, later=True)
    assert isinstance(merged, MergeRequest)
    assert merged.state == "merged"


def test_a_merge_queue(place: Place, bench: Bench, made: MergeRequest) -> None:
    place.repository.queue = True
    assert isinstance(bench.forge.merge(made.number, made.head), NotMerged)
    answer = bench.forge.merge(made.number, made.head, later=True)
    assert isinstance(answer, Merging)
    assert answer.detail == "it is in the merge queue"
    assert bench.forge.standing(made.number).merging
    assert isinstance(bench.forge.merge(made.number, made.head, later=True), Merging)
    place.emulator.clock.pass_by(61)
    assert bench.forge.mine("")[0].state == "merged"


# -- apps --------------------------------------------------------------------------------------------------

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
PUBLIC = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.fixture
def account(place: Place) -> AppAccount:
    place.emulator.store.user("rightsizer[bot]", is_bot=True)
    place.repository.members["rightsizer[bot]"] = place.repository.members["robot"]
    account = AppAccount("4711", "rightsizer", PUBLIC, {77: "acme"})
    place.dialect.apps["4711"] = account
    return account


def app_site(place: Place, installation: str = "", pem: str = PEM, app: str = "4711") -> Site:
    site = place.site(token=None, app=App(app, installation, lambda: Secret(pem)))
    return site._replace(token=APP_TOKENS["github"](site))


@pytest.mark.usefixtures("account")
class TestGitHubApp(ForgeContract):
    """The whole contract, asked by an app."""

    @pytest.fixture
    def bench(self, place: Place) -> Bench:
        bench = place.bench()
        return bench._replace(
            forge=GitHubForge(app_site(place)), fresh=lambda: GitHubForge(app_site(place, "77"))
        )


@pytest.mark.usefixtures("account")
def test_an_app_goes_by_its_own_name(place: Place) -> None:
    assert FORGES["github"](app_site(place)).whoami() == "rightsizer[bot]"


def test_a_token_of_an_app_is_renewed(place: Place, account: AppAccount) -> None:
    forge = GitHubForge(app_site(place))
    for _ in range(3):
        forge.mine("")
    assert account.minted == 1
    place.emulator.clock.pass_by(3_500)  # it would hold for another 100 seconds
    forge.mine("")
    assert account.minted == 2


def test_a_token_of_an_app_is_for_one_repository(place: Place, account: AppAccount) -> None:
    place.emulator.store.repository("acme/other")
    app_site(place)
    (token,) = (each for each in place.emulator.store.tokens.values() if each.app)
    assert token.repositories == frozenset({PATH})


@pytest.mark.usefixtures("account")
def test_an_app_that_is_not_installed_has_no_token(place: Place) -> None:
    place.emulator.store.repository("others/deploy")
    site = place.site(repository=f"{place.emulator.url}/others/deploy", token=None)
    site = site._replace(app=App("4711", "", lambda: Secret(PEM)))
    assert APP_TOKENS["github"](site) is None


@pytest.mark.usefixtures("account")
def test_an_app_with_a_wrong_key(place: Place) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with pytest.raises(Problem, match=r"does not take the app \(401: .*check its id, its key") as raised:
        app_site(place, pem=wrong)
    assert wrong[40:80] not in str(raised.value)
    with pytest.raises(Problem, match="the key of app 4711 is no private RSA key in PEM format"):
        app_site(place, pem="-----BEGIN NONSENSE-----")


# -- commits that GitHub makes -----------------------------------------------------------------------------


def test_a_commit_of_an_app_is_verified_and_pushed_under_our_lease(
    place: Place, account: AppAccount, tmp_path: Path
) -> None:
    site = app_site(place)
    forge, bare = GitHubForge(site), place.bare
    access = Access(token=site.token)
    url = place.emulator.git_url(place.repository)
    mirror = open_mirror(url, tmp_path / "cache", access)
    base = bare.tip()
    files = {"apps/web/service.yaml": b"ours \xc3\xbc\n", "run.sh": b"#!/bin/bash\n", "x.bin": b"\xff\x00"}
    author = Author("Reconciler", "bot@example.com")
    words = "Lower cpu\n\nReconcile-Plan: 1\n"
    ours = mirror.commit(CommitRequest(base, files, words, author, 1_700_000_000))
    theirs = vouched(forge, mirror, ours, base, files, words)
    assert theirs != ours
    assert theirs in place.repository.vouched
    (answer,) = mirror.push([RefUpdate("refs/heads/reconcile/x", theirs, "")])
    assert answer.detail == ""
    assert bare.tip("reconcile/x") == theirs
    assert git("ls-tree", theirs, "run.sh", folder=bare.path).startswith("100755 blob")
    assert bare.read("x.bin", "reconcile/x") == b"\xff\x00"
    assert bare.store[theirs].message == words
    git("fsck", "--strict", folder=bare.path)


def test_a_user_s_token_leaves_commits_to_git(place: Place, tmp_path: Path) -> None:
    forge = place.forge()
    assert not forge.capabilities.commits
    assert forge.commit(Commit(place.bare.tip(), {"a": b"b"}, "m")) is None
    (note,) = cautions(forge, PATH, by_forge=True)
    assert "not signed by the forge" in note.detail
    assert cautions(forge, PATH, by_forge=False) == ()


def test_a_token_of_actions_starts_no_checks(place: Place) -> None:
    store = place.emulator.store
    store.user("github-actions[bot]", is_bot=True)
    store.token("ghs_" + "b" * 36, "github-actions[bot]", app="github-actions")
    place.repository.members["github-actions[bot]"] = place.repository.members["robot"]
    forge = place.forge(token=Secret("ghs_" + "b" * 36))
    assert forge.whoami() == "github-actions[bot]"
    (note,) = cautions(forge, PATH, by_forge=False)
    assert "starts no workflows" in note.detail
