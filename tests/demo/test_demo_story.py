"""The demo tells what it says it tells, and every time the same."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rendered_world import put_tools_on_path
from ruamel.yaml import YAML

from reconciler.commands.common import Bars
from reconciler.demo import END, build_deployment_repository, demo_files, record_story, settings_text, story
from reconciler.demo.story import ROLES
from reconciler.model import Container, ContainerRef, Field, Usage, containers
from reconciler.quantity import parse_cpu, parse_memory, read
from reconciler.usage.days import DAY, Resources
from reconciler.usage.files import read_days
from reconciler.usage.recording import open_recording
from reconciler.wiring import survey_folder

MI = 1 << 20
GI = 1024 * MI
FIELDS = (Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.CPU_LIMIT, Field.MEMORY_LIMIT)
POD_SPECS = {
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "usage"
    record_story(folder)
    return folder


@pytest.fixture(scope="module")
def used(recording: Path) -> dict[str, Usage]:
    """By container name."""
    source = open_recording(recording, "demo")
    end = source.last_sample()
    assert end is not None
    reading = source.read([role.ref for role in ROLES], end - 14 * DAY, end)
    assert reading.failures == ()
    return {name_of(ref): usage for ref, usage in reading.usage.items() if isinstance(usage, Usage)}


def name_of(ref: ContainerRef) -> str:
    """Containers of plain manifests have names of their own; charts and overlays make several of one name."""
    return f"{ref.namespace}/{ref.container}" if is_rendered(ref) else ref.container


def is_rendered(ref: ContainerRef) -> bool:
    return ref.workload in ("search", "cart")


def documents() -> list[Any]:
    """What stands in the repository as it is applied: not the chart, the base and the overlays."""
    found = []
    for path, content in demo_files().items():
        if path.endswith(".yaml") and not path.startswith(("charts/", "argocd/", "apps/storefront/cart/")):
            found += [each for each in YAML(typ="safe").load_all(io.BytesIO(content)) if each]
    return found


def in_repository() -> dict[ContainerRef, Resources]:
    """Every container of the manifests, and its resources, as an independent parser reads them."""
    found = {}
    for document in documents():
        if document["kind"] in POD_SPECS:
            spec = document
            for key in POD_SPECS[document["kind"]]:
                spec = spec[key]
            for container in spec["containers"]:
                meta = document["metadata"]
                ref = ContainerRef("", meta["namespace"], document["kind"], meta["name"], container["name"])
                found[ref] = resources_of(container["resources"])
    return found


def resources_of(resources: dict[str, dict[str, Any]]) -> Resources:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    return Resources(
        parse_cpu(str(requests["cpu"])),
        parse_memory(str(requests["memory"])),
        parse_cpu(str(limits["cpu"])) if "cpu" in limits else None,
        parse_memory(str(limits["memory"])) if "memory" in limits else None,
    )


def test_a_dozen_workloads_of_several_kinds() -> None:
    kinds = [document["kind"] for document in documents()]
    assert sum(kind in POD_SPECS for kind in kinds) == 12
    assert set(POD_SPECS) <= set(kinds)
    assert {"HorizontalPodAutoscaler", "VerticalPodAutoscaler", "ConfigMap", "Service"} <= set(kinds)


def test_the_recording_is_of_exactly_these_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {role.ref: role.resources for role in ROLES if not is_rendered(role.ref)}
    assert plain == in_repository()
    put_tools_on_path(monkeypatch)
    others = {role.ref: role.resources for role in ROLES if is_rendered(role.ref)}
    assert others == as_rendered(tmp_path)


def as_rendered(folder: Path) -> dict[ContainerRef, Resources]:
    """Every container that the chart and the overlays give."""
    build_deployment_repository(folder / "deploy")
    settings = folder / "reconcile.yaml"
    text = settings_text(str(folder / "deploy"), "usage")
    settings.write_text(f"{text}cache: {folder / 'cache'}\n", encoding="utf-8")
    found = survey_folder(folder / "deploy", settings, Bars(None)).found
    assert found.failures == ()
    held = [container for _, container in containers(found.workloads) if is_rendered(container.ref)]
    return {container.ref: Resources(*(amount(container, field) for field in FIELDS)) for container in held}


def amount(container: Container, field: Field) -> int | None:
    value = container.slot(field).value
    return None if value is None else read(field, value)


def test_the_files_can_be_written_to_a_folder(tmp_path: Path) -> None:
    build_deployment_repository(tmp_path)
    written = {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == demo_files()


def test_every_workload_has_its_sentence() -> None:
    named = {name for name, sentence in story() if sentence}
    assert named == {f"{role.ref.namespace}/{role.ref.workload}" for role in ROLES}


def test_it_is_the_same_every_time(recording: Path, tmp_path: Path) -> None:
    record_story(tmp_path)
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert again == {path.name: path.read_bytes() for path in recording.iterdir()}


def test_four_weeks_are_recorded_soundly(recording: Path) -> None:
    rows = [row for path in sorted(recording.iterdir()) for row in read_days(path)]
    assert len({row.day for row in rows}) == 28
    assert open_recording(recording, "demo").last_sample() == END - 300


def test_the_settings_are_yaml_whatever_the_paths_are() -> None:
    text = settings_text('file:///tmp/a b"c: #d', "/tmp/usage: {x}")
    settings = YAML(typ="safe").load(text)
    assert [(each["url"], each["branch"]) for each in settings["repositories"]] == [
        ('file:///tmp/a b"c: #d', "main")
    ]
    assert settings["metrics"] == [{"name": "demo", "kind": "recording", "path": "/tmp/usage: {x}"}]


# ---------------------------------------------------------------------------------------------
# The story itself
# ---------------------------------------------------------------------------------------------


def test_the_web_service_is_over_sized(used: dict[str, Usage]) -> None:
    assert used["web"].cpu.quantile(1000) < 1500 // 5
    assert used["web"].memory.quantile(1000) < 2 * GI // 4


def test_the_hpa_adds_and_removes_pods(used: dict[str, Usage]) -> None:
    assert used["checkout"].pods > 30
    assert 3 <= used["checkout"].replicas <= 8
    assert used["checkout"].cpu.quantile(950) < 400


def test_the_leak_is_killed_at_its_limit(used: dict[str, Usage]) -> None:
    found = used["recommendations"]
    assert sum(kill.kills for kill in found.oom_kills) >= 10
    assert {kill.limit for kill in found.oom_kills} == {GI}
    assert found.restarts == sum(kill.kills for kill in found.oom_kills)
    assert GI * 95 // 100 < found.memory.quantile(1000) <= GI


def test_the_worker_is_throttled_at_its_limit(used: dict[str, Usage]) -> None:
    assert used["worker"].throttled_permille is not None
    assert used["worker"].throttled_permille > 50
    assert 480 <= used["worker"].cpu.quantile(1000) <= 500
    assert all(used[name].throttled_permille is None for name in used if name != "worker")


def test_the_database_needs_more_cpu_and_less_memory(used: dict[str, Usage]) -> None:
    assert used["postgres"].cpu.quantile(950) > 500
    assert used["postgres"].memory.quantile(1000) < 6 * GI * 6 // 10


def test_the_newcomer_has_three_days(used: dict[str, Usage]) -> None:
    assert len(used["scoring"].days) == 3


def test_the_batch_runs_a_pod_a_night(used: dict[str, Usage]) -> None:
    found = used["report"]
    assert found.pods == 14
    assert found.cpu.quantile(950) > 3 * 500
    assert 70 < found.memory.quantile(1000) * 100 // (4 * GI) < 83


def test_the_gateway_is_sized_well(used: dict[str, Usage]) -> None:
    found = used["gateway"]
    assert 380 <= found.cpu.quantile(950) * 115 // 100 <= 410
    assert 740 * MI <= found.memory.quantile(1000) * 120 // 100 <= 780 * MI


def test_one_node_is_busier(used: dict[str, Usage]) -> None:
    assert used["agent"].cpu_worst_pod.quantile(500) > 2 * used["agent"].cpu.quantile(500)


def test_the_admin_is_idle(used: dict[str, Usage]) -> None:
    assert used["admin"].cpu.quantile(1000) < 5


def test_mondays_need_what_is_asked_for(used: dict[str, Usage]) -> None:
    peaks = {(peak.day + 3) % 7: peak.cpu_max for peak in used["invoicing"].days}
    assert peaks[0] > 800
    assert max(peak for weekday, peak in peaks.items() if weekday) < 150
    assert 850 <= used["invoicing"].cpu.quantile(950) * 115 // 100 <= 1000


def test_some_scrapes_failed(used: dict[str, Usage]) -> None:
    assert 980 <= used["api"].coverage_permille < 1000
    assert all(used[name].coverage_permille == 1000 for name in used if name != "api")


def test_production_needs_most_of_the_memory_that_both_share(used: dict[str, Usage]) -> None:
    production, staging = used["storefront/search"], used["storefront-staging/search"]
    assert 2 * staging.memory.quantile(1000) < production.memory.quantile(1000) < 1536 * MI * 6 // 10
    assert production.cpu.quantile(950) < 1000 // 2


def test_the_exporters_ask_for_nothing_and_use_little(used: dict[str, Usage]) -> None:
    for name in ("storefront/exporter", "storefront-staging/exporter"):
        assert used[name].cpu.quantile(1000) < 15
        assert used[name].memory.quantile(1000) < 32 * MI


def test_production_needs_more_cpu_than_its_overlay_gives(used: dict[str, Usage]) -> None:
    assert used["storefront/cart"].cpu.quantile(950) > 2 * 200
    assert used["storefront-staging/cart"].cpu.quantile(950) < 50
