"""Whose settings they are, what a stranger's can't do, and where tokens lie."""

from __future__ import annotations

import pytest
from settings_world import SMALL, load

from reconciler.config import BadFile, Found, Settings, TokenSource, find_settings, load_settings
from reconciler.errors import Misconfigured

# ---------------------------------------------------------------------------------------------
# Whose file it is
# ---------------------------------------------------------------------------------------------


def test_the_operators_word_comes_before_what_is_found(tmp_path):
    named, below = tmp_path / "named.yaml", tmp_path / "a" / "b"
    below.mkdir(parents=True)
    for path in (named, tmp_path / "reconcile.yaml"):
        path.write_text(SMALL)
    assert find_settings(None, {}, below) == Found(tmp_path / "reconcile.yaml", True)
    assert find_settings(None, {"RECONCILE_CONFIG": str(named)}, below) == Found(named, True)
    assert find_settings(named, {"RECONCILE_CONFIG": "/nowhere"}, below) == Found(named, True)
    assert find_settings(None, {"RECONCILE_CONFIG": ""}, below) == Found(tmp_path / "reconcile.yaml", True)


@pytest.mark.parametrize("word", ["missing.yaml", ".", "x" * 300])
def test_a_named_file_must_be_there(tmp_path, word):
    with pytest.raises(Misconfigured, match="named by --config"):
        find_settings(tmp_path / word, {}, tmp_path)
    with pytest.raises(Misconfigured, match=r"named by \$RECONCILE_CONFIG"):
        find_settings(None, {"RECONCILE_CONFIG": str(tmp_path / word)}, tmp_path)


def test_no_settings_are_no_mistake(tmp_path):
    found = find_settings(None, {}, tmp_path)
    assert found is None or tmp_path not in found.path.parents


@pytest.mark.parametrize("marker", ["folder", "file"])
def test_a_file_found_in_a_work_tree_is_a_strangers_until_named(tmp_path, marker):
    clone = tmp_path / "clone"
    (clone / "deep").mkdir(parents=True)
    git = clone / ".git"
    git.mkdir() if marker == "folder" else git.write_text("gitdir: elsewhere\n")
    path = clone / "reconcile.yaml"
    path.write_text(SMALL)
    assert find_settings(None, {}, clone / "deep") == Found(path, False)
    assert find_settings(path, {}, clone) == Found(path, True)


def test_a_link_into_a_work_tree_is_no_way_around(tmp_path):
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "clone" / "reconcile.yaml").write_text(SMALL)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "reconcile.yaml").symlink_to(tmp_path / "clone" / "reconcile.yaml")
    assert find_settings(None, {}, tmp_path / "home") == Found(tmp_path / "home" / "reconcile.yaml", False)


def test_a_strangers_file_can_not_send_a_token_anywhere(tmp_path):
    settings = load(
        tmp_path,
        SMALL + "forges: [{kind: gitlab, url: https://evil.example.com, tokenFile: /etc/token}]\n"
        "argocd: [{url: https://evil.example.com, tokenEnv: ARGOCD_TOKEN}]\n"
        "metrics: [{kind: prometheus, url: http://p, password: x}]\n"
        "network: {proxy: http://evil.example.com}\ncache: ~/.ssh\n"
        "commits: {signOff: true, signing: {format: ssh, key: /root/.ssh/id}}\n",
        trusted=False,
    )
    assert [one.token for one in (*settings.forges, *settings.argocd, *settings.metrics)] == [None] * 3
    assert (settings.cache, settings.network.proxy, settings.commits.signing) == (None, None, None)
    assert settings.commits.sign_off
    assert not settings.trusted
    assert [(note.line, note.detail.split()[0]) for note in settings.notes] == [
        (3, "tokenFile"), (4, "tokenEnv"), (5, "password"), (6, "network"), (7, "cache"), (8, "signing"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["policies: {}", "metrics: [{{kind: recording, path: {}}}]"])
def test_a_strangers_file_can_not_have_other_files_read(tmp_path, key):
    clone, outside = tmp_path / "clone", tmp_path / "shadow.yaml"
    (clone / ".git").mkdir(parents=True)
    (clone / "deep" / "inside").mkdir(parents=True)
    outside.write_text("root:*:hunter2:\n")
    (clone / "link").symlink_to(outside)
    (clone / "folder").mkdir()
    (clone / "folder" / "a.yaml").symlink_to("../../shadow.yaml")
    (clone / "fine").mkdir()
    (clone / "fine" / "b.yaml").symlink_to("../deep/b.yaml")
    for path in (
        "../../../shadow.yaml", outside, "../../link", "../../folder", "../..", "~/x", "/etc/shadow",
    ):  # fmt: skip
        text = SMALL + key.format(path) + "\n"
        with pytest.raises(BadFile) as caught:
            load(clone / "deep" / "inside", text, trusted=False)
        (mistake,) = caught.value.mistakes
        assert mistake.line == 3
        assert "leads out of the folder that the settings came with" in mistake.message
        assert "hunter2" not in str(caught.value)
        assert load(clone / "deep" / "inside", text).trusted
    for path in ("../../fine", "..", "nothing-yet"):
        load(clone / "deep" / "inside", SMALL + key.format(path) + "\n", trusted=False)


def test_a_strangers_file_outside_of_work_trees_has_its_own_folder(tmp_path):
    (tmp_path / "shared").mkdir()
    load(tmp_path / "shared", SMALL + "policies: policies/\n", trusted=False)
    with pytest.raises(BadFile, match="leads out of the folder"):
        load(tmp_path / "shared", SMALL + "policies: ../policies/\n", trusted=False)


def test_a_settings_file_that_leads_out_of_its_work_tree_is_not_read(tmp_path):
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "shadow").write_text("root:*:hunter2:\n")
    path = tmp_path / "clone" / "reconcile.yaml"
    path.symlink_to(tmp_path / "shadow")
    found = find_settings(None, {}, tmp_path / "clone")
    assert found == Found(path, False)
    with pytest.raises(Misconfigured, match="leads out of its Git work tree and nobody named it"):
        load_settings(found)


