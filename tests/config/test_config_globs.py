"""Patterns of policies."""

from __future__ import annotations

import time

import pytest

from reconciler.config.globs import PathMatcher, any_kind, any_name, full_kind


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("teams/payments/**", "teams/payments2/a.yaml"), ("teams/payments/**", "teams/payments"),
        ("/payments", "teams/payments/x.yaml"), ("a/*/c", "a/x/y/c"), ("a/b", "a"), ("a/**/**", "a"),
        ("*.yaml", "a/b.yml"), ("teams/*", "team/x"), ("a/**/c", "a/b/d"), ("Teams/**", "teams/x"),
        ("web", "apps/website/x.yaml"),
    ],
)  # fmt: skip
def test_paths_that_do_not_match(pattern, path):
    assert PathMatcher([[pattern]]).bits(path) == 0


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("teams/payments/**", "teams/payments/a/b.yaml"), ("teams/payments", "teams/payments/x/y.yaml"),
        ("teams/payments/", "teams/payments/x.yaml"), ("payments", "teams/payments/x.yaml"),
        ("**/prod/*.yaml", "a/b/prod/x.yaml"), ("**/prod/*.yaml", "prod/x.yaml"), ("*.yaml", "a/b.yaml"),
        ("a/**/c", "a/c/d"), ("a/**/c", "a/x/y/c"), ("**", "x/y"), ("**", "x"), ("a/**/**", "a/b"),
        ("teams/*/web.yaml", "teams/x/web.yaml"), ("a/[bc]/?.yaml", "a/c/x.yaml"), ("/a", "a/b"),
    ],
)  # fmt: skip
def test_paths_that_match(pattern, path):
    matcher = PathMatcher([["never", pattern], None, ["never"], [pattern]])
    assert [matcher.bits(path), matcher.bits(path)] == [0b1011, 0b1011]


def test_kinds_are_known_by_short_names_in_any_case():
    matches = any_kind(["sts", "DEPLOYMENTS", "cron*"])
    assert [matches(kind) for kind in ("StatefulSet", "Deployment", "CronJob", "Job", "DaemonSet")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert full_kind("Kafka") == "Kafka"


def test_names_are_matched_in_full():
    matches = any_name(["prod-*", "web"])
    assert [matches(name) for name in ("prod-eu", "web", "webs", "preprod-eu", "prod")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_no_pattern_is_slow():
    start = time.perf_counter()
    assert not any_name(["*a" * 100 + "b"])("a" * 5000)
    assert not PathMatcher([["**/" * 60 + "*a" * 50 + "b"]]).bits("/".join(["a" * 200] * 60))
    assert time.perf_counter() - start < 1
