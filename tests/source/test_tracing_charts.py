"""Every shape of chart below tests/charts: what is traced, what an edit writes, what is refused."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from traced_charts import CASES, CHARTS, Case, Counting, program

from reconciler.model import Field, FileChange, NewValue, Place, Reason, Refused
from reconciler.source.render import HelmRequest
from reconciler.source.tracing.edits import Edited, NewNumber, edit
from reconciler.source.tracing.helm import Traced, trace
from reconciler.source.tracing.proof import differences
from reconciler.source.tracing.rendered import Render
from reconciler.source.tracing.writing import write
from reconciler.source.units import Unit


@pytest.fixture(scope="module")
def renderer() -> Counting:
    return Counting(program())


def traced(case: Case, renderer: Counting) -> Traced:
    found = trace(case.unit(), renderer, case.read)
    assert found.refused is None
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_chart_of_every_shape(name: str, renderer: Counting) -> None:
    case = Case(name)
    found = traced(case, renderer)
    slot = case.container(found).slot(Field(next(iter(case.spec["set"]))))
    assert found.renders == case.spec.get("renders", found.renders)
    assert len(slot.consumers) == case.spec.get("consumers", 1)
    done = edit(found, case.wishes(found), renderer, case.read)
    if "refused" in case.spec:
        assert isinstance(done, Refused)
        assert done.reason.value == case.spec["refused"]
        assert case.spec.get("names", "") in done.detail
        assert case.golden() == {}
        return
    assert isinstance(done, Edited), done
    assert {change.path: change.after for _, change in done.files} == case.golden()
    assert {repository for repository, _ in done.files} == {"deploy"}
    assert slot.place.path in case.golden()
    assert len(done.proof.copies) == case.spec.get("copies", 0)
    assert done.proof.noise == case.spec.get("noise", 0)


def test_the_line_is_the_one_that_sets_the_value(renderer: Counting) -> None:
    for name in ("set-by-the-user", "block-in-an-application", "parameter-of-an-application"):
        case = Case(name)
        slot = case.container(traced(case, renderer)).slot(Field.CPU_REQUEST)
        line = (case.folder / slot.place.path).read_text().splitlines()[slot.line - 1]
        assert slot.value is not None
        assert slot.value in line


def test_enough_shapes_need_more_than_one_round() -> None:
    """The plain render, one round, and another."""
    later = [name for name in CASES if Case(name).spec.get("renders", 0) >= 3]
    assert len(later) >= 5


def test_no_chart_lacks_an_expectation() -> None:
    assert {path.name for path in CHARTS.iterdir() if path.is_dir()} == set(CASES)
    for name in CASES:
        case = Case(name)
        assert bool(case.golden()) != ("refused" in case.spec), name


def test_what_is_so_already_is_not_written(renderer: Counting) -> None:
    case = Case("set-by-the-user")
    found = traced(case, renderer)
    before = len(renderer.asked)
    done = edit(found, [NewValue(case.container(found).slot(Field.CPU_REQUEST), "200m")], renderer, case.read)
    assert isinstance(done, Edited)
    assert (done.files, len(renderer.asked)) == ((), before)


def test_an_edit_that_was_made_is_found_again(renderer: Counting) -> None:
    """The edited files, traced anew, hold the new value in the same place."""
    case = Case("preset")
    found = traced(case, renderer)
    done = edit(found, case.wishes(found), renderer, case.read)
    assert isinstance(done, Edited)
    again = trace(with_files(case.unit(), done), renderer, None)
    slots = {slot.field.value: slot for slot in case.container(again).slots}
    assert {name: slots[name].value for name in case.spec["set"]} == case.spec["set"]
    assert all(slots[name].refused is None for name in slots if name != "image")


def with_files(unit: Unit, done: Edited) -> Unit:
    after = {change.path: change.after for _, change in done.files}
    layers = tuple(one._replace(content=after.get(one.place.path, one.content)) for one in unit.layers)
    values = tuple(one.content for one in layers if not one.shared)
    assert unit.request is not None
    return unit._replace(layers=layers, request=unit.request._replace(values=values))


def test_one_render_less_for_every_field_that_needs_no_more(renderer: Counting) -> None:
    """All the fields of all containers come out of the plain render and one with sentinels."""
    found = traced(Case("two-fields-at-once"), renderer)
    assert found.renders == 2


def test_a_layer_that_may_not_be_edited_says_why(renderer: Counting) -> None:
    case = Case("set-by-the-user")
    unit = case.unit()
    why = Refused(Reason.ENCRYPTED, "the values are encrypted")
    found = trace(
        unit._replace(layers=(unit.layers[0], unit.layers[1]._replace(refused=why))), renderer, case.read
    )
    slot = case.container(found).slot(Field.CPU_REQUEST)
    assert slot.refused == why
    assert edit(found, [NewValue(slot, "300m")], renderer, case.read) == why


def test_a_value_below_a_parameter_that_sets_more(renderer: Counting) -> None:
    """A list given by parameter owns everything in it."""
    case = Case("parameter-for-a-tag")
    unit = case.unit()
    whole = unit.parameters[0]._replace(name="image")
    found = trace(unit._replace(parameters=(whole,)), renderer, case.read)
    refused = case.container(found).slot(Field.IMAGE).refused
    assert refused is not None
    assert (refused.reason, "`image`" in refused.detail) == (Reason.NO_EFFECT, True)


def test_a_list_of_the_defaults_is_not_begun_anew(renderer: Counting) -> None:
    """A file of the user that had one item of it would take away the others."""
    case = Case("range-over-a-list")
    unit = case.unit()
    assert isinstance(unit.request, HelmRequest)
    defaults = unit.layers[0]._replace(place=Place("deploy", "chart/values.yaml", 0, ()), shared=True)
    chart = {**unit.request.chart, "values.yaml": defaults.content}
    for content, line in (
        (b"a: 1\n", 0),
        (b"workers:\n  - name: push\n    resources: {requests: {cpu: 20m}}\n", 3),
    ):
        own = unit.layers[0]._replace(content=content)
        request = unit.request._replace(chart=chart, values=(content,))
        found = trace(unit._replace(request=request, layers=(defaults, own)), renderer)
        slot = case.container(found).slot(Field.CPU_REQUEST)
        if line:
            assert (slot.refused, slot.line) == (None, line)
        else:
            assert slot.refused is not None
            assert "`workers`" in slot.refused.detail


def test_without_the_file_a_block_cannot_be_edited(renderer: Counting) -> None:
    case = Case("block-in-an-application")
    found = trace(case.unit(), renderer)
    refused = case.container(found).slot(Field.CPU_REQUEST).refused
    assert refused is not None
    assert refused.reason is Reason.UNPROVEN


SCALED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: {{ .Values.replicaCount }}
  template:
    spec:
      containers: [{name: web, image: "nginx:1.25.3"}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  minReplicas: {{ .Values.autoscaling.minReplicas }}
  maxReplicas: 9
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .Values.autoscaling.targetCPU }}}
"""


