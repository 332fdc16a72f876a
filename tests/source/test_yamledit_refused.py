"""What is refused, each with its reason; and that nothing is written then."""

from __future__ import annotations

import time

import pytest

from reconciler.model import Reason, Refused
from reconciler.source.yamledit import Assignment, parse, rewrite, where
from reconciler.source.yamledit.proof import proven

CPU = ("c", "resources", "requests", "cpu")

REFUSED = {
    "scalar that is used elsewhere": (
        "c: {resources: {requests: {cpu: &x 1}}}\nd: *x\n",
        Reason.SHARED_ANCHOR,
    ),
    "below a mapping that is used elsewhere": (
        "c:\n  resources: &r\n    requests: {cpu: 1}\nd: *r\n",
        Reason.SHARED_ANCHOR,
    ),
    "below a mapping that is merged elsewhere": (
        "c: &c\n  resources: {requests: {cpu: 1}}\nd:\n  <<: *c\n",
        Reason.SHARED_ANCHOR,
    ),
    "added to a mapping that is used elsewhere": ("c: &c\n  name: x\nd: *c\n", Reason.SHARED_ANCHOR),
    "alias of something with a list": (
        "r: &r {resources: {requests: {}}, args: [a]}\nc: *r\n",
        Reason.ALIASED,
    ),
    "alias of a list": ("r: &r [a]\nc:\n  resources: *r\n", Reason.ALIASED),
    "alias of something large": (
        "r: &r {" + ", ".join(f"k{n}: {n}" for n in range(60)) + "}\nc:\n  resources: *r\n",
        Reason.ALIASED,
    ),
    "alias of a block": ("r: &r\n  a: |\n    text\nc:\n  resources: *r\n", Reason.ALIASED),
    "literal block": ("c: {}\nv: |\n  1\n", Reason.BLOCK_SCALAR),
    "folded block": ("c:\n  resources:\n    requests:\n      cpu: >-\n        1\n", Reason.BLOCK_SCALAR),
    "explicit key": ("c:\n  resources:\n    ? requests\n    : cpu: 1\n", Reason.COMPLEX_KEY),
    "explicit key in flow style": ("c: {? resources : {requests: {cpu: 1}}}\n", Reason.COMPLEX_KEY),
    "key without a value": ("{c, d}\n", Reason.COMPLEX_KEY),
    "key that is a list": ("c:\n  resources:\n    [a, b]: 1\n", Reason.COMPLEX_KEY),
    "key that is an alias": ("a: &a x\nc:\n  *a : 1\n", Reason.COMPLEX_KEY),
    "duplicate key": ("c:\n  resources: {}\n  resources: {}\n", Reason.DUPLICATE_KEY),
    "duplicate key in other quotes": ('c: {resources: {}, "resources": {}}\n', Reason.DUPLICATE_KEY),
    "two merges": ("a: &a {x: 1}\nc:\n  <<: *a\n  <<: *a\n", Reason.DUPLICATE_KEY),
    "set before a merge that sets it": (
        "a: &a {resources: {}}\nc:\n  resources: {}\n  <<: *a\n",
        Reason.DUPLICATE_KEY,
    ),
    "mapping where a value should be": ("c: {resources: {requests: {cpu: {}}}}\n", Reason.NOT_A_SCALAR),
    "value where a mapping should be": ("c:\n  resources: high\n", Reason.NOT_A_SCALAR),
    "list where a mapping should be": ("c:\n  resources: []\n", Reason.NOT_A_SCALAR),
    "tag of its own": ("c: {resources: {requests: {cpu: !vault secret}}}\n", Reason.NOT_A_SCALAR),
    "tag of its own above": ("c: !Ref\n  resources: {}\n", Reason.NOT_A_SCALAR),
    "Helm value": ("c: {resources: {requests: {cpu: '{{ .Values.cpu }}'}}}\n", Reason.TEMPLATE),
    "Helm value without quotes": (
        "c:\n  resources:\n    requests:\n      cpu: {{ .Values.cpu }}\n",
        Reason.TEMPLATE,
    ),
    "Helm action around": (
        "{{- if .Values.on }}\nc:\n  resources: {}\n{{- end }}\n",
        Reason.TEMPLATE,
    ),
    "Helm action in a comment": ("# {{- if .Values.on }}\nc:\n  name: x\n# {{- end }}\n", Reason.TEMPLATE),
    "Helm value elsewhere": ("name: {{ .Release.Name }}\nc:\n  name: x\n", Reason.TEMPLATE),
    "Jinja": ("{% if on %}\nc:\n  name: x\n{% endif %}\n", Reason.TEMPLATE),
    "Flux substitution": ("c: {resources: {requests: {cpu: '${cpu:=1}'}}}\n", Reason.TEMPLATE),
    "kustomize variable": ("c: {resources: {requests: {cpu: $(CPU)}}}\n", Reason.TEMPLATE),
    "broken document": ("c: [\n", Reason.UNPROVEN),
    "no such document": ("# nothing\n", Reason.UNPROVEN),
    "control character": ("c: \x01\n", Reason.UNPROVEN),
    "text that keeps no final line break": ("c:\n  x: |\n    text", Reason.UNPROVEN),
}


