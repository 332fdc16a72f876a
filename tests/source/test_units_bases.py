"""How kustomize reads a name that leads off the repository, and which of them are never followed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Reason, Refused
from reconciler.source.bases import RemoteBase, RemoteFile, remote, shown

GITHUB = "https://github.com/org/repo"


@pytest.mark.parametrize(
    ("name", "url", "folder", "revision"),
    [
        ("github.com/org/repo", GITHUB, "", ""),
        ("github.com/org/repo/base/web?ref=v1", GITHUB, "base/web", "v1"),
        ("github.com/org/repo//base/web?ref=v1", GITHUB, "base/web", "v1"),
        ("GitHub.com/org/repo", GITHUB, "", ""),
        ("https://github.com/org/repo//base?submodules=false&ref=main", GITHUB, "base", "main"),
        ("https://github.com/org/repo.git/base?version=v2", f"{GITHUB}.git", "base", "v2"),
        ("https://github.com/org/repo?version=v2&ref=v1&timeout=90s", GITHUB, "", "v1"),
        ("git@github.com:org/repo//base", "git@github.com:org/repo", "base", ""),
        ("github.com:org/repo", GITHUB, "", ""),
        ("ssh://git@github.com/org/repo", "git@github.com:org/repo", "", ""),
        ("git::https://git.example.com/a/b.git//x?ref=r", "https://git.example.com/a/b.git", "x", "r"),
        ("GIT::git@git.example.com:a/b.git", "git@git.example.com:a/b.git", "", ""),
        ("git@git.example.com:a/b/c.git/x/y", "git@git.example.com:a/b/c.git", "x/y", ""),
        ("ssh://git@git.example.com:2222/a/b//x", "ssh://git@git.example.com:2222/a/b", "x", ""),
        ("https://git.example.com:8443/a/b//x/../y", "https://git.example.com:8443/a/b", "y", ""),
        ("https://git.example.com/a/b/repo//base", "https://git.example.com/a/b/repo", "base", ""),
        ("https://ada@dev.azure.com/o/p/_git/repo/x", "https://dev.azure.com/o/p/_git/repo", "x", ""),
        ("https://github.com/org/repo//base/all.yaml", GITHUB, "base/all.yaml", ""),
    ],
)  # fmt: skip
def test_a_folder_of_another_repository(name: str, url: str, folder: str, revision: str) -> None:
    assert remote(name) == RemoteBase(url, folder, revision)


@pytest.mark.parametrize(
    "name",
    [
        "https://raw.example.com/org/repo/v1/all.yaml",
        "https://github.com/org/repo/releases/download/v1/install.yml",
        "http://example.com/objects.json?token=abc",
    ],
)
def test_a_file_on_the_web(name: str) -> None:
    assert remote(name) == RemoteFile(name)


@pytest.mark.parametrize(
    "name",
    [
        "../base",
        "base",
        "a.yaml",
        "gitlab.com/org/repo",
        "/etc",
        "org/repo.git",
        "a\nb: https://x",
        "",
        "a@b c",
    ],
)
def test_a_path_of_this_repository(name: str) -> None:
    assert not isinstance(remote(name), RemoteBase | RemoteFile)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file:///etc", "this machine"),
        ("git::file:///etc", "this machine"),
        ("ext::sh -c id", "no https, http or ssh"),
        ("ftp://example.com/a/b", "no https, http or ssh"),
        ("git://example.com/a/b", "no https, http or ssh"),
        ("https://user:secret@example.com/a/b", "password"),
        ("https:///a/b", "no host"),
        ("ssh://-oProxyCommand=id/a/b", "no host"),
        ("git@-oProxyCommand=id:a/b", "no host"),
        ("git@example.com:--upload-pack=id", "leads out|no repository"),
        ("git@example.com/a/b", "path of this machine"),
        ("https://example.com/a/b//../../c", "leads out"),
        ("https://example.com/a/../../b.git", "leads out"),
        ("https://example.com/a/b?ref=--upload-pack=id", "revision"),
        ("https://example.com/a/b?ref=a..b", "revision"),
        ("https://example.com/a/b?ref=a%0Ab", "revision"),
        ("https://example.com/a b/c", "characters"),
        ("https://example.com/a\x1b/c", "characters"),
        ("https://example.com/" + "a/" * 2_000, "characters"),
        ("https://example.com/only", "no repository"),
    ],
)
def test_what_is_never_followed(name: str, why: str) -> None:
    found = remote(name)
    assert isinstance(found, Refused)
    assert found.reason is Reason.REMOTE_BASE
    assert any(word in found.detail for word in why.split("|")), found.detail
    assert "secret" not in found.detail
    assert found.detail.isprintable()


@given(
    st.text(max_size=60) | st.from_regex(r"(git::)?(https|ssh|file)://[a-z@:./?=%-]{0,40}", fullmatch=True)
)
def test_whatever_stands_there_is_read_or_refused(name: str) -> None:
    found = remote(name)
    if isinstance(found, RemoteBase):
        assert not found.url.startswith("-")
        assert ".." not in found.folder.split("/")
        assert found.url.split("://")[0] in ("https", "http", "ssh") or "@" in found.url
        assert (found.url + found.folder + found.revision).isprintable()
    shown(name)
