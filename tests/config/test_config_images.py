"""What policies and settings say of images."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from policy_world import book, policy, resolve

from reconciler.config import Settings, load_settings
from reconciler.config.find import Found
from reconciler.config.images import Strategy
from reconciler.config.mistakes import BadFile
from reconciler.images.rules import STRATEGIES
from reconciler.model import ImagePolicy


def test_strategies_are_those_that_images_know() -> None:
    known = [each for part in typing.get_args(Strategy) for each in (typing.get_args(part) or (part,))]
    assert tuple(known) == STRATEGIES


def test_what_is_said_comes_out() -> None:
    said = """images:
  strategy: semver
  range: ^1.2
  filter: ^v
  extract: $1
  order: desc
  level: patch
  preReleases: true
  minimumAge: 3d
  platforms: [linux/arm64]
  signedBy: [release]
  digest: pin
  pin: 1.2.3
  ignore: ["1.9.*"]
  holdUntil: 1970-01-03
  together: release
"""
    assert resolve(book(policy("ours", said))).images == ImagePolicy(
        strategy="semver", range="^1.2", filter="^v", extract="$1", order="desc", level="patch",
        pre_releases=True, minimum_age=3 * 86_400, platforms=("linux/arm64",), signed_by=("release",),
        digest="pin", pin="1.2.3",
        ignore=("1.9.*",), hold_until=2 * 86_400, together="release",
    )  # fmt: skip
    assert resolve(book()).images == ImagePolicy()


def test_a_team_can_ask_for_more_care_and_never_for_less() -> None:
    ours = policy("ours", "images: {minimumAge: 3d, signedBy: [a], platforms: [linux/amd64], level: minor}")
    theirs = policy(
        "theirs", "images: {minimumAge: 1d, signedBy: [b], platforms: [linux/arm64], level: major}"
    )
    found = resolve(book(ours, teams=(theirs,))).images
    assert (found.minimum_age, found.signed_by, found.level) == (3 * 86_400, ("a",), "minor")
    assert found.platforms == ("linux/amd64", "linux/arm64")
    alone = resolve(book(teams=(theirs,))).images
    assert (alone.minimum_age, alone.signed_by, alone.level) == (86_400, ("b",), "major")


def _settings(folder: Path, text: str) -> Settings:
    path = folder / "reconcile.yaml"
    path.write_text(f"apiVersion: reconciler/v1\nrepositories: [{{url: deploy}}]\n{text}\n")
    return load_settings(Found(path, True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("registries: [{prefix: 'https://a.io'}]", "expected a host"),
        ("registries: [{prefix: 'a.io/UPPER'}]", "expected a host"),
        ("registries: [{prefix: a.io}, {prefix: A.io}]", "already registries[0]"),
        ("registries: [{prefix: a.io, credentialsFile: x, dockerConfig: y}]", "both say who asks"),
        ("registries: [{prefix: a.io, identity: aws}]", "region goes with identity: aws"),
        ("registries: [{prefix: a.io, region: eu-west-1}]", "region goes with identity: aws"),
        ("registries: [{prefix: a.io, helper: '../x'}]", "docker-credential-"),
        ("registries: [{prefix: a.io, password: x}]", "password"),
        ("imageKeys: {'a b': x}", "imageKeys"),
    ],
)
def test_mistakes_about_registries(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadFile) as told:
        _settings(tmp_path, text)
    assert words in str(told.value)
    assert "reconcile.yaml:3:" in str(told.value)


def test_settings_that_nobody_named_say_nothing_of_registries(tmp_path: Path) -> None:
    path = tmp_path / "reconcile.yaml"
    path.write_text(
        "apiVersion: reconciler/v1\nrepositories: [{url: deploy}]\n"
        "registries: [{prefix: evil.io, credentialsFile: /etc/passwd}]\nimageKeys: {x: /etc/passwd}\n"
    )
    found = load_settings(Found(path, False))
    assert (found.registries, found.image_keys) == ((), {})
    assert [note.line for note in found.notes] == [3, 4]
