"""Files whose documents are hard to count: the workload that is meant changes, or none does.

What a file means is worked out the way kubectl does it: lines that begin with `---` part documents,
whatever stands around them, and of each part the first document counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
import yaml12
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from trees import found_in

from reconciler.model import Field, NewValue, Refused
from reconciler.source.rewrite import rewrite_values
from reconciler.source.yamledit import Assignment, parse, rewrite
from reconciler.source.yamledit.reading import parse_some

NEW = "777m"
BREAKS = [*["\n"] * 15, "\r\n", "\r", "\x85", "\u2028", "\u2029"]
MARKERS = [*["---"] * 15, "--- ", "---\t", "--- # next", "--- text", "--- |", "--- {a: 1}", "----"]
MARKERS += ["---x: 1", "-----BEGIN CERTIFICATE-----", "...", "... # end", "...x", "---\x85", "---\u2028", ""]
JUNK = [
    "a: 1",
    "{a: 1}",
    "a: [",
    "- a",
    "a: |",
    "a: '",
    "text",
    "# comment",
    "",
    " ",
    "\t",
    "{{ if .on }}",
    "{{ end }}",
    "kind: Secret",
    "-----BEGIN CERTIFICATE-----",
    "-----END CERTIFICATE-----",
    "%YAML 1.1",
    "%YAML 1.2",
    "%TAG ! !x",
    "%",
    "\ufeff",
    "a: *b",
    "x: &b 1",
    "\x01",
]


def workload(name: str, *, kind: str = "Deployment", cpu: str = "100m") -> list[str]:
    return [
        "apiVersion: apps/v1",
        f"kind: {kind}",
        "metadata:",
        f"  name: {name}",
        "spec:",
        "  template:",
        "    spec:",
        "      containers:",
        "        - name: app",
        f"          resources: {{requests: {{cpu: {cpu}}}}}",
        "        - name: proxy",
        "          resources:",
        "            requests:",
        f"              cpu: {cpu}  # sized",
    ]


def listed(names: list[str]) -> list[str]:
    items = ["- " + "\n  ".join(workload(name)) for name in names]
    return ["kind: List", "apiVersion: v1", "items:", *"\n".join(items).split("\n")]


@st.composite
def documents(draw: st.DrawFn, name: str) -> list[str]:
    """The lines of one document, workloads more often than not."""
    kind = draw(st.sampled_from(["workload", "workload", "workload", "list", "junk", "junk"]))
    if kind == "workload":
        return workload(name, kind=draw(st.sampled_from(["Deployment", "StatefulSet"])))
    if kind == "list":
        return listed([name, f"{name}-too"])
    return draw(st.lists(st.sampled_from(JUNK), max_size=4))


@st.composite
def files(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", "", "", "\ufeff", "# head\n", "%YAML 1.1\n", "# head\r"]))
    for name in ("web", "db", "api", "job"):
        usual = draw(st.sampled_from(BREAKS))
        text += draw(st.sampled_from(MARKERS)) + draw(st.sampled_from(BREAKS))
        for line in draw(documents(name)):
            text += line + usual
        if draw(st.booleans()):  # a line that ends as no other around it does
            text += draw(st.sampled_from(JUNK)) + draw(st.sampled_from(BREAKS))
    return text


# -- what a file means, without any code of the product -------------------------------------------


def parts(text: str) -> Iterator[str]:
    part = ""
    for line in text.removeprefix("\ufeff").split("\n"):
        # kubectl refuses a file with text behind a marker; others take it for the document's first line
        if line.startswith("---") and (line == "---" or line[3].isspace()):
            yield part
            part = ""
        part += line + "\n"
    yield part


def by_libyaml(part: str) -> Any:
    """The first document of a part, for that is what kubectl goes by."""
    try:
        return next(yaml.load_all(part, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError):
        return None


def by_yaml12(part: str) -> Any:
    try:
        return yaml12.parse_yaml(part, multi=True)[0]
    except (ValueError, TypeError):
        return None


def settings_of(document: Any) -> Iterator[tuple[str, str, str, str]]:
    for found in document["items"] if document["kind"] == "List" else [document]:
        if not isinstance(found, dict):
            continue
        for container in found["spec"]["template"]["spec"]["containers"]:
            cpu = container["resources"]["requests"]["cpu"]
            yield found["kind"], found["metadata"]["name"], container["name"], cpu


def without_new(value: Any, old: str) -> Any:
    """All that a document means, the new value taken back."""
    if isinstance(value, dict):
        return {key: without_new(own, old) for key, own in value.items()}
    if isinstance(value, list):
        return [without_new(own, old) for own in value]
    return old if value == NEW else value


def check(before: str, after: str, meant: tuple[str, str, str]) -> None:
    old, new = list(parts(before)), list(parts(after))
    assert len(old) == len(new)
    changed = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
    assert len(changed) == 1
    for read in (by_libyaml, by_yaml12):
        first, second = read(changed[0][0]), read(changed[0][1])
        if read is by_yaml12 and (first is None or "kind" not in first):
            continue  # a line break that only libyaml takes for one: then it can't tell
        assert first is not None
        assert second is not None
        was, now = list(settings_of(first)), list(settings_of(second))
        assert [one[:3] for one in was] == [one[:3] for one in now]
        assert [two for one, two in zip(was, now, strict=True) if one != two] == [(*meant, NEW)]
        assert without_new(second, "100m") == first


@given(files())
@settings(max_examples=250, deadline=None)
@example("a: 1\r---\rb: 2\n---\n" + "\n".join(workload("web")) + "\n---\n" + "\n".join(workload("db")))
@example(
    "%YAML 1.1\n---\n" + "\n".join(workload("web")) + "\n...\n%YAML 1.1\n---\n" + "\n".join(workload("db"))
)
@example(
    "\n".join(workload("api"))
    + "\n\x85kind: List\napiVersion: v1\nitems:\n- "
    + "\n  ".join(workload("job"))
    + "\n"
)
def test_the_workload_that_is_meant_changes_or_none(before: str) -> None:
    found = found_in({"a.yaml": before})
    event("workloads: " + str(len(found.workloads)))
    for container in (one for each in found.workloads for one in each.containers):
        slot = container.slot(Field.CPU_REQUEST)
        place, data = slot.place, before.encode()
        changes, refused = rewrite_values({"a.yaml": data}, [NewValue(slot, NEW)])
        alone = rewrite(data, [Assignment(place.document, place.keys, NEW)])
        if slot.refused is not None or isinstance(alone, Refused):
            assert refused is not None  # and nothing else could have been written
            assert changes == {}
            event("refused")
            continue
        assert refused is None, refused  # who it is for was told right, so there is nothing to mistake
        assert changes["a.yaml"].after == alone
        ref = container.ref
        check(before, alone.decode(), (ref.kind, ref.workload, ref.container))
        event("edited")


@given(files(), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_a_document_has_its_number_whoever_asks_for_which(text: str, wanted: int) -> None:
    everything, some = parse(text), parse_some(text, {wanted})
    assert [one.index for one in everything] == list(range(len(everything)))
    assert [(one.index, one.start) for one in everything] == [(one.index, one.start) for one in some]
    if wanted < len(everything):
        assert some[wanted] == everything[wanted]
    rest = text.removeprefix("\ufeff")
    assert len(everything) <= sum(line.startswith("---") for line in rest.split("\n")) + 1
