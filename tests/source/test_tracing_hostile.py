"""Renders and charts that nobody should have written: a reason, and never a crash."""

from __future__ import annotations

import gzip
import io
import tarfile
import time

import pytest

from reconciler.model import Field, NewValue, Place, Reason, Refused
from reconciler.source.render import HelmRequest, Rendered, Request
from reconciler.source.tracing.charts import charts, defaults, mapping, parameter_keys
from reconciler.source.tracing.edits import edit
from reconciler.source.tracing.helm import trace
from reconciler.source.tracing.proof import differences
from reconciler.source.tracing.reads import fallbacks, read_paths, reads_any, relative_paths
from reconciler.source.tracing.rendered import Render
from reconciler.source.units import Layer, Unit

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: "web:1", resources: {requests: {cpu: 100m}}}]}}}
"""


class Says:
    """A renderer that always answers the same, or one text after another."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked = 0

    def render(self, request: Request) -> Rendered | Refused:
        text = self.texts[min(self.asked, len(self.texts) - 1)]
        self.asked += 1
        if text.startswith("!"):
            return Refused(Reason.RENDER_FAILED, text[1:])
        return Rendered(text, "helm 0")


def unit(values: bytes = b"resources: {}\n", **chart: bytes) -> Unit:
    files = {"Chart.yaml": b"name: web\n", "values.yaml": values, **chart}
    layer = Layer(Place("deploy", "values.yaml", 0, ()), False, values)
    return Unit(
        "web", "deploy", "web", 7, "", "shop", HelmRequest(files, (values,), (), "web", "shop"), (layer,)
    )


DEEP = "kind: Deployment\napiVersion: apps/v1\nspec: " + "{a: " * 5_000 + "1" + "}" * 5_000 + "\n"
BOMB = "kind: Deployment\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n---\n---\n# nothing\n",
        "just words\n",
        "- a\n- list\n",
        "kind: Deployment\n",
        "kind: Deployment\napiVersion: apps/v1\nspec: [1, 2]\n",
        "kind: [Deployment]\nmetadata: text\n",
        WEB.replace("{name: web}", "{name: [1]}"),
        WEB.replace("containers: [", "containers: {a: [").replace("}]}}}", "}]}}}}"),
        WEB.replace("[{name: web", "[7, null, [], {name: {}}, {image: x, name: ''").replace(
            "{name: web}", "{}"
        ),
        "kind: Deployment\nspec: {template: \n  [\n",
        "kind: Deployment\n\tspec: 1\n",
        "kind: Deployment\n? {a: 1}\n: 2\n",
        "kind: Deployment\na: *nobody\n",
        "kind: Deployment\na: &a [*a]\n",
        "kind: List\nitems: " + "[{kind: List, items: " * 30 + "[]" + "}]" * 30 + "\n",
        DEEP,
        BOMB,
        "kind: Deployment\n" + "a: \x07\n",
    ],
)
def test_renders_without_a_container_have_none(text: str) -> None:
    begun = time.monotonic()
    found = trace(unit(), Says(text))
    assert (found.refused, found.containers) == (None, ())
    differences(Render(text), Render(text + WEB))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "text", ["kind: Deployment\nspec: [\n", DEEP, BOMB, "kind: Deployment\na: *nobody\n"]
)
def test_what_cannot_be_read_is_told_and_hides_nothing_else(text: str) -> None:
    found = trace(unit(), Says(f"{text}---\n{WEB}"))
    assert [one.ref.container for one in found.containers] == ["web"]
    assert found.trouble


def test_more_text_than_anyone_reads() -> None:
    found = trace(unit(), Says("a: 1\n" * 2_000_000))
    assert found.containers == ()
    assert "more than" in found.trouble


def test_of_two_equal_keys_the_last_counts() -> None:
    found = trace(unit(), Says(WEB.replace("cpu: 100m", "cpu: 100m, cpu: 200m")))
    assert found.containers[0].slot(Field.CPU_REQUEST).value == "200m"


@pytest.mark.parametrize("name", ["../../etc", "a b", "ä€", "x" * 250, "-", "{{ x }}"])
def test_odd_names_are_names(name: str) -> None:
    found = trace(unit(), Says(WEB.replace("name: web", f'name: "{name}"')))
    assert [one.ref.container for one in found.containers] == [name]
    assert all(slot.refused is not None for slot in found.containers[0].slots)


def test_a_name_longer_than_any_is_no_container() -> None:
    assert trace(unit(), Says(WEB.replace("[{name: web", f"[{{name: {'x' * 300}"))).containers == ()


def test_a_chart_that_refuses_every_sentinel_is_asked_a_bounded_number_of_times() -> None:
    values = b"".join(
        b"c%d: {resources: {requests: {cpu: %dm}}, tag: v%d}\n" % (at, at, at) for at in range(50)
    )
    says = Says(WEB, "!no: nothing but the defaults will do")
    found = trace(unit(values), says)
    assert says.asked <= 16
    refused = found.containers[0].slot(Field.CPU_REQUEST).refused
    assert refused is not None
    assert refused.reason is Reason.NOT_TRACED
    assert "nothing but the defaults will do" in refused.detail


