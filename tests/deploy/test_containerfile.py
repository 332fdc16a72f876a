"""The Containerfile keeps what deploy/ and the docs promise of the image."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    word: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """Comments dropped, continued lines joined, as the format has it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


INSTRUCTIONS = parse((ROOT / "Containerfile").read_text())


def stages() -> list[list[Instruction]]:
    starts = [index for index, each in enumerate(INSTRUCTIONS) if each.word == "FROM"]
    ends = [*starts[1:], len(INSTRUCTIONS)]
    return [INSTRUCTIONS[start:end] for start, end in zip(starts, ends, strict=True)]


BUILD, RUNTIME = stages()


def rests(stage: list[Instruction], word: str) -> list[str]:
    return [each.rest for each in stage if each.word == word]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in rests(RUNTIME, "ENV") for pair in shlex.split(rest))


def cron_container() -> tuple[dict[str, object], dict[str, object]]:
    job = yaml.safe_load((ROOT / "deploy/cronjob.yaml").read_text())
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec, spec["containers"][0]


def test_every_instruction_is_one_that_builders_know() -> None:
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "ENTRYPOINT"}
    assert {each.word for each in INSTRUCTIONS} <= known


def test_the_base_is_pinned_by_a_tag_and_can_be_another() -> None:
    [base] = [each.rest for each in INSTRUCTIONS[:1] if each.word == "ARG"]
    name, _, tag = base.removeprefix("BASE=").partition(":")
    assert name == "python"
    assert re.fullmatch(r"3\.1[1-9](\.\d+)?-slim-[a-z]+", tag)
    assert [stage[0].rest.split()[0] for stage in stages()] == ["${BASE}", "${BASE}"]


def test_it_ends_as_a_user_that_is_a_number_and_not_root() -> None:
    users = rests(RUNTIME, "USER")
    assert users == ["10001:10001"]
    last = max(index for index, each in enumerate(RUNTIME) if each.word in ("RUN", "COPY"))
    assert RUNTIME.index(Instruction("USER", users[0])) > last


def test_the_user_is_the_one_of_the_cron_job() -> None:
    spec, _ = cron_container()
    context = spec["securityContext"]
    assert isinstance(context, dict)
    assert rests(RUNTIME, "USER") == [f"{context['runAsUser']}:{context['runAsGroup']}"]
    assert f"--uid {context['runAsUser']} " in " ".join(rests(RUNTIME, "RUN"))


def test_it_starts_reconcile_without_a_shell() -> None:
    assert [json.loads(rest) for rest in rests(RUNTIME, "ENTRYPOINT")] == [["reconcile"]]


def test_git_and_ssh_are_inside_and_nothing_to_build_with() -> None:
    runs = " ".join(rests(RUNTIME, "RUN"))
    [packages] = re.findall(r"apt-get install --yes --no-install-recommends ([^&]+)", runs)
    assert sorted(packages.split()) == ["ca-certificates", "git", "openssh-client"]
    assert "rm -rf /var/lib/apt/lists/*" in runs
    assert "pip uninstall" in runs
    assert "pip install" not in runs
    assert [rest for rest in rests(RUNTIME, "COPY") if not rest.startswith("--from=build ")] == []


def test_what_it_writes_lies_where_the_cron_job_mounts_something_writable() -> None:
    spec, container = cron_container()
    mounts, volumes = container["volumeMounts"], spec["volumes"]
    assert isinstance(mounts, list)
    assert isinstance(volumes, list)
    empty = {volume["name"] for volume in volumes if "emptyDir" in volume}
    writable = {mount["mountPath"] for mount in mounts if mount["name"] in empty}
    assert writable == {environment()["XDG_CACHE_HOME"], "/tmp"}
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("stage", [BUILD, RUNTIME], ids=["build", "runtime"])
def test_no_secret_is_asked_for_at_build_time(stage: list[Instruction]) -> None:
    asked = " ".join(rests(stage, "ARG") + rests(stage, "ENV")).lower()
    assert not re.search(r"token|password|secret|key", asked)


def test_what_is_copied_exists_and_is_let_through() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")
    ]
    copied = [word.rstrip("/") for rest in rests(BUILD, "COPY") for word in rest.split()[:-1]]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / name).exists() for name in copied)


def test_labels_say_what_it_is() -> None:
    labels = dict(pair.split("=", 1) for rest in rests(RUNTIME, "LABEL") for pair in shlex.split(rest))
    prefix = "org.opencontainers.image."
    assert {key.removeprefix(prefix) for key in labels} >= {"title", "description", "licenses", "version"}
