"""What stands in a body: how sure, how much room, charts, links, what comes out different, why not more."""

from __future__ import annotations

import re

import promql_parser
import pytest
from body_world import (
    COMMIT,
    GITHUB,
    LAST,
    MI,
    PLAIN,
    POLICY,
    WEB,
    change,
    keep,
    memory,
    proposal,
    slot,
    used,
)

from reconciler.model import (
    Change,
    ChangeClass,
    ContainerRef,
    DayPeaks,
    Field,
    Mode,
    NoUsage,
    Proof,
    Reason,
    Risk,
)
from reconciler.proposals.body_kept import by_workload, neighbours
from reconciler.proposals.confidence import Level, confidence, overall
from reconciler.proposals.surface import Surface, file_link

API = ContainerRef("", "shop", "Deployment", "api", "server")


def rows(body: str) -> list[list[str]]:
    """The cells of the first table."""
    lines = [line for line in body.split("\n\n")[2].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# -- how sure -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "level", "why"),
    [
        (change(), Level.HIGH, "14 days, 100 % of samples"),
        (change(usage=used(days=13)), Level.MEDIUM, "13 days, 100 % of samples"),
        (change(usage=used(expected=13_000)), Level.MEDIUM, "14 days, 93 % of samples"),
        (change(risk=Risk.HIGH), Level.MEDIUM, "14 days, 100 % of samples"),
        (change(usage=used(days=6)), Level.LOW, "6 days, 100 % of samples"),
        (change(usage=used(expected=20_000)), Level.LOW, "14 days, 60 % of samples"),
        (change(usage=used(days=1)), Level.LOW, "1 day, 100 % of samples"),
        (
            change(usage=used(owner_guessed=True)), Level.LOW,
            "14 days, 100 % of samples, owner guessed by name",
        ),
        (
            change(usage=used(incomplete="a day")), Level.LOW,
            "14 days, 100 % of samples, a part could not be read",
        ),
        (change(usage=NoUsage(Reason.NO_METRICS, "none")), Level.LOW, "nothing was measured"),
    ],
)  # fmt: skip
def test_confidence_follows_history_samples_and_risk(one: Change, level: Level, why: str) -> None:
    assert confidence(one) == (level, why)


def test_a_shared_line_is_as_sure_as_the_one_least_is_known_of() -> None:
    one = change()
    (known,) = one.evidence.consumers
    shared = one.evidence.slots[0]._replace(consumers=(WEB, API))
    unknown = known._replace(ref=API, usage=NoUsage(Reason.NO_METRICS, "none"))
    fewer = known._replace(ref=API, usage=used(days=8))
    both = one.evidence._replace(slots=(shared,), consumers=(known, fewer))
    assert confidence(one._replace(evidence=both)) == (Level.MEDIUM, "8 days, 100 % of samples")
    some = one._replace(evidence=both._replace(consumers=(known, unknown)))
    assert confidence(some).level is Level.LOW


def test_the_verdict_has_the_lowest_and_the_table_what_differs() -> None:
    young = memory(API, klass=ChangeClass.SAVINGS, usage=used(days=5))
    body = proposal([change(), young]).body
    assert body.splitlines()[0].endswith("; confidence: low (5 days, 100 % of samples)**")
    cells = {row[0]: row[5] for row in rows(body)}
    assert cells == {"`shop/web/app`": "high (14 days, 100 % of samples)", "`shop/api/server`": "low"}
    assert overall([]) is None


# -- the values -----------------------------------------------------------------------------------


def test_headroom_is_over_p95_for_cpu_and_over_the_peak_for_memory() -> None:
    (first,) = rows(proposal([change(new="396m", usage=used(cpu=300))]).body)
    p95 = used(cpu=300).cpu.quantile(950)
    assert first[4] == f"{(396 - p95) * 100 // p95} % above p95"
    (second,) = rows(proposal([memory(usage=used(memory=400 * MI), new=f"{394 * 6 // 5}Mi")]).body)
    assert re.fullmatch(r"1\d % above peak|20 % above peak", second[4])
    (third,) = rows(proposal([memory(usage=used(memory=800 * MI))]).body)
    assert third[4].endswith(" % below peak")


def test_values_lead_to_their_lines() -> None:
    (row,) = rows(proposal([change()]).body)
    assert row[1] == f"[requests.cpu]({GITHUB.web}/blob/{COMMIT}/apps/web/deployment.yaml#L21)"
    (row,) = rows(proposal([change()], PLAIN).body)
    assert row[1] == "requests.cpu"