def test_a_chart_that_cannot_be_rendered_keeps_its_own_reason() -> None:
    found = trace(unit(), Says("!the chart wants a password"))
    assert found.refused == Refused(Reason.RENDER_FAILED, "the chart wants a password")
    assert edit(found, [], Says("")) == found.refused


def test_containers_that_vanish_with_the_sentinels() -> None:
    found = trace(unit(), Says(WEB, "kind: Nothing\n"))
    assert all(slot.refused is not None for slot in found.containers[0].slots)


def test_a_render_that_changes_its_mind_is_not_trusted() -> None:
    """The sentinel came out once; the edit comes out elsewhere."""
    sentinel = WEB.replace("100m", "70001m")
    says = Says(WEB, sentinel, WEB.replace("web:1", "web:2"))
    found = trace(unit(), says)
    slot = found.containers[0].slot(Field.CPU_REQUEST)
    assert slot.refused is None
    says.texts = [WEB.replace("web:1", "web:2"), WEB]
    says.asked = 0
    done = edit(found, [NewValue(slot, "250m")], says)
    assert isinstance(done, Refused)
    assert done.reason is Reason.SIDE_EFFECT
    assert "image" in done.detail


def test_an_edit_that_nothing_comes_of() -> None:
    found = trace(unit(), Says(WEB, WEB.replace("100m", "70001m")))
    done = edit(found, [NewValue(found.containers[0].slot(Field.CPU_REQUEST), "250m")], Says(WEB))
    assert isinstance(done, Refused)
    assert done.reason is Reason.NO_EFFECT
    assert "stays 100m" in done.detail


def test_what_a_secret_holds_is_not_told() -> None:
    secret = "---\nkind: Secret\nmetadata: {name: s}\ndata: {password: %s}\n"
    found = trace(unit(), Says(WEB + secret % "aaaa", (WEB + secret % "aaaa").replace("100m", "70001m")))
    after = WEB.replace("100m", "250m") + secret % "bbbb"
    done = edit(
        found,
        [NewValue(found.containers[0].slot(Field.CPU_REQUEST), "250m")],
        Says(after, WEB + secret % "aaaa"),
    )
    assert isinstance(done, Refused)
    assert "data.password" in done.detail
    assert "aaaa" not in done.detail + repr(done)
    assert "bbbb" not in done.detail


# -- charts ----------------------------------------------------------------------------------------


def packed(files: dict[str, bytes]) -> bytes:
    """Equal files give equal bytes: gzip would write the time into them."""
    made = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as packing,
        tarfile.open(fileobj=packing, mode="w") as archive,
    ):
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def test_dependencies_as_archives_and_under_aliases() -> None:
    inner = {"worker/Chart.yaml": b"name: worker\n", "worker/values.yaml": b"a: 1\nb: 2\nglobal: {g: 1}\n"}
    files = {
        "Chart.yaml": b"name: web\ndependencies: [{name: worker, alias: one}, {name: worker, alias: two}]\n",
        "values.yaml": b"two: {a: 3}\n",
        "charts/worker-1.0.0.tgz": packed(inner),
    }
    tree = charts(files)
    assert [chart.prefix for chart in tree] == [(), ("one",), ("two",), ("worker",)]
    values = defaults(tree)
    assert (values["one"], values["two"], values["global"]) == ({"a": 1, "b": 2}, {"a": 3, "b": 2}, {"g": 1})


@pytest.mark.parametrize(
    "archive",
    [b"", b"no archive", packed({"../x/Chart.yaml": b"name: x\n"})[:40], b"\x1f\x8b\x08"],
    ids=["empty", "text", "cut short", "the first bytes"],
)
def test_archives_that_are_none(archive: bytes) -> None:
    assert len(charts({"Chart.yaml": b"name: web\n", "charts/x.tgz": archive})) == 1


def test_a_chart_within_itself_ends() -> None:
    files = {"Chart.yaml": b"name: a\n"}
    for depth in range(40):
        files["charts/a/" * (depth + 1) + "Chart.yaml"] = b"name: a\n"
    assert len(charts(files)) < 20


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"[1]", b"a: [", b"a: *b", b"", b"text"])
def test_values_that_are_none(data: bytes) -> None:
    assert mapping(data) == {}
    assert trace(unit(data), Says(WEB)).containers[0].slot(Field.IMAGE).refused is not None


def test_endless_templates_are_read_in_time() -> None:
    text = b"{{ " + b"(" * 50_000 + b".Values.a" + b").b" * 50_000 + b" }}" + b'index .Values "a"' * 20_000
    begun = time.monotonic()
    more = b"{{ " + b"default .resources " * 20_000 + b"index a " * 50_000 + b"{{ default " * 30_000
    files = {"Chart.yaml": b"name: a\n", "templates/a.yaml": text, "templates/b.yaml": more}
    tree = charts(files)
    read_paths(tree)
    relative_paths(tree)
    reads_any(tree[0])
    fallbacks(tree)
    assert time.monotonic() - begun < 5


def test_names_of_parameters() -> None:
    assert parameter_keys("a.b\\.c[0].d") == ("a", "b.c", 0, "d")
    assert parameter_keys("") == ()
    assert parameter_keys("a[x].b\\") == ("a", "x", "b")