@pytest.mark.parametrize(("before", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_with_its_reason(before: str, reason: Reason) -> None:
    keys = ("v",) if "v: |" in before else CPU
    after = rewrite(before.encode(), [Assignment(0, keys, "500m")])
    assert isinstance(after, Refused), after
    assert after.reason is reason, after
    assert after.detail
    assert "\n" not in after.detail


UNSEEN = {"no such document", "text that keeps no final line break"}  # only trying tells
SEEN = {name: case for name, case in REFUSED.items() if name not in UNSEEN}


@pytest.mark.parametrize(("before", "reason"), SEEN.values(), ids=SEEN)
def test_where_warns_of_what_would_be_refused(before: str, reason: Reason) -> None:
    found = where(parse(before)[0], before, ("v",) if "v: |" in before else CPU)
    assert found.refused is not None
    assert found.refused.reason is reason
    assert 1 <= found.line <= before.count("\n") + 1


@pytest.mark.parametrize(
    "data",
    [
        "c: {}".encode("utf-16"),
        "c: {}".encode("utf-16-le"),
        "c: {}".encode("utf-32"),
        b"c: {}\n# caf\xe9\n",
        b"\xff\xfec\x00",
        b"c: \xed\xa0\x80\n",
    ],
)
def test_only_utf_8_is_text(data: bytes) -> None:
    after = rewrite(data, [Assignment(0, CPU, "500m")])
    assert isinstance(after, Refused)
    assert after.reason is Reason.ENCODING


@pytest.mark.parametrize("value", ["", "high", "1 000", "0x10", "1,5", "500 m", "1Zi", "½", "1\n", "{}"])
def test_only_quantities_are_quantities(value: str) -> None:
    after = rewrite(b"a: 1\n", [Assignment(0, ("a",), value)])
    assert isinstance(after, Refused)
    assert after.reason is Reason.BAD_QUANTITY


def test_all_or_nothing() -> None:
    after = rewrite(b"a: 1\nb: |\n  2\n", [Assignment(0, ("a",), "3"), Assignment(0, ("b",), "4")])
    assert isinstance(after, Refused)
    assert after.reason is Reason.BLOCK_SCALAR


@pytest.mark.parametrize(
    "assignments",
    [
        [Assignment(0, ("a",), "1"), Assignment(0, ("a",), "2")],
        [Assignment(0, ("n", "a"), "1"), Assignment(0, ("n",), "2")],
        [Assignment(0, ("n",), "1"), Assignment(0, ("n", "a"), "2")],
        [Assignment(0, ("n", 0, "a"), "1")],
        [Assignment(0, ("l", 5), "1")],
        [Assignment(0, ("l", "a"), "1")],
        [Assignment(0, ("l", -1), "1")],
        [Assignment(0, (0,), "1")],
        [Assignment(0, (), "1")],
        [Assignment(-1, ("a",), "1")],
        [Assignment(7, ("a",), "1")],
    ],
)
def test_assignments_that_make_no_sense(assignments: list[Assignment]) -> None:
    assert isinstance(rewrite(b"a: 5\nl: [1, 2]\n", assignments), Refused)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (">\n  c: 1\n", Reason.BLOCK_SCALAR),
        ("|2\n  c: 1\n", Reason.BLOCK_SCALAR),
        ("'c: 1'\n", Reason.BLOCK_SCALAR),
        ("{}\n", Reason.BLOCK_SCALAR),
        ("|\n\n", Reason.BLOCK_SCALAR),
        ("|\n  c: 1\n  ---\n  d: 1\n", Reason.BLOCK_SCALAR),
        ("|\n  c: {{ .Values.c }}\n", Reason.TEMPLATE),
        ("|\n  c: [\n", Reason.UNPROVEN),
        ("|\n  a: &a 1\n  c: &c 1\n  d: *c\n", Reason.SHARED_ANCHOR),
        ("&v |\n  c: 1\nw: *v\n", Reason.SHARED_ANCHOR),
    ],
)
def test_blocks_whose_inside_is_refused(block: str, reason: Reason) -> None:
    before = "values: " + block
    after = rewrite(before.encode(), [Assignment(0, ("values",), "2", False, ("c",))])
    assert isinstance(after, Refused)
    assert after.reason is reason, after
    found = where(parse(before)[0], before, ("values",), ("c",))
    assert found.refused is not None
    assert found.refused.reason is reason