@pytest.mark.parametrize(
    ("style", "tail"),
    [
        ("github", "/blob/{}/a%20b/c%23.yaml#L7"),
        ("gitlab", "/-/blob/{}/a%20b/c%23.yaml#L7"),
        ("gitea", "/src/commit/{}/a%20b/c%23.yaml#L7"),
    ],
)
def test_each_forge_shows_files_at_its_own_address(style: str, tail: str) -> None:
    surface = Surface(style=style, web="https://git.example.com/a/b")
    assert file_link(surface, COMMIT, "a b/c#.yaml", 7) == surface.web + tail.format(COMMIT)
    assert file_link(surface, COMMIT, "a.yaml", 0).endswith("/a.yaml")


@pytest.mark.parametrize(
    ("web", "commit", "path"),
    [
        ("https://git.example.com/a/b", COMMIT, "../../evil"),
        ("https://git.example.com/a/b", COMMIT, "a//b"),
        ("https://git.example.com/a/b", "main", "a"),
        ("https://git.example.com/a/b", "", "a"),
        ("javascript:alert(1)", COMMIT, "a"),
        ("https://git.example.com/a) [x](y", COMMIT, "a"),
        ("", COMMIT, "a"),
    ],
)
def test_no_address_that_somebody_bent(web: str, commit: str, path: str) -> None:
    assert file_link(Surface(style="github", web=web), commit, path, 1) == ""


def test_nothing_in_a_path_gets_out_of_its_address() -> None:
    found = file_link(GITHUB, COMMIT, "a](x)/<b>&\u202e|`'\".yaml", 1)
    assert re.fullmatch(r"[A-Za-z0-9:/._%#-]+", found)


# -- charts ---------------------------------------------------------------------------------------


def series(body: str, kind: str) -> list[list[float]]:
    return [
        [float(one) for one in found.split(",")]
        for found in re.findall(rf"^    {kind} \[(.*)\]$", body, re.M)
    ]


def test_a_chart_has_use_the_old_and_the_new_request() -> None:
    body = proposal([change()]).body
    peaks, levels = series(body, "bar")
    assert peaks == [day.cpu_max for day in used().days]
    assert levels == [day.cpu_p95 for day in used().days]
    assert series(body, "line") == [[500.0] * 14, [400.0] * 14]
    assert "🟦 p95 of each day (lighter: its peak) · 🟧 now 500m · 🟩 proposed 400m" in body
    assert 'x-axis ["02-03", ' in body


def test_memory_is_drawn_in_its_unit_and_without_a_request_there_is_one_line() -> None:
    body = proposal([memory(old="6Gi", new="9Gi", usage=used(memory=8 << 30))]).body
    assert 'y-axis "GiB" 0 --> ' in body
    assert series(body, "line")[1] == [9.0] * 14
    body = proposal([change(old=None)]).body
    assert series(body, "line") == [[400.0] * 14]
    assert "🟧" not in body


def test_peaks_that_would_flatten_the_rest_are_told_in_words() -> None:
    usage = used()
    days = tuple(day._replace(cpu_max=9_000 if day.day == LAST else day.cpu_max) for day in usage.days)
    body = proposal([change(usage=usage._replace(days=days))]).body
    assert len(series(body, "bar")) == 1
    assert "(the highest peak, 9000m, is off the chart)" in body


def test_a_day_without_samples_is_no_bar() -> None:
    usage = used()
    body = proposal([change(usage=usage._replace(days=(*usage.days[:5], *usage.days[6:])))]).body
    levels = series(body, "bar")[1]
    assert len(levels) == 14
    assert levels[5] == 0
    assert "no bar: nothing was measured" in body


def test_many_days_are_counted_not_named() -> None:
    body = proposal([change(usage=used(days=200))]).body
    assert 'x-axis "days, from 2025-12-19 to 2026-02-16" 1 --> 60' in body
    assert len(series(body, "bar")[0]) == 60
    assert all(len(block) < 2000 for block in re.findall(r"```mermaid\n(.*?)```", body, re.DOTALL)), (
        "GitLab draws no longer one by itself"
    )


def test_where_nothing_is_drawn_bars_are_words() -> None:
    body = proposal([change()], PLAIN).body
    assert "```mermaid" not in body
    (line,) = [line for line in body.splitlines() if "▁" in line or "▂" in line]
    assert re.fullmatch(
        r"- `shop/web/app` requests\.cpu: [▁▂▃▄▅▆▇█]{14} highest peak 291m; now 500m, proposed 400m "
        r"\(a full bar is 500m\)",
        line,
    )


def test_only_the_few_most_important_are_drawn_and_only_what_has_a_course() -> None:
    refs = [ContainerRef("", "shop", "Deployment", f"web-{n}", "app") for n in range(9)]
    body = proposal([change(ref, monthly=-1000 * (n + 1)) for n, ref in enumerate(refs)]).body
    assert body.count("```mermaid") == 3
    assert body.index("**`shop/web-8/app` requests.cpu**") < body.index("2 more charts")
    assert "```mermaid" not in proposal([change(usage=used(days=1))]).body
    assert "```mermaid" not in proposal([change(usage=NoUsage(Reason.NO_METRICS, ""))]).body


