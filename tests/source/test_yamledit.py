"""What an edit leaves alone, then what it writes. Each case is a small file before and after."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from reconciler.model import Refused
from reconciler.source.yamledit import Assignment, apply, plan, rewrite

BLOCK = "resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi\n"
REQUESTS = {"c.resources.requests.cpu": "500m", "c.resources.requests.memory": "1Gi"}
CPU = {"c.resources.requests.cpu": "500m"}


def keys(path: str) -> tuple[str | int, ...]:
    return tuple(int(key) if key.isdigit() else key for key in path.split("."))


def edited(before: str, values: dict[str, str], *, text: bool = False, document: int = 0) -> str:
    after = rewrite(
        before.encode(), [Assignment(document, keys(path), value, text) for path, value in values.items()]
    )
    assert isinstance(after, bytes), after
    return after.decode()


# -- what must not change -------------------------------------------------------------------------

UNCHANGED = {
    "plain": "c:\n  resources:\n    requests:\n      cpu: 500m\n",
    "single quotes": "c:\n  resources:\n    requests:\n      cpu: '500m'\n",
    "double quotes": 'c:\n  resources:\n    requests:\n      cpu: "500m"\n',
    "anchor": "c:\n  resources:\n    requests:\n      cpu: &cpu 500m\n",
    "tag": "c:\n  resources:\n    requests:\n      cpu: !!str 500m\n",
    "flow": "c: {resources: {requests: {cpu: 500m}}}\n",
    "json": '{"c":{"resources":{"requests":{"cpu":"500m"}}}}',
    "bom and crlf": "\ufeffc:\r\n  resources:\r\n    requests:\r\n      cpu: 500m\r\n",
    "odd spaces": "c :\n  resources  :   \n    requests:\n      cpu   :   500m   # as it is\n\n\n",
}


@pytest.mark.parametrize("before", UNCHANGED.values(), ids=UNCHANGED)
def test_a_value_that_is_there_already_gives_the_same_bytes(before: str) -> None:
    data = before.encode()
    assert rewrite(data, [Assignment(0, keys("c.resources.requests.cpu"), "500m")]) is data


def test_no_assignments_change_nothing() -> None:
    assert rewrite(b"a: 1", []) == b"a: 1"


def test_only_the_characters_of_the_value_change() -> None:
    before = (
        dedent(
            """\
        # a file by hand   \n
        %s: "yes"   # kept
        list:
        - a
        -   b
        c:
          # above
          resources:   {limits: {cpu: 2 },   requests:   {  cpu:   '100m'  , memory: 1Gi}}   # beside
          # below
        folded: >-
          one

          two
        literal: |+
          x

        d:   null
        """
        )
        % "on"
    )
    after = edited(before, CPU)
    assert after == before.replace("'100m'", "'500m'")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_line_ends_stay_as_they_are(newline: str, end: str) -> None:
    before = f"a: 1\nc:\n  resources:\n    requests: {{cpu: 1}}{end}".replace("\n", newline)
    assert edited(before, CPU) == before.replace("cpu: 1", "cpu: 500m")


def test_astral_characters_and_a_byte_order_mark_before_the_value_do_not_shift_it() -> None:
    before = "\ufeff# 🚀🚀\na: 😀\nc: {resources: {requests: {cpu: 1}}}\n"
    assert edited(before, CPU) == before.replace("cpu: 1", "cpu: 500m")


def test_other_documents_stay_as_they_are_broken_ones_included() -> None:
    before = "a: [\n---\nc: {resources: {requests: {cpu: 1}}}\n---\n{{ template }}\n--- # four\nb: 2\n"
    assert edited(before, CPU, document=1) == before.replace("cpu: 1", "cpu: 500m")


# -- values that are there ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cpu: 1\n", "cpu: 500m\n"),
        ("cpu: '1'\n", "cpu: '500m'\n"),
        ('cpu: "1" # c\n', 'cpu: "500m" # c\n'),
        ("cpu:\n", "cpu: 500m\n"),
        ("cpu:   # none\n", "cpu: 500m   # none\n"),
        ("cpu: null\n", "cpu: 500m\n"),
        ("cpu: ~", "cpu: 500m"),
        ("cpu: &one 1\n", "cpu: &one 500m\n"),
        ("cpu: &one\nmemory: 2\n", "cpu: &one 500m\nmemory: 2\n"),
        ('"cpu": 1\n', '"cpu": 500m\n'),
        ("{cpu: , memory: 1}\n", "{cpu: 500m, memory: 1}\n"),
        ('{"cpu": 1}\n', '{"cpu": "500m"}\n'),
        ('{"cpu":1}\n', '{"cpu":"500m"}\n'),
        ("cpu:\n  1\n", "cpu:\n  500m\n"),
        ("cpu: 100m\n  200m\n", "cpu: 500m\n"),
    ],
)
def test_a_value_is_replaced_within_its_quotes(before: str, after: str) -> None:
    assert edited(before, {"cpu": "500m"}) == after


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: 500m\n", "2", "a: 2\n"),
        ("a: 500m\n", "0.5", "a: 0.5\n"),
        ("a: 500m\n", "1e3", "a: 1e3\n"),
        ("a: 500m\n", "010", 'a: "010"\n'),
        ("a: 500m\n", "+5", 'a: "+5"\n'),
        ("a: 500m\n", ".5", 'a: ".5"\n'),
        ("a: 500m\n", "5.", 'a: "5."\n'),
        ("a: 010\n", "010", 'a: "010"\n'),
        ('{"a": "500m"}\n', "2", '{"a": "2"}\n'),
        ('{"a": 1}\n', "2", '{"a": 2}\n'),
        ('{"a": 1}\n', "1E", '{"a": "1E"}\n'),
    ],
)
def test_a_quantity_goes_without_quotes_only_where_it_means_the_same(
    before: str, value: str, after: str
) -> None:
    assert edited(before, {"a": value}) == after


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: nginx:1.26\n", "nginx:1.27", "a: nginx:1.27\n"),
        ("a: v1.2.3\n", "v1.3.0", "a: v1.3.0\n"),
        ("a: 1.2.3\n", "1.3.0", "a: 1.3.0\n"),
        ("a: v1\n", "1.20", 'a: "1.20"\n'),
        ("a: 1.20\n", "1.20", 'a: "1.20"\n'),
        ("a: v1\n", "0362525", 'a: "0362525"\n'),
        ("a: v1\n", "on", 'a: "on"\n'),
        ("a: v1\n", "", 'a: ""\n'),
        ("a: 'v1'\n", "it's", "a: 'it''s'\n"),
        ('a: "v1"\n', 'say "hi"\\', 'a: "say \\"hi\\"\\\\"\n'),
        ("a: 'v1'\n", "two\nlines", 'a: "two\\u000alines"\n'),
        ("[v1]\n", "v2", "[v2]\n"),
        ('["v1"]\n', "v2", '["v2"]\n'),
    ],
)
def test_text_goes_without_quotes_only_where_everyone_reads_text(before: str, value: str, after: str) -> None:
    assert edited(before, {"0" if before.startswith("[") else "a": value}, text=True) == after


# -- values that are missing ----------------------------------------------------------------------

ADDED = {
    "at the end of a mapping, before comments that belong to what follows": (
        "c:\n  name: x  # hi\n# next\nd: 1\n",
        "c:\n  name: x  # hi\n  " + BLOCK + "# next\nd: 1\n",
    ),
    "with the indentation of the neighbours": (
        "a:\n    b: 1\nc:\n    name: x\n",
        "a:\n    b: 1\nc:\n    name: x\n    resources:\n        requests:\n            cpu: 500m\n"
        "            memory: 1Gi\n",
    ),
    "at the end of a file without a line break": (
        "c:\n  name: x",
        "c:\n  name: x\n  resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi",
    ),
    "with CRLF": (
        "c:\r\n  name: x\r\nd: 1",
        "c:\r\n  name: x\r\n  resources:\r\n    requests:\r\n      cpu: 500m\r\n      memory: 1Gi\r\nd: 1",
    ),
    "in empty braces": (
        "c:\n  resources: {}  # later\n  name: x\n",
        "c:\n  resources:  # later\n    requests:\n      cpu: 500m\n      memory: 1Gi\n  name: x\n",
    ),
    "in empty braces on a line of their own": (
        "c:\n  resources:\n    {}  # Helm\n  name: x\n",
        "c:\n  resources:\n    requests:  # Helm\n      cpu: 500m\n      memory: 1Gi\n  name: x\n",
    ),
    "in braces that hold a comment": (
        "c:\n  resources: { # none\n  }\n",
        "c:\n  resources: { # none\n    requests: {cpu: 500m, memory: 1Gi}\n  }\n",
    ),
    "in braces on two lines": (
        "c:\n    resources: {\n    }\n",
        "c:\n    resources: {\n        requests: {cpu: 500m, memory: 1Gi}\n    }\n",
    ),
    "in braces on three lines, of which the last begins too far left": (
        "c:\n  resources: {  \n\n} # end\nd: 1\n",
        "c:\n  resources: {  \n    requests: {cpu: 500m, memory: 1Gi}\n\n} # end\nd: 1\n",
    ),
    "in braces on two lines with CRLF": (
        "c:\r\n  resources: {\r\n  }\r\n",
        "c:\r\n  resources: {\r\n    requests: {cpu: 500m, memory: 1Gi}\r\n  }\r\n",
    ),
    "in braces on two lines with an anchor": (
        "c:\n  resources: &r {\n  }\n",
        "c:\n  resources: &r {\n    requests: {cpu: 500m, memory: 1Gi}\n  }\n",
    ),
    "in braces on two lines of JSON": (
        '{\n "c": {\n  "resources": {\n  }\n }\n}\n',
        '{\n "c": {\n  "resources": {\n   "requests": {\n    "cpu": "500m",\n    "memory": "1Gi"\n   }\n  }\n'
        " }\n}\n",
    ),
    "below a key without a value": (
        "c:\n  resources:   # none\n  # above name\n  name: x\n",
        "c:\n  resources:   # none\n    requests:\n      cpu: 500m\n      memory: 1Gi\n"
        "  # above name\n  name: x\n",
    ),
    "in place of null": (
        "c:\n  resources: null # none\n  name: x\n",
        "c:\n  resources: # none\n    requests:\n      cpu: 500m\n      memory: 1Gi\n  name: x\n",
    ),
    "one of two": (
        "c:\n  resources:\n    requests:\n      cpu: 1  # one\n    limits: {}\n",
        "c:\n  resources:\n    requests:\n      cpu: 500m  # one\n      memory: 1Gi\n    limits: {}\n",
    ),
    "below one that was empty": (
        "c:\n  resources:\n    requests:\n      cpu:\n",
        "c:\n  resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi\n",
    ),
    "in flow style": (
        "c: {name: x}\n",
        "c: {name: x, resources: {requests: {cpu: 500m, memory: 1Gi}}}\n",
    ),
    "in flow style with blanks inside": (
        "c: { name: x }\n",
        "c: { name: x, resources: { requests: { cpu: 500m, memory: 1Gi } } }\n",
    ),
    "in flow style over several lines": (
        "c: {\n  name: x, # first\n  b: y # last\n}\n",
        "c: {\n  name: x, # first\n  b: y, # last\n  resources: {requests: {cpu: 500m, memory: 1Gi}}\n}\n",
    ),
    "after a trailing comma": (
        "c: {\n  name: x,\n}\n",
        "c: {\n  name: x,\n  resources: {requests: {cpu: 500m, memory: 1Gi}},\n}\n",
    ),
    "after a trailing comma in one line": (
        "c: {name: x, }\n",
        "c: {name: x, resources: {requests: {cpu: 500m, memory: 1Gi}} }\n",
    ),
    "in a null of flow style": (
        "{c: {resources: null, name: x}}\n",
        "{c: {resources: {requests: {cpu: 500m, memory: 1Gi}}, name: x}}\n",
    ),
    "in a blank of flow style": (
        "{c: {resources: , name: x}}\n",
        "{c: {resources: {requests: {cpu: 500m, memory: 1Gi}}, name: x}}\n",
    ),
    "in compact JSON": (
        '{"c":{"name":"x"}}',
        '{"c":{"name":"x","resources":{"requests":{"cpu":"500m","memory":"1Gi"}}}}',
    ),
    "in pretty JSON": (
        '{\n  "c": {\n    "name": "x"\n  }\n}\n',
        '{\n  "c": {\n    "name": "x",\n    "resources": {\n      "requests": {\n        "cpu": "500m",\n'
        '        "memory": "1Gi"\n      }\n    }\n  }\n}\n',
    ),
    "in empty braces of pretty JSON with tabs": (
        '{\n\t"c": {\n\t\t"resources": {}\n\t}\n}',
        '{\n\t"c": {\n\t\t"resources": {\n\t\t\t"requests": {\n\t\t\t\t"cpu": "500m",\n'
        '\t\t\t\t"memory": "1Gi"\n\t\t\t}\n\t\t}\n\t}\n}',
    ),
    "among quoted keys": (
        '"c":\n  "name": "x"\n',
        '"c":\n  "name": "x"\n  "resources":\n    "requests":\n      "cpu": 500m\n      "memory": 1Gi\n',
    ),
    "after a literal block, whose blank lines stay behind": (
        "c:\n  x: |\n    text\n\n\nd: 1\n",
        "c:\n  x: |\n    text\n  resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi\n\n\nd: 1\n",
    ),
    "after a literal block that keeps its blank lines": (
        "c:\n  x: |+\n    text\n\nd: 1\n",
        "c:\n  x: |+\n    text\n\n  resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi\nd: 1\n",
    ),
    "before the end of the document": (
        "---\nc:\n  name: x\n...\n---\nd: 1\n",
        "---\nc:\n  name: x\n  " + BLOCK + "...\n---\nd: 1\n",
    ),
    "after directives": (
        "%YAML 1.1\n---\nc:\n  name: x\n",
        "%YAML 1.1\n---\nc:\n  name: x\n  resources:\n    requests:\n      cpu: 500m\n      memory: 1Gi\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), ADDED.values(), ids=ADDED)
def test_missing_values_are_added_in_the_style_of_the_file(before: str, after: str) -> None:
    assert edited(before, REQUESTS) == after
    if after.startswith("{") and '"c"' in after:
        json.loads(after)


def test_values_added_at_several_depths_of_one_place_keep_their_order() -> None:
    before = "c:\n  resources:\n    requests:\n"
    values = {"c.resources.limits.memory": "2Gi", **REQUESTS}
    assert edited(before, values) == ("c:\n  " + BLOCK + "    limits:\n      memory: 2Gi\n")


def test_every_container_of_a_list_gets_its_own() -> None:
    before = "cs:\n- name: a\n- name: b\n  resources: {}\n- image: c\n  name: c\nx: 1\n"
    values = {f"cs.{at}.resources.requests.cpu": f"{at + 1}00m" for at in range(3)}
    assert edited(before, values) == (
        "cs:\n- name: a\n  resources:\n    requests:\n      cpu: 100m\n"
        "- name: b\n  resources:\n    requests:\n      cpu: 200m\n"
        "- image: c\n  name: c\n  resources:\n    requests:\n      cpu: 300m\nx: 1\n"
    )


# -- aliases and merges ---------------------------------------------------------------------------


def test_resources_that_are_an_alias_are_copied_and_the_anchor_stays_as_it_is() -> None:
    before = (
        "b: &b\n  limits: {cpu: 2}\n  requests:\n    cpu: '1'\nc:\n  resources: *b  # shared\n  name: x\n"
    )
    assert edited(before, CPU) == (
        "b: &b\n  limits: {cpu: 2}\n  requests:\n    cpu: '1'\nc:\n  resources:  # shared\n    limits:\n"
        "      cpu: 2\n    requests:\n      cpu: 500m\n  name: x\n"
    )


def test_resources_that_a_merge_supplies_are_copied() -> None:
    before = "b: &b\n  resources:\n    requests: {cpu: 1, memory: 2Gi}\nc:\n  <<: *b\n  name: x\n"
    assert edited(before, CPU) == (
        before + "  resources:\n    requests:\n      cpu: 500m\n      memory: 2Gi\n"
    )


def test_the_first_of_several_merges_wins_in_a_copy() -> None:
    before = (
        "one: &one {requests: {cpu: 1}}\ntwo: &two {requests: {cpu: 2}, limits: {cpu: 3}}\n"
        "base: &base {resources: {<<: [*one, *two]}}\nc:\n  <<: *base\n"
    )
    assert edited(before, {"c.resources.requests.memory": "1Gi"}) == (
        before + "  resources:\n    requests:\n      cpu: 1\n      memory: 1Gi\n    limits:\n      cpu: 3\n"
    )


def test_a_value_that_a_merge_supplies_is_overridden_beside_it() -> None:
    before = "b: &b {cpu: 1, memory: 2Gi}\nc:\n  resources:\n    requests:\n      <<: *b\n"
    assert edited(before, CPU) == before + "      cpu: 500m\n"


def test_a_value_that_is_an_alias_is_replaced_in_its_place_alone() -> None:
    before = "a: &cpu 1\nc: {resources: {requests: {cpu: *cpu}}}\n"
    assert edited(before, CPU) == "a: &cpu 1\nc: {resources: {requests: {cpu: 500m}}}\n"


# -- YAML inside a literal block ------------------------------------------------------------------


def inside(before: str, values: dict[str, str]) -> bytes | Refused:
    return rewrite(
        before.encode(),
        [Assignment(0, ("values",), value, False, keys(path)) for path, value in values.items()],
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("sign", ["|", "|-", "|+", "| # text"])
def test_a_literal_block_is_edited_inside_its_indentation(newline: str, sign: str) -> None:
    before = (
        f"values: {sign}\n  # top\n\n  c:\n    resources:\n      requests:\n        cpu: 1 # one\n\nz: 1\n"
    )
    after = inside(before.replace("\n", newline), REQUESTS)
    assert isinstance(after, bytes)
    wanted = before.replace("cpu: 1 # one\n", "cpu: 500m # one\n        memory: 1Gi\n")
    assert after.decode() == wanted.replace("\n", newline)


def test_a_block_and_what_follows_it_grow_in_their_order() -> None:
    before = "c:\n  values: |\n    c: 1\nd: 1\n"
    after = rewrite(
        before.encode(),
        [Assignment(0, ("c", "cpu"), "1"), Assignment(0, ("c", "values"), "2", False, ("memory",))],
    )
    assert after == b"c:\n  values: |\n    c: 1\n    memory: 2\n  cpu: 1\nd: 1\n"


def test_a_block_that_is_right_already_gives_the_same_bytes() -> None:
    data = b"values: |\n  c: 500m\n"
    assert rewrite(data, [Assignment(0, ("values",), "500m", False, ("c",))]) is data


# -- plan and apply -------------------------------------------------------------------------------


def test_a_plan_can_be_applied_by_itself() -> None:
    before = "a: 1\nb: 2\n"
    edits = plan(before, [Assignment(0, ("b",), "3"), Assignment(0, ("a",), "4")])
    assert not isinstance(edits, Refused)
    assert [edit.start for edit in edits] == [3, 8]
    assert apply(before, edits) == "a: 4\nb: 3\n"
