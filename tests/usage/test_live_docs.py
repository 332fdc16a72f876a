"""docs/metrics.md: its settings load, its questions are those that are sent, its words are really said."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from servers.lived import BEGIN, DAY
from servers.prometheus import Served

from reconciler.config import Found, load_settings
from reconciler.config.metrics import Metrics
from reconciler.usage.cache import DayCache
from reconciler.usage.prometheus import asking, catching_up, gate, limits, owners, promql, wire
from reconciler.usage.prometheus.answers import Matrix, Vector
from reconciler.usage.prometheus.listening import Source
from reconciler.usage.prometheus.promql import PRESETS, Labels, Questions, Scope
from reconciler.usage.prometheus.source import LiveSource
from reconciler.usage.prometheus.wire import Access, Wire
from reconciler.usage.shelf import FolderShelf
from reconciler.wiring.live import labels_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "metrics.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.S | re.M)
    assert found
    return found


def rows(heading: str) -> list[list[str]]:
    """Of the first table below a heading."""
    table = TEXT.split(f"\n{heading}\n", 1)[1].split("\n| --- ", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`(.+?)`(?=,|$| \(|\s*\|)", cell)


# ---------------------------------------------------------------------------------- settings

SETTINGS = [text for text in blocks("yaml") if "apiVersion: reconciler/v1" in text]


@pytest.mark.parametrize("text", SETTINGS, ids=[str(number) for number in range(len(SETTINGS))])
def test_each_kind_is_opened_with_settings_that_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(text)
    found = load_settings(Found(path, True))
    assert all(each.kind == "prometheus" for each in found.metrics)
    assert all("/api/v1" not in (each.url or "") for each in found.metrics)


def test_every_key_of_an_entry_is_shown() -> None:
    pages = TEXT + (ROOT / "docs" / "settings.md").read_text()
    entries = [entry for text in _settings(pages) for entry in yaml.safe_load(text).get("metrics") or ()]
    shown = {key for entry in entries for key in entry}
    assert shown >= {str(field.alias or name) for name, field in Metrics.model_fields.items()} - {"path"}


def _settings(page: str) -> Iterator[str]:
    for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.S | re.M):
        if "apiVersion: reconciler/v1" in text and "\nmetrics:" in text:
            yield text


def test_the_presets_are_told_as_they_are() -> None:
    told = {}
    for names, cadvisor, state in rows("### Names of labels"):
        own = code(cadvisor)
        told[code(names)[0]] = Labels(
            promql.Names(*own), promql.Names(*(own if state == "the same" else code(state)))
        )
    assert told == dict(PRESETS)


def test_names_of_labels_lie_over_the_preset(tmp_path: Path) -> None:
    (text,) = [text for text in SETTINGS if "k8s_pod" in text]
    path = tmp_path / "reconcile.yaml"
    path.write_text(text)
    labels = labels_of(load_settings(Found(path, True)).metrics[0])
    assert labels.cadvisor.pod == "k8s_pod"
    assert labels.state.pod == "exported_pod"
    assert labels.cluster == "k8s_cluster"


# ---------------------------------------------------------------------------------- questions


class Recorded(Wire):
    """Notes what is asked, and asks it."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.asked: set[str] = set()

    def instant(self, query: str, at: int) -> Vector:
        self.asked.add(query)
        return super().instant(query, at)

    def range(self, query: str, start: int, end: int, step: int) -> Matrix:
        self.asked.add(query)
        return super().range(query, start, end, step)


SPACES = ("shop",)
QUESTIONS = Questions(Scope(""))
# Of what the test's cluster has no case: much that was restarted, pods of which all are gone, other moments.
ELSEWHERE = {
    "time()",
    QUESTIONS.series_counts(SPACES, DAY),
    QUESTIONS.restarts(SPACES, promql.STEP, ["p"]).replace('"p"', '"…"'),
    QUESTIONS.restarts(SPACES, promql.STEP),
    QUESTIONS.any_restarts(SPACES),
    QUESTIONS.running(SPACES, ["p"], DAY).replace('"p"', '"…"'),
    *(
        QUESTIONS.in_force(each, SPACES, DAY)
        for metric in (promql.REQUESTS, promql.LIMITS)
        for each in (metric, promql.of_init(metric))
    ),
    *(f"count({pulse})" for pulse in QUESTIONS.pulses()),
    f"count(last_over_time({QUESTIONS.pulses()[0]}[{30 * DAY}s]))",
}