# -- what comes out, what stays, what comes next ---------------------------------------------------


def test_the_fields_before_and_after_stand_in_a_diff() -> None:
    proof = Proof("web (prod)", "helm 3.14.4", ("x",), ("env TAG: 1 → 2",), ("limit: 1 → 2",), (), 0)
    body = proposal([change(proofs=[proof]), change(field=Field.CPU_LIMIT, old=None, new="800m")]).body
    block = body[body.index("```diff\n") :].partition("\n```")[0]
    assert block.splitlines()[1:] == [
        "  shop/Deployment/web/app",
        "+   limits.cpu: 800m",
        "-   requests.cpu: 500m",
        "+   requests.cpu: 400m",
        "  what follows from it",
        "!   web (prod): env TAG: 1 → 2",
        "!   web (prod): limit: 1 → 2",
    ]
    assert "<summary>What changes in the rendered manifests</summary>" in body
    assert "<summary>What changes in the manifests</summary>" in proposal([change()]).body
    assert "<details>" not in proposal([change()], PLAIN).body


def test_a_value_can_not_end_the_diff() -> None:
    body = proposal([change(new="400m", ref=WEB._replace(workload="````\n```"))]).body
    assert "`````diff" in body


def test_why_not_more_tells_of_the_same_workloads_alone() -> None:
    other = keep(API, detail="of another workload")
    mine = [
        keep(),
        keep(field=Field.MEMORY_LIMIT, value="1Gi", reason=Reason.ONLY_RAISED, detail="lowerLimit: false"),
        keep(field=Field.CPU_LIMIT, value=None, reason=Reason.UNSET, detail="nothing to say"),
        keep(field=Field.IMAGE, value="web:1", reason=Reason.TOO_YOUNG, detail="of images"),
        keep(WEB._replace(container="proxy"), value=None, reason=Reason.NO_METRICS, detail="no samples"),
    ]
    found = neighbours([change()], by_workload([other, *mine, mine[0]]))
    assert found == mine
    body = proposal([change()], near=found).body
    part = body[body.index("<summary>Why not more") :].partition("</details>")[0]
    assert part.splitlines()[2:-1] == [
        "- `shop/web/app` requests.memory stays at `512Mi`: "
        "peak over 14 days is 410Mi with 3 pods; near enough to the 512Mi in force",
        "- `shop/web/app` limits.memory stays at `1Gi`: it is never lowered (lowerLimit: false)",
        "- `shop/web/proxy` requests.memory stays unset: nothing was measured (no samples)",
    ]
    assert "Why not more" not in proposal([change()]).body


def test_queries_are_promql() -> None:
    ref = ContainerRef("", 'sh"op', "Deployment", "we.b\\", "app")
    body = proposal([change(ref), change(API)]).body
    (block,) = re.findall(r"```promql\n(.*?)```", body, re.DOTALL)
    assert len(block.splitlines()) == 4
    for line in block.splitlines():
        promql_parser.parse(line)
    assert 'namespace="shop", pod=~"api-.+", container="server"}[14d]' in block


def test_controls_are_boxes_or_words() -> None:
    ticks = [line for line in proposal([change()]).body.splitlines() if line.startswith("- [ ]")]
    assert [re.sub(r"<!--.*?-->", "", line)[6:].split("**")[1] for line in ticks] == [
        "Rebase", "Freeze", "Once it is closed",
    ]  # fmt: skip
    plain = proposal([change()], PLAIN).body
    assert "- [ ]" not in plain
    for label in ("reconcile:rebase", "reconcile:freeze", "reconcile:reject-until/YYYY-MM-DD"):
        assert f"`{label}`" in plain


def test_who_merges_is_said() -> None:
    assert "the bot does not merge this one" in proposal([change()]).body
    merging = POLICY._replace(resources_mode=Mode.MERGE)
    assert "The policy lets the bot merge this one" in proposal([change(policy=merging)]).body


def test_long_lists_are_folded() -> None:
    refs = [ContainerRef("", "shop", "Deployment", f"web-{n}", "app") for n in range(7)]
    body = proposal([change(ref) for ref in refs]).body
    assert "<details><summary>Why each of them</summary>" in body
    assert "<details><summary>Had it been in force over these 14 days</summary>" in body
    assert "Why each of them" not in proposal([change(ref) for ref in refs[:6]]).body


def test_days_and_slots_of_the_world_are_as_the_tests_think() -> None:
    assert used().days[-1] == DayPeaks(LAST, 864, 63, 90, 200 * MI + 60 * MI)
    assert slot(WEB, Field.CPU_REQUEST, "1").line == 21
