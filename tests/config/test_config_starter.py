"""The file that `reconcile init` writes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.config import FolderFacts, Found, load_settings, settings_schema, starter_settings
from reconciler.config.document import read_documents
from reconciler.config.starter import scalar


@pytest.mark.parametrize(
    ("url", "kind", "host"),
    [
        ("https://github.com/shop/deploy.git", "github", "https://github.com"),
        ("git@gitlab.example.com:shop/deploy.git", "gitlab", "https://gitlab.example.com"),
        ("ssh://git@gitea.example.com:2222/shop/deploy", "gitea", "https://gitea.example.com"),
        ("https://git.example.com/shop/deploy.git", None, None),
        ("/srv/deploy.git", "local", None),
        ("/srv/with space: and #.git", "local", None),
    ],
)
@pytest.mark.parametrize(
    "facts", [FolderFacts(), FolderFacts(12, ("apps/web", "apps/a: b #c", "on"), "usage with space/")]
)
def test_a_starter_loads_as_it_is(tmp_path, url, kind, host, facts):
    text = starter_settings(url, "main", facts)
    (tmp_path / "reconcile.yaml").write_text(text)
    found = load_settings(Found(tmp_path / "reconcile.yaml", True))
    assert (found.repositories[0].url, found.repositories[0].branch) == (url, "main")
    assert [(forge.kind, forge.url) for forge in found.forges] == ([(kind, host)] if kind else [])
    assert len(found.metrics) == bool(facts.recording)
    Draft202012Validator(settings_schema()).validate(read_documents(text.encode(), "", "")[0].data)


def test_a_starter_loads_with_its_suggestions_taken(tmp_path):
    text = starter_settings("https://git.example.com/a/b", None, FolderFacts(without_namespace=("apps/web",)))
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        taken = bare.startswith(("forges:", "metrics:", "units:", "policies:", "prices:", "  - ", "    "))
        lines.append(bare if taken and not bare.startswith("  - {name: main, kind: recording") else line)
    (tmp_path / "reconcile.yaml").write_text("\n".join(lines))
    found = load_settings(Found(tmp_path / "reconcile.yaml", True))
    assert len(found.forges) == len(found.metrics) == len(found.units) == 1
    assert found.units[0].path == "apps/web"
    assert found.policies == tmp_path / "policies"
    assert [rule.currency for rule in found.prices] == ["EUR"]


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@github.com/a/b.git", "https://hunter2@h/a", "ssh://git:hunter2@h/a"]
)
def test_credentials_of_a_remote_are_left_out(url):
    assert "hunter2" not in starter_settings(url, "main", FolderFacts())


@settings(max_examples=200)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20))
def test_any_text_is_written_so_that_it_is_read_back(text):
    for shape in (f"- {{a: {scalar(text)}}}\n", f"- a: {scalar(text)}\n"):
        assert read_documents(shape.encode(), "", "")[0].data == [{"a": text}]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://git.example.com:3000/acme/deploy.git", "http://git.example.com:3000"),
        ("https://bot:secret@gitea.example.com:8443/acme/deploy", "https://gitea.example.com:8443"),
        ("ssh://git@git.example.com:2222/acme/deploy.git", "https://git.example.com"),
        ("git@git.example.com:acme/deploy.git", "https://git.example.com"),
    ],
)
def test_the_forge_is_where_the_repository_is_reached(url, server):
    text = starter_settings(url, "main", FolderFacts(1))
    assert f"  url: {scalar(server)}\n" in text
    assert "1 workload was found" in text
