"""What an edit may change besides, and whose containers it speaks of."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
from traced_charts import Case, Counting, program

from reconciler.model import ContainerRef, Field, NewValue, Reason, Refused
from reconciler.source.render import HelmRequest
from reconciler.source.tracing.edits import Edited, edit
from reconciler.source.tracing.helm import Traced, trace
from reconciler.source.units import Unit


@pytest.fixture(scope="module")
def renderer() -> Counting:
    return Counting(program())


def with_template(case: Case, before: str, after: str) -> Unit:
    unit = case.unit()
    assert isinstance(unit.request, HelmRequest)
    text = unit.request.chart["templates/all.yaml"].decode()
    assert before in text
    chart = {**unit.request.chart, "templates/all.yaml": text.replace(before, after).encode()}
    return unit._replace(request=unit.request._replace(chart=chart))


def wish(traced: Traced, field: Field, new: str) -> NewValue:
    return NewValue(traced.containers[0].slot(field), new)


# -- what the chart derives --------------------------------------------------------------------------


def test_a_derived_field_is_accepted_where_that_is_asked_for(renderer: Counting) -> None:
    case = Case("heap-from-the-limit")
    found = trace(case.unit(), renderer, case.read)
    bigger = [wish(found, Field.MEMORY_LIMIT, "1024Mi")]
    refused = edit(found, bigger, renderer, case.read)
    assert isinstance(refused, Refused)
    assert (refused.reason, "-Xmx256m → -Xmx512m" in refused.detail) == (Reason.SIDE_EFFECT, True)
    done = edit(found, bigger, renderer, case.read, derived=True)
    assert isinstance(done, Edited)
    assert [change.after for _, change in done.files] == [b"resources:\n  limits:\n    memory: 1024Mi\n"]
    (one,) = done.proof.derived
    assert (one.old, one.new, one.spot.path[-2:]) == ("-Xmx256m", "-Xmx512m", ("[JAVA_OPTS]", "value"))
    assert len(done.proof.changed) == 1


def test_what_is_meant_is_no_derived_field(renderer: Counting) -> None:
    case = Case("set-by-the-user")
    found = trace(case.unit(), renderer, case.read)
    done = edit(found, [wish(found, Field.CPU_REQUEST, "250m")], renderer, case.read, derived=True)
    assert isinstance(done, Edited)
    assert done.proof.derived == ()


def test_a_field_of_another_object_is_never_taken_for_derived(renderer: Counting) -> None:
    case = Case("heap-from-the-limit")
    config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
    config += "data: {heap: '{{ .Values.resources.limits.memory }}'}\n---\napiVersion"
    found = trace(with_template(case, "apiVersion", config), renderer, case.read)
    done = edit(found, [wish(found, Field.MEMORY_LIMIT, "1024Mi")], renderer, case.read, derived=True)
    assert isinstance(done, Refused)
    assert (done.reason, "ConfigMap web" in done.detail) == (Reason.SIDE_EFFECT, True)


def test_what_an_edit_switches_off_is_carried_over_and_not_derived(renderer: Counting) -> None:
    case = Case("preset")
    found = trace(case.unit(), renderer, case.read)
    one = edit(found, case.wishes(found), renderer, case.read)
    other = edit(found, case.wishes(found), renderer, case.read, derived=True)
    assert isinstance(one, Edited)
    assert isinstance(other, Edited)
    assert (other.files, other.proof.derived) == (one.files, ())
    assert one.proof.carried


def test_limits_that_vanish_are_not_derived(renderer: Counting) -> None:
    """Nothing can bring them back here, because the chart takes a request or limits of its own."""
    case = Case("set-by-the-user")
    template = '{{- if eq (toString .Values.resources.requests.cpu) "200m" }} {limits: {memory: 1Gi}, '
    template += "requests: {cpu: 200m}}{{ else }} {requests: {cpu: {{ .Values.resources.requests.cpu }}}}"
    template += "{{ end }}"
    unit = with_template(case, "{{- toYaml .Values.resources | nindent 12 }}", template)
    found = trace(unit, renderer, case.read)
    done = edit(found, [wish(found, Field.CPU_REQUEST, "250m")], renderer, case.read, derived=True)
    assert isinstance(done, Refused)
    assert (done.reason, "limits.memory" in done.detail) == (Reason.SIDE_EFFECT, True)


# -- whose containers --------------------------------------------------------------------------------


def test_consumers_in_other_units_are_left_to_their_own_proof(renderer: Counting) -> None:
    case = Case("tag-of-several-images")
    found = trace(case.unit(), renderer, case.read)
    slot = case.container(found).slot(Field.IMAGE)
    other = ContainerRef("elsewhere", "shop", "Deployment", "web", "web")
    merged = slot._replace(consumers=(other, *slot.consumers))
    done = edit(found, [NewValue(merged, "shop/web:1.5.0")], renderer, case.read)
    assert isinstance(done, Edited)
    assert {change.path: change.after for _, change in done.files} == case.golden()
    assert {one.ref.container: one.new.partition("@")[0] for one in done.proof.changed if one.ref} == {
        "migrate": "shop/migrate:1.5.0-slim",
        "web": "shop/web:1.5.0",
        "worker": "shop/worker:v1.5.0",
    }


def test_a_slot_that_another_unit_speaks_for(renderer: Counting) -> None:
    """The value is that of a container which this unit doesn't render."""
    case = Case("tag-of-several-images")
    found = trace(case.unit(), renderer, case.read)
    slot = case.container(found).slot(Field.IMAGE)
    other = ContainerRef("elsewhere", "shop", "Deployment", "api", "api")
    merged = slot._replace(consumers=(other, *slot.consumers), value="shop/api:1.4.2")
    done = edit(found, [NewValue(merged, "shop/api:1.5.0")], renderer, case.read)
    assert isinstance(done, Edited)
    assert {change.path: change.after for _, change in done.files} == case.golden()


def test_nothing_leads_to_containers_of_other_units_alone(renderer: Counting) -> None:
    case = Case("image-tag")
    found = trace(case.unit(), renderer, case.read)
    slot = case.container(found).slot(Field.IMAGE)
    other = ContainerRef("elsewhere", "shop", "Deployment", "web", "web")
    done = edit(found, [NewValue(slot._replace(consumers=(other,)), "nginx:1.26")], renderer, case.read)
    assert isinstance(done, Refused)
    assert done.reason is Reason.NOT_TRACED


def test_two_wishes_of_one_value_have_to_agree(renderer: Counting) -> None:
    case = Case("tag-of-several-images")
    found = trace(case.unit(), renderer, case.read)
    slots = {one.ref.container: one.slot(Field.IMAGE) for one in found.containers}
    both = [NewValue(slots["web"], "shop/web:1.5.0"), NewValue(slots["migrate"], "shop/migrate:1.6.0-slim")]
    done = edit(found, both, renderer, case.read)
    assert isinstance(done, Refused)
    assert "1.5.0" in done.detail
    assert "1.6.0" in done.detail


# -- many at once ------------------------------------------------------------------------------------


def test_tracing_changes_nothing_it_was_given_and_may_run_in_threads() -> None:
    names = ["tag-of-several-images", "preset", "range-over-a-list", "subchart-under-an-alias"] * 2
    units = [Case(name).unit() for name in names]
    before = copy.deepcopy(units)
    renderer = program()
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda unit: trace(unit, renderer), units))
    assert units == before
    alone = [trace(unit, renderer) for unit in units[:4]]
    assert threaded == [*alone, *alone]
    edits = [edit(one, [], renderer) for one in threaded]
    assert (units, all(isinstance(one, Edited) for one in edits)) == (before, True)
