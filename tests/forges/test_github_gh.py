"""GitHub's own client and the adapter on one repository: each sees what the other does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contract import ForgeContract
from emulator import Emulator, start
from emulator.github import GitHub
from emulator.github_calls import REST
from emulator.github_graphql import SCHEMA
from emulator.github_spec import SPECS
from emulator.records import Token
from emulator.serving import Answer, Asked
from github_bench import PATH, Place
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
)
from servers.repositories import Bare

from reconciler.forges.port import Comment, Wording

HOST = "github.localhost"  # the one that gh speaks to without TLS
needs_gh = pytest.mark.skipif(shutil.which("gh") is None, reason="gh is not installed (.ci/servers)")
needs_specs = pytest.mark.skipif(
    not (SPECS / "state").exists(), reason="what GitHub publishes is not here (.ci/specs)"
)


class Both(GitHub):
    """An Enterprise Server for us, and github.com's addresses for gh, which comes through us as its proxy."""

    def claims(self, path: str) -> bool:
        return super().claims(path) or path.startswith(("/repos/", "/user", "/graphql"))

    def answer(self, emulator: Emulator, asked: Asked, token: Token | None) -> Answer:
        if not super().claims(asked.path):
            asked.path = "/api/graphql" if asked.path == "/graphql" else REST + asked.path
        return super().answer(emulator, asked, token)


@pytest.fixture
def place(tmp_path: Path, deploy: Bare) -> Iterator[Place]:
    dialect = Both()
    with start(tmp_path / "forge", [dialect]) as emulator:
        yield Place(emulator, dialect, deploy)
        assert emulator.broken == []


@pytest.fixture
def gh(place: Place, tmp_path: Path) -> Callable[..., str]:
    """A person with `gh`: Ada, who maintains the repository."""
    surroundings = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GH_HOST": HOST,
        "GH_REPO": f"{HOST}/{PATH}",
        "GH_TOKEN": "ghp_" + "a" * 36,
        "GH_NO_UPDATE_NOTIFIER": "1",
        "HTTP_PROXY": place.emulator.url,
        "http_proxy": place.emulator.url,
    }

    def run(*words: str) -> str:
        ran = subprocess.run(
            ["gh", *words],
            env=surroundings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"gh {' '.join(words)}: {ran.stderr}"
        return ran.stdout

    return run


@needs_gh
def test_gh_and_the_adapter_see_the_same(place: Place, gh: Callable[..., str]) -> None:
    bench = place.bench()
    made = ForgeContract().opened(bench)
    fields = "number,title,state,headRefName,headRefOid,baseRefName,body"
    (listed,) = json.loads(gh("pr", "list", "--json", fields))
    assert listed == {
        "number": made.number, "title": made.title, "state": "OPEN", "headRefName": made.branch,
        "headRefOid": made.head, "baseRefName": made.base, "body": made.body,
    }  # fmt: skip
    gh("pr", "comment", "1", "--body", "Why?")
    bench.forge.update(made.number, Wording(comment=Comment("edited", "Because.")))
    comments = json.loads(gh("api", f"repos/{PATH}/issues/1/comments"))
    assert [each["user"]["login"] for each in comments] == ["ada", "robot"]
    gh("pr", "close", "1")
    (closed,) = bench.fresh().mine("")
    assert (closed.state, closed.ended_by) == ("closed", "ada")
    gh("pr", "reopen", "1")
    assert list(bench.fresh().mine("")) == [made]
    gh("pr", "merge", "1", "--squash", "--match-head-commit", made.head)
    (merged,) = bench.fresh().mine("")
    assert (merged.state, merged.ended_by, merged.merge_commit) == ("merged", "ada", bench.bare.tip())


@needs_gh
def test_what_the_adapter_merges_gh_sees_merged(place: Place, gh: Callable[..., str]) -> None:
    bench = place.bench()
    made = ForgeContract().opened(bench)
    bench.forge.merge(made.number, made.head)
    assert json.loads(gh("pr", "view", "1", "--json", "state")) == {"state": "MERGED"}
    assert json.loads(gh("pr", "list", "--json", "number")) == []


@needs_specs
def test_the_emulator_s_graphql_is_a_part_of_github_s() -> None:
    """Every type, field and argument of ours, as GitHub's own schema has it."""
    ours = build_schema(SCHEMA)
    theirs = build_schema((SPECS / "github.graphql").read_text(), assume_valid=True, assume_valid_sdl=True)
    compared = 0
    for name, mine in ours.type_map.items():
        if name.startswith("__"):
            continue
        whole = theirs.type_map[name]
        assert type(whole) is type(mine), name
        if isinstance(mine, GraphQLEnumType):
            assert mine.values.keys() <= whole.values.keys()
        if not isinstance(mine, GraphQLObjectType | GraphQLInputObjectType | GraphQLInterfaceType):
            continue
        for field, one in mine.fields.items():
            assert str(one.type) == str(whole.fields[field].type), f"{name}.{field}"
            for argument, given in getattr(one, "args", {}).items():
                assert str(given.type) == str(whole.fields[field].args[argument].type), f"{name}.{field}"
            compared += 1
    assert compared > 50
