"""Whatever a namespace, a pod or a cluster is called: in a question it is a text, and never a piece of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import promql_parser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from promql_parser import MatchOp, VectorSelector

from reconciler.usage.prometheus.promql import (
    CPU,
    LAST_REASON,
    LIMITS,
    PRESETS,
    Labels,
    Names,
    Questions,
    Scope,
    pattern,
    peak_window,
    rate_window,
    text,
)

EVIL = (
    'a"b',
    "a\nb",
    "a\\",
    'x"} or up{a="',
    "a|b",
    ".*",
    "a'b",
    "`",
    "\x00",
    "\u2028",
    "{{x}}",
    "",
    "\\n",
    "\x7f",
)
words = st.one_of(st.sampled_from(EVIL), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


def selectors(tree: object) -> Iterator[VectorSelector]:
    if isinstance(tree, VectorSelector):
        yield tree
        return
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        below = getattr(tree, name, None)
        for each in below if isinstance(below, list) else [below] if below is not None else []:
            yield from selectors(each)


def matchers_of(query: str) -> list[tuple[str, MatchOp, str]]:
    """Of the selectors of a question, which differ in their metrics alone."""
    found = [
        [(each.name, each.op, each.value) for each in one.matchers.matchers]
        for one in selectors(promql_parser.parse(query))
    ]
    assert found
    assert all(one == found[0] for one in found)
    return found[0]


@settings(deadline=None)
@given(words)
@example("\u2028")
def test_a_text_is_read_as_what_was_written(value: str) -> None:
    assert matchers_of(f"x{{a={text(value)}}}") == [("a", MatchOp.Equal, value)]


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=5), words)
def test_a_pattern_matches_the_texts_it_was_made_of_and_nothing_else(values: list[str], other: str) -> None:
    ((_, op, found),) = matchers_of(f"x{{a=~{pattern(values)}}}")
    assert op == MatchOp.Re
    assert all(re.fullmatch(found, value) for value in values)
    assert other in values or not re.fullmatch(found, other)


@settings(deadline=None)
@given(space=words, cluster=words, pod=words)
def test_every_question_is_about_what_was_meant(space: str, cluster: str, pod: str) -> None:
    for labels in PRESETS.values():
        questions = Questions(Scope("c", (("cluster", cluster), ("odd label", cluster))), labels)
        for query in every_question(questions, space, pod):
            found = matchers_of(query)
            assert ("cluster", MatchOp.Equal, cluster) in found, query
            assert ("odd label", MatchOp.Equal, cluster) in found, query
            spaces = {labels.cadvisor.namespace, labels.state.namespace}
            mine = [value for name, op, value in found if name in spaces and op == MatchOp.Equal]
            assert mine == [space], query


def every_question(questions: Questions, space: str, pod: str) -> Iterator[str]:
    """All that are about some namespaces, whatever else they want to know."""
    more = {"window": 300, "metric": LIMITS, "pods": [pod], "label": "replicaset", "every": 3600, "more": ""}
    for name, method in inspect.getmembers(questions, inspect.ismethod):
        wants = inspect.signature(method).parameters
        if "namespaces" not in wants or name.startswith("_"):
            continue
        given = {key: more[key] for key in wants if key in more}
        found = method(namespaces=[space], **given)
        yield from [found] if isinstance(found, str) else found


@settings(deadline=None)
@given(st.lists(words, min_size=2, max_size=4), st.lists(words, min_size=1, max_size=3))
def test_several_namespaces_and_pods_are_patterns(spaces: list[str], pods: list[str]) -> None:
    questions = Questions(Scope(""))
    found = {name: value for name, _, value in matchers_of(questions.memory_limits(spaces, pods, 300))}
    assert all(re.fullmatch(found["namespace"], space) for space in spaces)
    assert all(re.fullmatch(found["pod"], pod) for pod in pods)


@settings(deadline=None)
@given(st.lists(words, min_size=1, max_size=3), words)
def test_where_lost_workloads_run_is_asked_by_their_names(names: list[str], other: str) -> None:
    found = {
        name: value
        for name, op, value in matchers_of(Questions(Scope("")).namespaces_of(names, 300))
        if op == MatchOp.Re
    }
    assert all(re.fullmatch(found["pod"], f"{name}-6d4cf-x2k4z") for name in names)
    assert any(other == name or other.startswith(f"{name}-") for name in names) or not re.fullmatch(
        found["pod"], other
    )


def test_labels_with_odd_names_are_quoted() -> None:
    labels = Labels(Names("the namespace", "pod", "container"), cluster="my.cluster")
    query = Questions(Scope(""), labels).rss(["a"], 300)
    assert '"the namespace"="a"' in query
    assert query.startswith('max by ("my.cluster","the namespace",pod,container)')
    assert matchers_of(query)[0] == ("the namespace", MatchOp.Equal, "a")


def test_images_count_where_they_are_told() -> None:
    for only, found in ((True, True), (False, False)):
        query = Questions(Scope(""), only_images=only).cadvisor(CPU, ["a"])
        assert (("image", MatchOp.NotEqual, "") in matchers_of(query)) is found


@settings(deadline=None)
@given(st.integers(1, 3600), st.booleans())
def test_windows_hold_enough_samples(interval: int, from_before: bool) -> None:
    assert rate_window(interval, from_before) >= max(300, 4 * interval)
    assert peak_window(interval) >= max(300, interval)


def test_a_mark_is_asked_for_with_its_reason() -> None:
    query = Questions(Scope("")).oom_killed(LAST_REASON, ["a"], 600)
    assert ("reason", MatchOp.Equal, "OOMKilled") in matchers_of(query)
