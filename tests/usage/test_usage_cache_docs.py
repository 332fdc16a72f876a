"""docs/usage-cache.md: its examples run, its manifests are valid, its words are those of the files."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from conftest import MONDAY
from test_usage_cache import PROD, fresh, put, row

from reconciler.config import Found, load_settings
from reconciler.usage import readings
from reconciler.usage.cache import FEW, KEEP_DAYS
from reconciler.usage.days import Resources
from reconciler.usage.parquet import open_footer
from reconciler.usage.store import Limits

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "usage-cache.md").read_text()
REQUEST = Resources(memory_request=1 << 20)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_the_examples_run_on_a_cache(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = fresh(tmp_path / "usage")
    for cluster in (PROD, "stage"):
        for day in (MONDAY, MONDAY + 1):
            rows = [row("shop", day=day)._replace(resources=REQUEST)]
            put(cache, {"shop": 288}, rows, day, cluster=cluster)
    cache.files(MONDAY, MONDAY)  # what a run holds for itself must not be counted twice
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "usage-cache.md", "exec"), {})
    said = capsys.readouterr().out
    assert "2026-02-02" in said or "prod" in said
    assert re.search(r"[│ ]2 [│ ]", said), "two containers a day, two days a namespace"


def test_the_settings_load(tmp_path: Path) -> None:
    (metrics,) = [yaml.safe_load(code) for code in blocks("yaml") if code.startswith("metrics:")]
    repositories = [{"url": "https://git.example.com/platform/deploy.git"}]
    path = tmp_path / "reconcile.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "reconciler/v1", "repositories": repositories, **metrics}))
    (found,) = load_settings(Found(path, True)).metrics
    assert (found.cache, found.keep_days) == ("s3://BUCKET/reconciler", 400)


def test_the_volume_is_valid_and_takes_the_place_of_the_one_there_is() -> None:
    volume, claim = (yaml.safe_load(code) for code in blocks("yaml") if "laim" in code)
    job = yaml.safe_load((ROOT / "deploy" / "cronjob.yaml").read_text())
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (place,) = [number for number, each in enumerate(spec["volumes"]) if each["name"] == volume[0]["name"]]
    spec["volumes"][place] = volume[0]
    assert volume[0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["metadata"]["namespace"] == job["metadata"]["namespace"]
    for each in (job, claim):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_the_keys_that_are_told_are_those_of_a_file(tmp_path: Path) -> None:
    cache = fresh(tmp_path)
    put(cache, {"shop": 288}, [row("shop")])
    (path,) = cache.files(MONDAY, MONDAY)
    told = set(re.findall(r"^\| `(reconciler\.\w+)` \|", TEXT, re.M))
    recording = (ROOT / "docs" / "recording.md").read_text()
    everywhere = set(re.findall(r"^\| `(reconciler\.\w+)` \|", recording, re.M))
    assert told | everywhere == set(open_footer(path).said)
    assert readings.MERGED in told


def test_the_numbers_are_those_of_the_program() -> None:
    limits = Limits()
    assert KEEP_DAYS == 100
    assert "100 without it" in TEXT
    assert FEW == 4
    assert "more than four files" in TEXT
    assert (limits.each, limits.total, limits.most_bytes) == (60, 600, 1 << 30)
    assert "a minute for one answer and ten for a whole run" in TEXT
    assert "1 GiB at most" in TEXT
