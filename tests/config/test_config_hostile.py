"""Whatever a file holds, it is read or it is a BadFile with a place: never another error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config import BadFile, Found, load_settings, parse_policies, policy_schema, settings_schema


def words(*schemas: dict[str, Any]) -> list[str]:
    models = [model for schema in schemas for model in (schema, *schema["$defs"].values())]
    return sorted({key for model in models for key in model.get("properties", {})})


KEYS = st.sampled_from(words(settings_schema(), policy_schema())) | st.text(max_size=4)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=6),
    st.sampled_from(["7d", "15%", "512Mi", "{class}", "local", "peak", "https://h", "https://u:p@h", "a/**"]),
    st.sampled_from(["/", "**", "git@h:x", "ssh://h/x", "a: b", "0.5", "~/x", "../x", "2026-12-20", "!x"]),
)  # fmt: skip
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
POLICY = {"apiVersion": "reconciler/v1", "kind": "Policy", "metadata": {"name": "a"}}
SETTINGS = {"apiVersion": "reconciler/v1", "repositories": [{"url": "/srv/a.git"}]}
SECTIONS = st.dictionaries(KEYS, DATA, max_size=4)


def check(bad: BadFile, path: str) -> None:
    assert bad.mistakes
    for mistake in bad.mistakes:
        assert str(mistake).startswith(path)
        assert "\n" not in mistake.message
        assert len(mistake.message) < 600


@settings(max_examples=150)
@given(SECTIONS)
def test_any_shape_of_a_policy(sections):
    try:
        parse_policies(json.dumps(POLICY | sections), "p.yaml")
    except BadFile as bad:
        check(bad, "p.yaml:1:")


@settings(max_examples=150)
@given(SECTIONS, st.booleans())
def test_any_shape_of_settings(tmp_path_factory, sections, trusted):
    path = tmp_path_factory.getbasetemp() / "any-shape.yaml"
    path.write_text(json.dumps(SETTINGS | sections))
    try:
        load_settings(Found(path, trusted))
    except BadFile as bad:
        check(bad, str(path))


@settings(max_examples=150)
@given(st.binary(max_size=40) | st.text("[]{}&*a:-?!|>'\"#%@`\n \t,0", max_size=40).map(str.encode))
def test_any_bytes(raw):
    try:
        parse_policies(raw, "p.yaml")
    except BadFile as bad:
        check(bad, "p.yaml")