def test_replicas_and_targets(renderer: Counting) -> None:
    case = Case("set-by-the-user")
    unit = case.unit()
    content = b"replicaCount: 3\nautoscaling:\n  minReplicas: 2\n  targetCPU: 80\n"
    assert unit.request is not None
    chart = {**unit.request.chart, "templates/all.yaml": SCALED.encode()}
    request = unit.request._replace(chart=chart, values=(content,))
    layers = (unit.layers[0], unit.layers[1]._replace(content=content))
    found = trace(unit._replace(request=request, layers=layers), renderer)
    by_path = {one.path[-1]: one for one in found.extras}
    lines = {name: one.line for name, one in by_path.items() if one.refused is None}
    assert lines == {"replicas": 1, "minReplicas": 3, "averageUtilization": 4}
    assert by_path["maxReplicas"].refused is not None
    done = edit(found, [], renderer, None, [NewNumber(by_path["averageUtilization"], "60")])
    assert isinstance(done, Edited)
    assert [change.after for _, change in done.files] == [content.replace(b"80", b"60")]


def test_the_proof_would_see_another_change(renderer: Counting) -> None:
    """The golden edit with one more byte is no longer proven."""
    case = Case("set-by-the-user")
    found = traced(case, renderer)
    assert found.plain is not None
    request = case.unit().request
    assert request is not None
    more = case.golden()["values-prod.yaml"].replace(b"    cpu", b"    memory: 1Gi\n    cpu")
    answer = renderer.render(request._replace(values=(more,)))
    assert not isinstance(answer, Refused)
    seen = differences(Render(found.plain.text), Render(answer.text))
    assert Counter(spot.path[-1] for spot in seen) == {"cpu": 1, "memory": 1}


def test_files_are_written_through_their_own_layer_alone(renderer: Counting) -> None:
    """One Application file that holds a block and a parameter gets both edits, and both count."""
    case = Case("parameter-of-an-application")
    found = traced(case, renderer)
    wishes = [
        NewValue(case.container(found).slot(Field.CPU_REQUEST), "300m"),
        NewValue(case.container(found).slot(Field.MEMORY_LIMIT), "512Mi"),
    ]
    done = edit(found, wishes, renderer, case.read)
    assert isinstance(done, Edited)
    changed = {change.path: change for _, change in done.files}
    assert set(changed) == {"app.yaml", "values-prod.yaml"}
    assert json.loads(json.dumps(changed["app.yaml"].after.decode())).count("value: 300m") == 1
    assert isinstance(changed["values-prod.yaml"], FileChange)
    assert b"memory: 512Mi" in changed["values-prod.yaml"].after


def test_nothing_is_written_when_nothing_can_be(renderer: Counting) -> None:
    case = Case("set-by-the-user")
    unit = case.unit()
    assert write(unit, unit.request, [], case.read).files == {}  # type: ignore[union-attr,arg-type]
