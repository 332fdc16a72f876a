"""Each policy is told of its own window, with older days counting as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reconciler.config import PolicyBook
from reconciler.gather import Lookback, Sources, Subject, evidence, known_of, measure
from reconciler.model import Container, ContainerRef, Discovery, Field, Place, Policy, Slot, Usage, Workload
from reconciler.proposals.history import History
from reconciler.usage.days import DAY, days_since_1970
from reconciler.usage.files import write_days
from reconciler.usage.port import silent
from reconciler.usage.recording import open_recording
from reconciler.usage.series import Events, Series, days_of_series

FIRST = days_since_1970("2026-02-02")
DAYS = 10
NOW = (FIRST + DAYS) * DAY
STEP = 900


def workload(name: str, *fed: str) -> Workload:
    """One whose line feeds those, too."""
    own = ref(name)
    refs = (own, *map(ref, fed))
    slot = Slot(Place("deploy", "values.yaml", 0, ("cpu",)), 1, Field.CPU_REQUEST, "100m", refs)
    container = Container(own, False, False, (slot,))
    where = ("apps", "", "shop", "Deployment", name, "deploy", f"{name}.yaml", 1)
    return Workload(*where, 1, (), (), (), (container,))


def ref(name: str) -> ContainerRef:
    return ContainerRef("", "shop", "Deployment", name, "app")


def subject(found: Workload, window: int, half_life: int) -> Subject:
    policy = PolicyBook().resolve(found, found.containers[0])
    assert isinstance(policy, Policy)
    sizing = policy.sizing
    cpu = sizing.cpu._replace(half_life_days=half_life)
    return Subject(
        found, found.containers[0], policy._replace(sizing=sizing._replace(cpu=cpu, window_days=window)), ""
    )


def falling(folder: Path, *names: str) -> Sources:
    """Their load halves each day."""
    time = np.arange(FIRST * DAY, NOW, STEP)
    cpu = 1 << (FIRST + DAYS - time // DAY)
    series = Series(time, np.zeros(len(time), np.int64), cpu, cpu << 20, cpu << 20)
    rows = [row for name in names for row in days_of_series(ref(name), series, STEP, Events())]
    write_days(folder / "days.parquet", rows, {"step": STEP}, NOW)
    return Sources({"": open_recording(folder, "main")})


def test_whoever_shares_a_line_is_asked_about_as_each_policy_wants(tmp_path: Path) -> None:
    web, api = workload("web", "api"), workload("api")
    wanted = [subject(web, 8, 2), subject(api, 8, 0), subject(workload("db"), 4, 0)]
    found = measure(wanted, falling(tmp_path, "web", "api", "db"), NOW, silent)
    assert {(one.workload, *back) for one, back in found.usage} == {
        ("web", 8, 2), ("api", 8, 2), ("api", 8, 0), ("db", 4, 0),
    }  # fmt: skip
    used = {key: usage for key, usage in found.usage.items() if isinstance(usage, Usage)}
    assert len(used) == 4
    plain, decayed = used[ref("api"), Lookback(8, 0)], used[ref("api"), Lookback(8, 2)]
    assert plain.cpu_decayed.values == ()
    assert decayed.cpu_decayed.quantile(500) < decayed.cpu.quantile(500) == plain.cpu.quantile(500)


def test_evidence_has_what_its_own_policy_asked_for(tmp_path: Path) -> None:
    web, api = workload("web"), workload("api")
    wanted = [subject(web, 8, 2), subject(api, 8, 0)]
    found = measure(wanted, falling(tmp_path, "web", "api"), NOW, silent)
    discovery = Discovery("deploy", "c", (web, api))
    known = known_of(found, wanted, [discovery], {})
    for one, asked in zip(wanted, (True, False), strict=True):
        seen = evidence(one, known, discovery, History({}, {}), NOW)
        usage = seen.consumers[0].usage
        assert isinstance(usage, Usage)
        assert bool(usage.cpu_decayed.values) == asked
