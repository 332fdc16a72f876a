"""GitHub: what is hostile, broken or far away; and what its published schema and recorded answers say."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import Bench, ForgeContract
from emulator import start
from emulator.github import GitHub
from emulator.github_spec import SPECS
from github_bench import PATH, TOKEN, Place
from graphql import build_schema, parse, validate
from servers import proxy as proxies
from servers.authority import Authority
from servers.repositories import Bare

from reconciler.errors import Misconfigured, Problem
from reconciler.forges.address import where
from reconciler.forges.github_app import api_of
from reconciler.forges.github_seen import StrangeError, is_of, seen
from reconciler.forges.port import Draft, Site
from reconciler.model import Secret

needs_specs = pytest.mark.skipif(
    not (SPECS / "state").exists(), reason="what GitHub publishes is not here (.ci/specs)"
)


@pytest.fixture
def place(tmp_path: Path, deploy: Bare) -> Iterator[Place]:
    dialect = GitHub()
    with start(tmp_path / "forge", [dialect]) as emulator:
        yield Place(emulator, dialect, deploy)
        assert emulator.broken == []
        assert emulator.secrets_in_urls() == []


@pytest.fixture
def bench(place: Place) -> Bench:
    return place.bench()


# -- where it is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "server", "api"),
    [
        ("https://github.com/acme/deploy.git", "https://github.com", "https://api.github.com"),
        ("https://github.com/acme/deploy", "", "https://api.github.com"),
        ("https://acme.ghe.com/acme/deploy", "https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.example.com:8443/acme/deploy", "", "https://git.example.com:8443/api/v3"),
    ],
)
def test_where_the_api_is(repository: str, server: str, api: str) -> None:
    found = where(Site(repository, None, "bot", lambda: 0, server=server))
    assert (found.path, api_of(found)) == ("acme/deploy", api)


@pytest.mark.parametrize("address", ["https://github.com/", "https://github.com/acme", "https://h/a/../b"])
def test_an_address_that_names_no_repository(address: str) -> None:
    with pytest.raises(Problem, match="names no repository"):
        where(Site(address, None, "bot", lambda: 0))


def test_a_path_that_github_does_not_have(place: Place) -> None:
    with pytest.raises(Problem, match=r"is no repository of GitHub: expected .*/OWNER/NAME"):
        place.forge(repository=f"{place.emulator.url}/acme/group/deploy")


# -- refusals in plain words -------------------------------------------------------------------------------


def test_a_token_that_does_not_hold(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "ghp_" + "z" * 36
    with pytest.raises(Problem, match="does not take the token: it is wrong, or has ended") as raised:
        place.forge(token=Secret(wrong)).mine("")
    shown = f"{raised.value} {raised.value.__cause__} {raised.value.__context__!r} {caplog.text}"
    assert wrong not in shown


def test_what_is_not_there_or_not_shown(place: Place) -> None:
    with pytest.raises(Problem, match="has no such thing, or the token may not see it"):
        place.forge(repository=f"{place.emulator.url}/acme/secret").mine("")


def test_a_permission_that_is_missing_is_named(place: Place, bench: Bench) -> None:
    ForgeContract().branch(bench)
    body = {"message": "Resource not accessible by personal access token"}
    headers = {"X-Accepted-GitHub-Permissions": "pull_requests=write"}
    place.emulator.faults.fail_before("POST", "/pulls$", status=403, body=body, headers=headers)
    with pytest.raises(Problem, match="the token needs pull_requests=write"):
        bench.forge.open(Draft("reconcile/savings/web", "main", "t", "b"))


def test_a_server_that_repeats_the_token_is_not_repeated(place: Place, bench: Bench) -> None:
    body = {"message": f"bad token {TOKEN} \x1b[31m"}
    place.emulator.faults.fail_before("GET", "/pulls$", status=400, body=body)
    with pytest.raises(Problem, match=r"refuses \(400: bad token \*\*\*") as raised:
        bench.forge.mine("")
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"", b"null", b'{"a": 1}', b"[1]", b"[[]]", b'[{"number": "x"}]', b"[" * 5_000,
        b'[{"head": {"ref": "reconcile/x", "repo": {"full_name": "acme/deploy"}}}]',
    ],
)  # fmt: skip
def test_answers_that_are_none(place: Place, bench: Bench, body: bytes) -> None:
    place.emulator.faults.fail_before("GET", "/pulls$", status=200, body=body)
    place.emulator.faults.fail_before("GET", "/pulls/1$", status=200, body=body)
    with contextlib.suppress(Problem):  # and nothing else
        assert list(bench.forge.mine("reconcile/")) == []
    with pytest.raises(Problem, match="answers"):
        bench.forge.close(1)


def test_a_redirect_is_not_followed(place: Place, bench: Bench) -> None:
    headers = {"Location": "http://127.0.0.1:1/api/v3/repos/acme/deploy/pulls"}
    place.emulator.faults.fail_before("GET", "/pulls$", status=301, headers=headers)
    with pytest.raises(Problem, match=r"leads on to http://127\.0\.0\.1:1/"):
        bench.forge.mine("")


def test_a_next_page_elsewhere_is_not_asked_for(place: Place, bench: Bench) -> None:
    ForgeContract().opened(bench)
    before = len(place.emulator.log)
    headers = {"Link": '<http://127.0.0.1:1/evil?page=2>; rel="next"'}
    place.emulator.faults.fail_before("GET", "/pulls$", status=200, body=[], headers=headers)
    assert list(bench.forge.mine("")) == []
    asked = [(each.path, each.one("page")) for each in place.emulator.log[before:]]
    assert asked == [(f"/api/v3/repos/{PATH}/pulls", page) for page in ("1", "2", "1")]


def test_a_certificate_of_a_private_authority(tmp_path: Path, deploy: Bare, authority: Authority) -> None:
    with start(tmp_path / "forge", [GitHub()], tls=authority.context, host="localhost") as emulator:
        place = Place(emulator, GitHub(), deploy)
        assert list(place.forge(ca_bundle=authority.bundle).mine("")) == []
        with pytest.raises(
            Problem, match=r"its certificate is not accepted .* name its authority with caBundle"
        ):
            place.forge().mine("")
        with pytest.raises(Misconfigured, match="the CA bundle can't be read"):
            place.forge(ca_bundle=tmp_path / "none.pem").mine("")


def test_a_proxy_of_the_settings(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    proxy, stop = proxies.start()
    try:
        assert list(place.forge(proxy=proxy.url).mine("")) == []
    finally:
        stop()
    assert proxy.asked
    assert TOKEN not in " ".join(proxy.asked)


# -- what GitHub publishes ---------------------------------------------------------------------------------


@needs_specs
def test_every_graphql_query_is_one_that_github_takes(place: Place, bench: Bench) -> None:
    place.repository.queue = True
    made = ForgeContract().opened(bench)
    bench.forge.merge(made.number, made.head, later=True)
    bench.forge.standing(made.number)
    bench.forge.close(made.number)
    schema = build_schema((SPECS / "github.graphql").read_text(), assume_valid=True, assume_valid_sdl=True)
    asked = set(place.dialect.queries)
    assert {word for word in ("isInMergeQueue", "enablePullRequestAutoMerge", "enqueuePullRequest",
                              "timelineItems") if any(word in each for each in asked)} == {
        "isInMergeQueue", "enablePullRequestAutoMerge", "enqueuePullRequest", "timelineItems"
    }  # fmt: skip
    for query in asked:
        assert validate(schema, parse(query)) == []


def recorded() -> Iterator[tuple[str, str, object]]:
    """Path, status and JSON of what GitHub itself has answered."""
    for file in sorted((SPECS / "recorded").glob("*.txt")):
        lines = file.read_text().split("\n")
        for at in range(0, len(lines) - 10, 11):
            scheme, verb, _, _, path, _, _, status, headers, body = lines[at : at + 10]
            told = {name.lower(): value for name, value in ast.literal_eval(headers)}
            if scheme == "https" and "json" in told.get("content-type", ""):
                yield f"{verb} {path}", status, json.loads(body) if body else None


@needs_specs
def test_what_github_has_answered_is_understood() -> None:
    states = set()
    for asked, status, found in recorded():
        pulls = found if isinstance(found, list) else [found]
        for pull in pulls:
            if status in ("200", "201") and isinstance(pull, dict) and {"head", "merged_at"} <= pull.keys():
                request = seen(pull, "acme")
                states.add(request.state)
                assert request.number == pull["number"], asked
                home = (pull["head"].get("repo") or {}).get("full_name", "")
                assert is_of(pull, home, request.branch) is bool(home)
    assert states == {"open", "closed", "merged"}


@needs_specs
def test_the_emulator_says_nothing_that_github_does_not(place: Place, bench: Bench) -> None:
    """Every key, and the type of its value, as the newest of GitHub's own answers have them."""
    theirs: dict[str, set[type]] = {}
    for asked, status, found in recorded():
        if status == "200" and "/pulls/" in asked and isinstance(found, dict) and "auto_merge" in found:
            for key, value in found.items():
                theirs.setdefault(key, set()).add(type(value))
    assert theirs
    made = ForgeContract().opened(bench)
    ours = bench.forge._pull(made.number)
    nullable = {"mergeable", "merged_by", "rebaseable", "auto_merge", "body", "closed_at", "merged_at",
                "merge_commit_sha", "assignee", "milestone", "active_lock_reason"}  # fmt: skip
    assert ours.keys() - theirs.keys() == set()
    for key, value in ours.items():
        assert type(value) in theirs[key] or key in nullable, key


def test_pull_requests_that_lack_something() -> None:
    good = {
        "number": 1, "html_url": "u", "head": {"ref": "b", "sha": "0" * 40}, "base": {"ref": "main"},
        "state": "open", "title": "t", "body": None, "labels": [], "created_at": "2025-11-05T00:00:00Z",
        "user": None, "merged_at": None, "closed_at": None,
    }  # fmt: skip
    assert seen(good, "acme").author == "ghost"
    for key, value in (
        ("number", "1"), ("head", None), ("head", {"ref": "b", "sha": "main"}), ("base", {}), ("title", None),
        ("state", "odd"), ("labels", [1]), ("created_at", "yesterday"), ("html_url", 1),
        ("closed_at", 5.5),
    ):  # fmt: skip
        with pytest.raises(StrangeError):
            seen({**good, key: value}, "acme")
    merged = {"merged_at": "2025-11-05T00:00:00Z", "merge_commit_sha": "main"}
    with pytest.raises(StrangeError):
        seen({**good, **merged}, "acme")
