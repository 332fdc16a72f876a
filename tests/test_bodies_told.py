"""The text of a merge request: the same in a dry run, in JSON and on the forge, and made for that forge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from world import NOW, Used, World, manifest, ref

from reconciler.cli import ended
from reconciler.config import Settings, load_settings
from reconciler.config.find import Found
from reconciler.forges import FORGES
from reconciler.forges.port import Capabilities, Site
from reconciler.model import Secret
from reconciler.proposals.confidence import LONG, SHORT, THIN, WELL
from reconciler.proposals.memo import find
from reconciler.proposals.surface import Surface
from reconciler.report import markdown, rows, schemas
from reconciler.wiring.surfaces import SURFACES, surface_of

MIB = 1 << 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    files = {
        "apps/web/web.yaml": manifest("web", "500m", "120Mi"),
        "apps/api/api.yaml": manifest("api", "100m", "128Mi"),
    }
    used = [
        Used(ref("web"), 100, 100 * MIB),
        Used(ref("api"), 200, 200 * MIB, oom_kills=2, oom_limit=128 * MIB),
    ]
    return World(tmp_path, files, used)


def test_a_dry_run_says_what_the_forge_gets(place: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = place.run(write=False)
    texts = {proposal.branch: proposal.body for proposal in found.proposals}
    assert len(texts) == 2
    dry = ["--dry-run", "--config", str(place.settings), "--now", str(NOW)]
    assert ended([*dry, "--body", "--no-diff"]) == 0
    printed = capsys.readouterr().out
    assert ended([*dry, "--no-diff"]) == 0
    without = capsys.readouterr().out
    assert ended([*dry, "-o", "markdown"]) == 0
    document = capsys.readouterr().out
    assert document == markdown.report(found)
    assert ended([*dry, "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, schemas.run())
    assert {row["branch"]: row["body"] for row in told["proposals"]} == texts
    place.run()
    sent = {one.branch: (one.title, one.body) for one in place.requests()}
    assert {branch: body for branch, (_, body) in sent.items()} == texts
    assert {row["branch"]: row["title"] for row in told["proposals"]} == {
        branch: title for branch, (title, _) in sent.items()
    }
    for body in texts.values():
        assert body in printed
        assert body in document
        assert body not in without


def test_neighbours_that_stay_are_told_with_their_reason(place: World) -> None:
    (body,) = [one.body for one in place.run(write=False).proposals if "savings" in one.branch]
    part = body[body.index("<summary>Why not more") :].partition("</details>")[0]
    assert "- `shop/web/app` requests.memory stays at `120Mi`: peak over 14 days" in part
    assert "api" not in part


def settings(folder: Path, url: str, *forges: dict[str, Any]) -> Settings:
    text = {"apiVersion": "reconciler/v1", "repositories": [{"url": url}], "forges": list(forges)}
    path = folder / "reconcile.yaml"
    path.write_text(json.dumps(text), encoding="utf-8")
    return load_settings(Found(path, True))


@pytest.mark.parametrize(
    ("url", "forge", "style", "web"),
    [
        ("https://github.com/acme/deploy.git", None, "github", "https://github.com/acme/deploy"),
        ("git@gitlab.com:acme/sub/deploy.git", None, "gitlab", "https://gitlab.com/acme/sub/deploy"),
        ("https://git.example.com/acme/deploy", None, "", ""),
        (
            "https://git.example.com/tools/acme/deploy.git",
            {"kind": "gitea", "url": "https://git.example.com/tools", "tokenEnv": "T"},
            "gitea",
            "https://git.example.com/tools/acme/deploy",
        ),
        (
            "ssh://git@git.example.com:2222/acme/deploy.git",
            {"kind": "github", "url": "https://git.example.com", "tokenEnv": "T"},
            "github",
            "https://git.example.com/acme/deploy",
        ),
        (
            "https://github.com/acme/deploy.git",
            {"kind": "gitea", "url": "https://github.com", "tokenEnv": "T"},
            "gitea",
            "https://github.com/acme/deploy",
        ),
    ],
)
def test_a_text_is_made_for_the_forge_of_the_repository(
    tmp_path: Path, url: str, forge: dict[str, Any] | None, style: str, web: str
) -> None:
    found = surface_of(settings(tmp_path, url, *([forge] if forge else [])), url)
    assert (found.style, found.web) == (style, web)
    assert found.diagrams is bool(style)
    assert style or found == Surface()


@pytest.mark.parametrize("kind", ["local", "github", "gitlab", "gitea"])
def test_what_is_known_of_a_forge_is_what_the_forge_says(tmp_path: Path, kind: str) -> None:
    url = str(tmp_path) if kind == "local" else "https://git.example.com/acme/deploy"
    forge = (
        {"kind": kind}
        if kind == "local"
        else {"kind": kind, "url": "https://git.example.com", "tokenEnv": "T"}
    )
    surface = surface_of(settings(tmp_path, url, forge), url)
    told = capabilities(kind, tmp_path)
    assert (surface.diagrams, surface.details, surface.boxes) == (told.diagrams, told.details, told.boxes)
    assert surface.body_limit <= told.body_limit


def capabilities(kind: str, folder: Path) -> Capabilities:
    """As its adapter has them, of whatever site: nothing is asked for them."""
    address = str(folder) if kind == "local" else "https://git.example.com/acme/deploy"
    server = "" if kind == "local" else "https://git.example.com"
    site = Site(address, Secret("t0ken"), "bot", clock=lambda: 0, server=server, proxy="http://127.0.0.1:1")
    return FORGES[kind](site).capabilities


def test_the_rows_of_a_run_have_the_texts(place: World) -> None:
    found = place.run(write=False)
    told = rows.report(found)["proposals"]
    assert [row["key"] for row in told] == [one.key for one in found.proposals]
    assert all(row["base"] == "main" and row["labels"] == [] for row in told)


def test_the_page_tells_what_the_program_does() -> None:
    page = (Path(__file__).parents[1] / "docs" / "merge-request.md").read_text(encoding="utf-8")
    for kind, surface in (*SURFACES.items(), ("unknown", Surface())):
        name = kind if kind == "unknown" else f"`{kind}`"
        drawn = "Mermaid" if surface.diagrams else "bars of text"
        folded, ticked = ("yes" if surface.details else "no"), ("yes" if surface.boxes else "labels")
        linked = "yes" if surface.style else "no"
        row = f"| {name} | {surface.body_limit:,} | {drawn} | {folded} | {ticked} | {linked} |"
        assert row in page
    assert f"{LONG} days or more, {WELL // 10} % or more of the samples" in page
    assert f"fewer than {SHORT} days, or than {THIN // 10} % of the samples" in page


def test_a_no_holds_where_the_text_had_no_room_to_remember_what_it_was_about(
    place: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SURFACES, "local", Surface(body_limit=700))
    place.run()
    open_now = place.requests()
    assert len(open_now) == 2
    for one in open_now:
        memo = find(one.body)
        assert memo is not None
        assert memo.elsewhere, "or this tests nothing"
    before = place.state()
    place.run(NOW + 600)
    assert place.state() == before, "twice is once"
    for one in open_now:
        place.forge_at(NOW + 1200).close(one.number)
    report = place.run(NOW + 1800)
    assert not place.requests()
    assert {keep.reason for keep in report.kept if keep.reason == "rejected"} == {"rejected"}
    monkeypatch.setitem(SURFACES, "local", Surface(body_limit=1_000_000))
    place.run(NOW + 2400)
    assert not place.requests()