# -- hostile files --------------------------------------------------------------------------------


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [" + "x, " * 9 + "x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\nc: {name: x}\n"


HOSTILE = {
    "alias bomb": bomb(9),
    "merge bomb": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))
    + "c:\n  <<: *a29\n",
    "alias of itself": "c: &c\n  resources: *c\n",
    "deep flow": "c: " + "[" * 100_000 + "\n",
    "deep flow of mappings": "c: " + "{a: " * 50_000 + "\n",
    "deep block": "".join(" " * n + "k:\n" for n in range(1_000)),
    "deep list": "- " * 10_000 + "x\n",
    "many markers": "---\n" * 50_000,
    "many directives": "%A\n" * 50_000,
    "many braces": "{{" * 50_000,
    "long line": "c: " + "x" * 2_000_000,
    "only a byte order mark": "\ufeff",
    "two byte order marks": "\ufeff\ufeffc: {name: x}\n",
    "too long": "c: x\n" + "#" * 8_000_000,
}


@pytest.mark.parametrize("before", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_soon(before: str) -> None:
    start = time.process_time()
    after = rewrite(before.encode(), [Assignment(0, CPU, "500m")])
    assert isinstance(after, Refused), after[:200]
    assert time.process_time() - start < 4


def test_a_file_with_a_small_share_of_aliases_is_none() -> None:
    before = bomb(4)
    after = rewrite(before.encode(), [Assignment(0, CPU, "500m")])
    assert isinstance(after, bytes)


# -- the proof ------------------------------------------------------------------------------------

WRONG = {
    "nothing changed": "a: 1\nb: 2\n",
    "another value changed": "a: 3\nb: 3\n",
    "another value gone": "a: 3\n",
    "a value more": "a: 3\nb: 2\nc: 3\n",
    "another type": "a: 3\nb: '2'\n",
    "text instead": "a: 3x\nb: 2\n",
    "a comment swallowed it": "a: 3 # b: 2\n",
    "not YAML": "a: 3\nb: 2\n c: [\n",
    "two documents": "a: 3\nb: 2\n---\n",
    "a list": "- a: 3\n- b: 2\n",
}


@pytest.mark.parametrize("after", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("careful", [True, False])
def test_the_proof_sees_what_an_edit_must_not_do(after: str, careful: bool) -> None:
    refused = proven("a: 1\nb: 2\n", after, [Assignment(0, ("a",), "3")], careful=careful)
    assert refused is not None
    assert refused.reason is Reason.UNPROVEN


@pytest.mark.parametrize("unit", ["true", "1", "1.0", "'1'", "yes", "2001-01-01", "!x 1", ".nan", "null"])
def test_the_proof_tells_types_apart(unit: str) -> None:
    same = f"a: 1\nb: {unit}\n"
    assert proven(same, same.replace("a: 1", "a: 3"), [Assignment(0, ("a",), "3")]) is None
    for other in {"true", "1", "1.0", "'1'"} - {unit}:
        changed = f"a: 3\nb: {other}\n"
        assert proven(same, changed, [Assignment(0, ("a",), "3")]) is not None


def test_text_must_stay_text_in_the_proof() -> None:
    assert proven("a: x\n", "a: 1.20\n", [Assignment(0, ("a",), "1.20", True)]) is not None
    assert proven("a: x\n", "a: '1.20'\n", [Assignment(0, ("a",), "1.20", True)]) is None


def test_what_only_libyaml_reads_is_proven_by_it() -> None:
    before = b"a:\t1\nb: 2\n"  # py-yaml12 refuses the tab, Kubernetes doesn't
    assert rewrite(before, [Assignment(0, ("b",), "3")]) == b"a:\t1\nb: 3\n"


def test_line_breaks_that_only_yaml_1_1_knows_need_both_parsers() -> None:
    before = "a: 1 # one\u0085b: 2\n"
    after = rewrite(before.encode(), [Assignment(0, ("a",), "3")])
    assert after == before.replace("a: 1", "a: 3").encode()
    assert isinstance(rewrite(before.encode(), [Assignment(0, ("b",), "3")]), Refused)


def test_a_date_that_does_not_exist_is_no_crash() -> None:
    before = b"a:\t2024-13-45\nb: 2\n"
    assert isinstance(rewrite(before, [Assignment(0, ("b",), "3")]), Refused)


@pytest.mark.parametrize("value", ["{{ .Values.x }}", "${x}", "$(x)", "{% x %}", "a{{", "<%= x %>"])
def test_no_template_is_written(value: str) -> None:
    after = rewrite(b"a: b\n", [Assignment(0, ("a",), value, True)])
    assert isinstance(after, Refused)
    assert after.reason is Reason.TEMPLATE


def test_in_a_file_that_is_read_as_it_stands_a_comment_is_a_comment() -> None:
    before = b"# {{- if x }}\na: 1\n# {{- end }}\n"
    wish = [Assignment(0, ("a",), "2")]
    assert isinstance(rewrite(before, wish), Refused)
    assert rewrite(before, wish, as_it_stands=True) == before.replace(b"1", b"2")
    value = rewrite(b"a: '{{ x }}'\n", wish, as_it_stands=True)
    assert isinstance(value, Refused)
    assert value.reason is Reason.TEMPLATE