def test_what_is_asked_is_what_is_told(lone_prometheus: Served, tmp_path: Path) -> None:
    server = Recorded(Access(lone_prometheus.url))
    store = FolderShelf(tmp_path)
    source = LiveSource(Source("main", server, {}, lambda _: DayCache(store, "docs")))
    reading = source.everything(BEGIN + DAY, BEGIN + 2 * DAY, lambda name: name == "shop")
    server.close()
    assert not reading.failures
    asked = {re.sub(r'pod=~"[^"]+"', 'pod=~"…"', query) for query in server.asked}
    told = {line for text in blocks("promql") for line in text.splitlines() if not line.startswith("#")}
    assert told - ELSEWHERE <= asked, "told, and not asked"
    assert asked <= told, "asked, and not told"


def test_init_containers_are_kept_by_the_same_rule() -> None:
    text = next(text for text in blocks("yaml") if text.startswith("scrape_configs:"))
    patterns = [
        rule["regex"]
        for job in yaml.safe_load(text)["scrape_configs"]
        for rule in job["metric_relabel_configs"]
    ]
    for metric in (promql.RESTARTS, promql.LAST_REASON, promql.REASON, promql.REQUESTS, promql.LIMITS):
        assert any(re.fullmatch(pattern, promql.of_init(metric)) for pattern in patterns), metric


def _is_metric(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(container|kube)_[a-z_]+", value) is not None


NEEDED = {
    *(value for name, value in vars(promql).items() if name.isupper() and _is_metric(value)),
    *(step.metric for step in owners.STEPS),
}


def test_all_series_are_told_with_what_is_lost_without_them() -> None:
    assert {code(row[0])[0] for row in rows("## What has to be scraped")} == NEEDED


def test_the_scrape_configuration_keeps_what_is_needed_and_nothing_else(tmp_path: Path) -> None:
    (text,) = [text for text in blocks("yaml") if text.startswith("scrape_configs:")]
    jobs = yaml.safe_load(text)["scrape_configs"]
    patterns = [rule["regex"] for job in jobs for rule in job["metric_relabel_configs"]]
    assert {name for name in NEEDED if any(re.fullmatch(pattern, name) for pattern in patterns)} == NEEDED
    others = ("container_memory_cache", "kube_pod_info", "kube_pod_container_status_ready", "kube_node_owner")
    assert not [name for name in others for pattern in patterns if re.fullmatch(pattern, name)]
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool check config: install prometheus")
    path = tmp_path / "prometheus.yml"
    # Some are built without Kubernetes.
    path.write_text(
        text.replace("kubernetes_sd_configs: [{role: node}]", "static_configs: [{targets: [n:1]}]")
    )
    words = [tool, "check", "config", "--syntax-only", str(path)]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_the_parameters_are_those_that_are_sent() -> None:
    told = dict(code(row[0])[0].split("=") for row in rows("## Answers that are not whole"))
    assert told == asking._PARAMETERS


def test_the_numbers_are_those_of_the_program() -> None:
    access = Access("")
    points, samples = limits.Limits().most("points"), limits.Limits().most("samples")
    assert catching_up._POINTS_AT_ONCE == 300_000
    assert catching_up._POINTS_AT_ONCE // (DAY // promql.STEP) == 1041
    assert catching_up.LATE_DAYS == 3
    assert (points, samples, limits._POINTS_A_SERIES) == (600_000, 25_000_000, 11_000)
    assert (access.concurrent, gate.HARD_CAP, gate._GOOD_ONES) == (2, 8, 8)
    assert (access.seconds, access.most >> 20, wire._SUSPICION) == (150, 256, 3)
    assert (asking._LONGEST_WAIT, asking._MOST_WAITING) == (60, 120)
    for words in (
        "1,041 series (300,000",
        "the last three finished days",
        "More than 25 million",
        "No more than 11,000 points",
        "2, and never more than 8",
        "150 seconds, one answer may have 256 MiB",
        "After three questions",
    ):
        assert re.sub(r"\s+", " ", words).lower() in re.sub(r"\s+", " ", TEXT).lower(), words


# ---------------------------------------------------------------------------------- sentences


def sentences() -> str:
    """All words of the room, with … for what differs."""
    paths = [
        *(ROOT / "reconciler" / "usage" / "prometheus").glob("*.py"),
        ROOT / "reconciler" / "config" / "tokens.py",
    ]
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_words(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def _words(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…"


def test_each_sentence_that_is_explained_is_one_that_is_said() -> None:
    said = sentences()
    told = [sentence for row in rows("## When something is wrong") for sentence in code(row[0])]
    assert len(told) > 25
    missing = [sentence for sentence in told if sentence.strip("…: ;") not in said]
    assert not missing