# ---------------------------------------------------------------------------------------------
# What the command line and a clone say
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["ext::sh -c x", "", "https://me:hunter2@h/x", "a\nb", "x" * 2000, "https://["]
)
def test_a_clone_of_what_can_not_be_told(url):
    with pytest.raises(Misconfigured) as caught:
        Settings.for_clone(url)
    told = str(caught.value)
    assert told.startswith("the clone's address: ")
    assert "hunter2" not in told
    assert "Value error" not in told
    assert len(told) < 200
    assert told.isprintable()


@pytest.mark.parametrize(
    "source", ["http://", "https://[", "a\tb", "http://h\t", "", "https://h?x=1", "https://h:port"]
)
def test_metrics_that_can_not_be_meant(source):
    with pytest.raises(Misconfigured) as caught:
        Settings.for_clone("/srv/deploy").with_metrics(source)
    assert str(caught.value).startswith("--metrics: ")
    assert "Value error" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_paths_in_settings_have_no_detours(tmp_path):
    (tmp_path / "settings").mkdir()
    settings = load(tmp_path / "settings", SMALL + "policies: ../policies/x.yaml\ncache: ./a/../b\n")
    assert (settings.policies, settings.cache) == (
        tmp_path / "policies" / "x.yaml",
        tmp_path / "settings" / "b",
    )
    named = tmp_path / "settings" / ".." / "settings" / "reconcile.yaml"
    assert find_settings(named, {}, tmp_path) == Found(tmp_path / "settings" / "reconcile.yaml", True)


# ---------------------------------------------------------------------------------------------
# Tokens
# ---------------------------------------------------------------------------------------------


def test_a_token_is_read_where_it_lies_and_never_shown(tmp_path):
    (tmp_path / "token").write_text("hunter2\n")
    for source in (TokenSource(tmp_path / "token"), TokenSource(env="T")):
        token = source.read({"T": "hunter2"})
        assert token.reveal() == "hunter2"
        assert "hunter2" not in f"{token!r} {token} {source!r} {source}"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "is empty"), (b"\n", "is empty"), (b"a\nb\n", "no token has"), (b"a b", "no token has"),
        (b"a\x00", "no token has"), (b"\xff\xfe", "no token has"), (b"a\r\nX: y", "no token has"),
        (b"a" * 20_000, "is too long"),
    ],
)  # fmt: skip
def test_a_token_that_can_not_be_one(tmp_path, raw, told):
    (tmp_path / "token").write_bytes(raw)
    with pytest.raises(Misconfigured, match=told) as caught:
        TokenSource(tmp_path / "token").read({})
    assert str(tmp_path / "token") in str(caught.value)


def test_a_token_that_is_not_there(tmp_path):
    with pytest.raises(Misconfigured, match="No such file"):
        TokenSource(tmp_path / "token").read({})
    with pytest.raises(Misconfigured, match="Is a directory"):
        TokenSource(tmp_path).read({})
    with pytest.raises(Misconfigured, match="the variable T is not set"):
        TokenSource(env="T").read({})
