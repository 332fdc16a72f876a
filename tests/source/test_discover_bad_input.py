"""Files that nobody would want, each a clear line in the report; the good ones beside them are found."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trees import LIMIT, Tree, deployment, found_in

from reconciler.model import Failure, Note, Whose
from reconciler.source.discover import discover

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)
CHAIN = "m0: &m0 {cpu: 1}\n" + "".join(f"m{n}: &m{n} {{<<: *m{n - 1}}}\n" for n in range(1, 700))

FAILURES = {
    "broken": ("kind: Deployment\napiVersion: apps/v1\nmetadata: {name: [}\n", 3, "YAML"),
    "alias bomb": (deployment(head=BOMB), 1, "aliases"),
    "merges without end": (
        deployment(head=CHAIN, containers="        - name: app\n          resources: {requests: *m699}\n"),
        1,
        "merge",
    ),
    "deep nesting": (deployment(head="x: " + "[" * 5000 + "]" * 5000 + "\n"), 1, "deep"),
    "deep in blocks": (
        deployment(head="x:\n" + "".join(f"{' ' * n}k:\n" for n in range(1, 400))),
        200,
        "deep",
    ),
    "utf-16": (deployment().encode("utf-16"), 0, "UTF-16"),
    "utf-16 without a mark": (deployment().encode("utf-16-le"), 0, "UTF-8"),
    "utf-32": (deployment().encode("utf-32"), 0, "UTF"),
    "latin-1": (deployment(metadata="  # grün\n").encode("latin-1"), 0, "UTF-8"),
    "a control character": (deployment(metadata="  labels: {a: \x07}\n"), 5, "not allowed"),
    "an alias without an anchor": (deployment(metadata="  labels: *none\n"), 5, "none"),
    "a tab for indentation": (deployment(metadata="\tlabels: {}\n"), 5, "YAML"),
}


@pytest.mark.parametrize(("content", "line", "word"), FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_read_is_one_failure_of_the_user_and_the_rest_goes_on(
    content: str | bytes, line: int, word: str
) -> None:
    start = time.perf_counter()
    found = found_in({"apps/bad.yaml": content, "apps/good.yaml": deployment("good")})
    assert time.perf_counter() - start < 3
    (failure,) = found.failures
    assert (failure.path, failure.repository, failure.whose) == ("apps/bad.yaml", "deploy", Whose.YOURS)
    assert failure.line in (line, line + 1)
    assert word.lower() in failure.error.lower()
    assert "\n" not in failure.error
    assert [workload.name for workload in found.workloads] == ["good"]


def test_a_broken_document_does_not_hide_its_neighbours() -> None:
    text = deployment("first") + "---\nkind: Deployment\na: [\n---\n" + deployment("last")
    found = found_in({"all.yaml": text})
    assert [workload.name for workload in found.workloads] == ["first", "last"]
    assert [slot.place.document for w in found.workloads for slot in w.containers[0].slots[:1]] == [0, 2]
    assert len(found.failures) == 1


QUIET = {
    "broken, but no workload": "values: [\n",
    "broken beside a workload": "a: [\n---\n" + deployment("good2"),
    "documents that are no mappings": "- kind: Deployment\n---\nkind: Deployment\n---\n42\n---\n~\n---\n",
    "nothing": "",
    "a byte order mark": "\ufeff",
    "binary": b"\x00\x01\x02\xff\xfe",
    "keys that are no text": "{1: 2, [a]: b, ? {c: d} : e, kind: Deployment}\n",
    "a second kind": "kind: Service\nkind: Deployment\napiVersion: apps/v1\nspec: {}\n",
}


@pytest.mark.parametrize("content", QUIET.values(), ids=QUIET)
def test_what_is_no_workload_is_no_failure(content: str | bytes) -> None:
    found = found_in({"a.yaml": content, "good.yaml": deployment("good")})
    assert found.failures == ()
    assert found.workloads[-1].name == "good"


TEMPLATES = {
    "a name": deployment("{{ .Values.name }}"),
    "flow": deployment().replace("metadata:", "{{- if .Values.on }}\nmetadata:"),
    "an include": deployment(metadata='  labels:\n    {{- include "x" . | nindent 4 }}\n'),
}


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_outside_of_a_chart_is_a_note(text: str) -> None:
    found = found_in({"t.yaml": text + "---\n" + text})
    assert found.failures == ()
    assert [(note.what, note.path) for note in found.notes] == [("template", "t.yaml")]
    assert found.workloads == ()


def test_a_file_over_the_limit_is_a_note() -> None:
    found = found_in({"big.yaml": deployment() + "#" * LIMIT, "small.yaml": deployment()})
    assert [(note.what, note.path) for note in found.notes] == [("too-large", "big.yaml")]
    assert [workload.path for workload in found.workloads] == ["small.yaml"]


@pytest.mark.parametrize(
    ("target", "noted"),
    [
        ("/etc/passwd", True),
        ("../../outside.yaml", True),
        ("..", False),
        ("web.yaml", False),
        ("gone.yaml", False),
        ("loop", False),
        ("../docs", True),
        ("", True),
    ],
)
def test_links_are_never_followed_out_of_the_tree(target: str, noted: bool) -> None:
    tree = Tree({"apps/web.yaml": deployment(), "docs/a.yaml": "a: b\n"}, links={"apps/loop": target})
    found = discover(tree, (), ())
    assert [workload.path for workload in found.workloads] == ["apps/web.yaml"]
    told = [(note.what, note.path) for note in found.notes]
    assert told == ([("symlink", "apps/loop")] if noted or target == ".." else [])


def test_submodules_and_an_empty_tree_are_notes() -> None:
    assert [n.what for n in discover(Tree({}, submodules=["vendor/x"]), (), ()).notes] == ["submodule"]
    assert [n.what for n in discover(Tree({}), (), ()).notes] == ["empty"]


def test_a_file_of_another_kind_is_not_even_read() -> None:
    tree = Tree({"a.py": deployment(), "b.txt": "", "c.YAML.bak": "", "d.yaml": deployment()})
    discover(tree, (), ())
    assert tree.read_paths == ["d.yaml"]


_pieces = st.sampled_from(
    [
        "kind: Deployment\n",
        "apiVersion: apps/v1\n",
        "kind: List\nitems:\n",
        "kind: HorizontalPodAutoscaler\napiVersion: autoscaling/v2\n",
        "metadata: {name: web}\n",
        "spec:\n",
        "  template:\n",
        "    spec:\n",
        "      containers:\n",
        "        - name: app\n",
        "          image: x\n",
        "          resources: ",
        "requests: {cpu: 1}\n",
        "scaleTargetRef: {kind: Deployment, name: web}\n",
        *(
            "metrics: [",
            "resources: [",
            "!!str ",
            "| \n",
            "{{",
            "%YAML",
            "---\n",
            "# x\n",
            "<<: ",
            "? ",
            ": ",
        ),
        *("- ", "  ", "\n", "\r\n", "\t", "&a ", "*a", "[", "]", "{", "}", "'", '"', "\ufeff", "\x85"),
    ]
)
_texts = st.lists(_pieces, max_size=40).map(lambda pieces: "".join(pieces).encode())
_names = st.sampled_from(
    ["a.yaml", "kustomization.yaml", "x/Kustomization", "b.json", "Chart.yaml", "templates/c.yml"]
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_names, st.one_of(_texts, st.binary(max_size=200)), max_size=4))
@example({"a.yaml": b"kind: Deployment\napiVersion: apps/v1\nspec: &a {template: *a}"})
@example({"a.yaml": b"kind: List\napiVersion: v1\nitems: [[[]], {kind: List, items: {}}]"})
def test_no_bytes_make_discovery_raise_or_hide_what_is_good(files: dict[str, bytes]) -> None:
    found = found_in({**files, "good/good.yaml": deployment("good-one")})
    assert "good/good.yaml" in {workload.path for workload in found.workloads}
    for row in (*found.failures, *found.notes):
        assert isinstance(row, Failure | Note)


@settings(max_examples=100, deadline=None)
@given(_texts)
def test_a_good_document_is_found_after_a_bad_one_in_the_same_file(data: bytes) -> None:
    text = data.replace(b"%YAML", b"").decode()
    found = found_in({"a.yaml": f"{text}\n---\n{deployment('good-one')}"})
    assert "good-one" in {workload.name for workload in found.workloads}


def test_a_file_of_nothing_but_broken_documents_is_told_in_a_few_lines() -> None:
    found = found_in({"a.yaml": "kind: Deployment\n[\n---\n" * 500})
    assert len(found.failures) == 21
    assert "480 more" in found.failures[-1].error


def test_a_name_that_is_too_long_for_one_is_not_taken() -> None:
    for text in (deployment("1" * 100_000), deployment(containers=f"        - name: {'a' * 300}\n")):
        (failure,) = found_in({"a.yaml": text}).failures
        assert len(failure.error) < 200
