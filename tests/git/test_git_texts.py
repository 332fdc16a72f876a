"""Addresses, messages and names: text from outside that must not become something else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Problem
from reconciler.git.access import Access, scrubbed
from reconciler.git.message import message, trailers
from reconciler.git.names import branch_flaw
from reconciler.git.urls import normalise_url, parse_url, without_credentials
from reconciler.model import Secret

# -- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/pwned", "fd::17", "::x", "-uhttps://x/y", "--upload-pack=touch /tmp/pwned",
        "git://host/x", "ftp://host/x", "javascript:alert(1)://x", "https://", "https:///x", "",
        "https://host/x\n--exec", "https://ho st/x", "ssh://-oProxyCommand=touch@host/x",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=x/y", "host:-oProxyCommand", "https://host:port/x", "https://h/x?y=z",
        "https://user:pa55@host/x", "https://h/x#y", "https://[::1/x",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Problem, match="is not accepted") as caught:
        parse_url(url)
    assert "pa55" not in str(caught.value)


SAME = (
    "https://git.example.com/Team/deploy.git",
    "https://git.example.com/Team/deploy",
    "https://git.example.com/Team/deploy/",
    "https://GIT.example.com:443/Team/deploy.git/",
    "https://user@git.example.com/Team/deploy",
    "https://user:t0ken@git.example.com/Team/deploy",
    "https://user:p@ss@git.example.com/Team/deploy",
    "http://git.example.com/Team/deploy",
    "http://git.example.com:80/Team/deploy",
    "git@git.example.com:Team/deploy.git",
    "git.example.com:/Team/deploy.git",
    "ssh://git@git.example.com/Team/deploy.git",
    "ssh://git:pw@git.example.com:22/Team/deploy.git",
    "git+ssh://git@git.example.com/Team/deploy",
)


def test_one_place_has_one_form() -> None:
    assert {normalise_url(url) for url in SAME} == {"git.example.com/Team/deploy"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example/x", "https://b.example/x"),
        ("https://a.example/x", "https://a.example/y"),
        ("https://a.example:8443/x", "https://a.example/x"),
        ("https://a.example/x", "/x"),
        ("ext::https://a.example/x", "https://a.example/x"),
    ],
)
def test_two_places_have_two_forms(one: str, other: str) -> None:
    assert normalise_url(one) != normalise_url(other)


def test_folders_are_one_place_however_they_are_reached(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    forms = (f"{tmp_path}/a/d.git", f"file://{tmp_path}/a/d", f"{tmp_path}/link/d", f"{tmp_path}/a/../a/d/")
    assert len({normalise_url(form) for form in forms}) == 1


@given(st.text(max_size=60))
def test_comparing_never_fails_and_settles(url: str) -> None:
    assert normalise_url(url) == normalise_url(url)
    assert without_credentials(without_credentials(url)) == without_credentials(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host/x", "https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git:pw@host/x", "ssh://git@host/x"),
        ("git@host:x", "git@host:x"),
        ("/a@b/c", "/a@b/c"),
    ],
)
def test_shown_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_what_a_server_says_is_scrubbed() -> None:
    remote = parse_url("https://host/x")
    access = Access(Secret("t0ken"))
    said = "remote: \x1b[31mt0ken eC1hY2Nlc3MtdG9rZW46dDBrZW4= https://a:b@c/d Authorization: Bearer abc"
    shown = scrubbed(said, remote, access)
    for hidden in ("t0ken", "eC1hY2Nlc3MtdG9rZW46dDBrZW4=", "a:b", "abc", "\x1b"):
        assert hidden not in shown


# -- names ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(
    st.text(st.sampled_from("ab/.-@{~^:?*[\\ \n\0é"), max_size=8) | st.sampled_from(["a.lock", "a.lock/b"])
)
def test_what_we_call_a_branch_git_does_too(name: str) -> None:
    if branch_flaw(name) or "\0" in name:
        return
    ran = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert ran.returncode == 0, name


@pytest.mark.parametrize("name", ["main", "reconcile/savings/web", "a-b_c.d/é", "release/1.2", "x#1", "a@b"])
def test_honest_branches(name: str) -> None:
    assert branch_flaw(name) == ""


# -- messages ---------------------------------------------------------------------------------

TRAILERS = {
    "Reconcile-Key": "app/web",
    "Reconcile-Plan": "sha256:abc",
    "Signed-off-by": "Bot <bot@example.com>",
}


def test_a_message() -> None:
    text = message("Lower  cpu of\nweb", "Because.\n\n\n\nAnd so.  \n", TRAILERS)
    assert text == (
        "Lower cpu of web\n\nBecause.\n\nAnd so.\n\n"
        "Reconcile-Key: app/web\nReconcile-Plan: sha256:abc\nSigned-off-by: Bot <bot@example.com>\n"
    )
    assert trailers(text) == TRAILERS


def test_without_body_or_trailers() -> None:
    assert message("s", "", {}) == "s\n"
    assert message("s", " \n", {"A": "1", "B": " \n"}) == "s\n\nA: 1\n"
    assert trailers("s\n") == {}
    assert trailers("Reconcile-Key: only a subject\n") == {}


@pytest.mark.parametrize("key", ["", "a b", "a:b", "a\nb", "-a", "é"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(Problem, match="can't be a trailer"):
        message("s", "", {key: "x"})


def test_a_subject_is_needed() -> None:
    with pytest.raises(Problem, match="subject of the commit message is empty"):
        message(" \n", "", {})


ANY = st.text(st.sampled_from("ab: \n\r\t\u2028\x85\x0c-#R") | st.characters(codec="utf-8"), max_size=30)
INJECTED = st.sampled_from(
    ["Reconcile-Key: evil", "x\nReconcile-Key: evil", "x\r\nReconcile-Key: evil", "\n\nA: b"]
)


@given(subject=ANY | INJECTED, body=ANY | INJECTED, values=st.lists(ANY | INJECTED, max_size=3))
def test_nothing_imitates_a_trailer(subject: str, body: str, values: list[str]) -> None:
    given_trailers = {f"Key-{number}": value for number, value in enumerate(values)}
    try:
        text = message(subject, body, given_trailers)
    except Problem:
        return
    found = trailers(text)
    assert set(found) <= set(given_trailers)
    assert all("\n" not in value for value in found.values())
    assert text.endswith("\n")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(deadline=None, max_examples=40)
@given(body=ANY | INJECTED, value=ANY | INJECTED)
def test_git_reads_the_same_trailers(body: str, value: str) -> None:
    text = message("subject", body, {"Reconcile-Key": "real", "Note": value})
    ran = subprocess.run(
        ["git", "interpret-trailers", "--parse", "--no-divider"],
        input=text.encode(), capture_output=True, check=True, cwd="/",
    )  # fmt: skip
    lines = [line.split(": ", 1) for line in ran.stdout.decode().split("\n") if line]
    assert dict(lines) == trailers(text)


def test_folded_values_of_other_tools() -> None:
    assert trailers("s\n\nA: one\n  two\nB: 3\n") == {"A": "one two", "B": "3"}
    assert trailers("s\n\nA: one\nno trailer\n") == {}
