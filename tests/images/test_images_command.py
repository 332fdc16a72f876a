"""`reconcile images choose`, as a user types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers import registries, small_registry

_DOCS = Path(__file__).parents[2] / "docs" / "images.md"


def _run(tags: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler", "images", "choose", *arguments]
    return subprocess.run(command, input=tags, capture_output=True, text=True, timeout=60, check=False)


def test_the_example_in_the_docs_is_what_is_printed() -> None:
    example = _DOCS.read_text().split("```")[1].strip()
    command, _, wanted = example.partition("\n")
    found = re.fullmatch(r"\$ printf '(?P<tags>[^']*)' \| reconcile images choose (?P<rest>.*)", command)
    assert found is not None
    ended = _run(found["tags"].replace("\\n", "\n"), *found["rest"].split())
    assert ended.returncode == 0
    assert [line.rstrip() for line in ended.stdout.strip().splitlines()] == wanted.splitlines()


def _list(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler", "images", "list", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, check=False)


def test_a_registry_is_listed(registry_program: str, tmp_path: Path) -> None:
    auth = registries.htpasswd(tmp_path / "auth")
    registry, stop = registries.start(tmp_path / "registry", auth)
    try:
        key = small_registry.basic(registries.USER, registries.PASSWORD)
        registry.push("team/app", registries.single(), ["1.0.0", "1.1.0", "2.0.0", "latest"], key)
        (tmp_path / "login").write_text(f"{registries.USER}:{registries.PASSWORD}\n")
        named = f"{{prefix: '{registry.host}', credentialsFile: login, plainHttp: true}}"
        settings = f"apiVersion: reconciler/v1\nrepositories: [{{url: deploy}}]\nregistries: [{named}]\n"
        (tmp_path / "reconcile.yaml").write_text(settings)
        words = [f"{registry.host}/team/app:1.0.0", "--level", "minor", "-c", "reconcile.yaml"]
        ended = _list(tmp_path, *words, "-o", "json")
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)
        assert [(one["tag"], one["fits"]) for one in told["tags"]] == [
            ("1.1.0", True),
            ("1.0.0", True),
            ("2.0.0", False),
            ("latest", False),
        ]
        (tmp_path / "login").write_text("other:w0rd\n")
        ended = _list(tmp_path, *words)
        assert ended.returncode == 2
        assert "the login is refused" in ended.stderr
        assert "w0rd" not in ended.stderr + ended.stdout
    finally:
        stop()


def test_a_registry_nobody_allows_is_not_asked(tmp_path: Path) -> None:
    ended = _list(tmp_path, "169.254.169.254/latest/meta-data")
    assert ended.returncode == 2
    assert "is no registry that may be asked" in ended.stderr


def test_none_is_an_exit_code_and_a_reason() -> None:
    ended = _run("1.2.2\n", "--current", "1.2.3")
    assert (ended.returncode, ended.stdout.splitlines()[0].split()) == (1, ["NOT", "BECAUSE"])
    assert "none of 1 tags can follow 1.2.3" in ended.stderr
    told = json.loads(_run("", "--current", "1.2.3", "-o", "json").stdout)
    assert (told["chosen"], told["why"]) == (None, "there are no tags")


def test_the_one_in_force_is_no_change() -> None:
    told = json.loads(_run("1.2.3\n", "--current", "1.2.3", "-o", "json").stdout)
    assert (told["chosen"], told["changes"]) == ("1.2.3", False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--current", "1 2"), "is no tag"),
        (("--current", "1", "--strategy", "semvr"), "is no strategy"),
        (("--current", "1", "--filter", "("), "no regular expression"),
        (("--current", "1", "--strategy", "semver", "--range", "foo"), "no version"),
        (("--current", "1", "--extract", "$1"), "no filter"),
        ((), "--current"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(arguments: tuple[str, ...], words: str) -> None:
    ended = _run("1\n", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_times_stand_behind_a_tab() -> None:
    tags = "a\t2024-01-01T00:00:00Z\nb\t1704067201\n"
    ended = _run(tags, "--current", "a", "--strategy", "newest-build")
    assert ended.stdout.splitlines()[0] == "b"


def test_a_time_that_is_none_is_told_where_it_stands() -> None:
    ended = _run("a\tyesterday\n", "--current", "a", "--strategy", "newest")
    assert ended.returncode == 2
    assert "standard input: 'a' was made at 'yesterday', which is no time" in ended.stderr


def test_hostile_tags_are_shown_as_text() -> None:
    ended = _run("1.2.3\n\x1b[31mred\n1.2.4\x1b]0;x\x07\n" + "9" * 200 + "\n", "--current", "1.2.3")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
