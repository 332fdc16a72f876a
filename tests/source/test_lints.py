"""Edits that would be void: what an Application ignores, and what it does not look at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit_repositories import CHART, application, found, unit

from reconciler.model import FIELDS, ContainerRef, Field, Place, Reason, Refused, Slot
from reconciler.source.lints import ignored, unwatched, void, void_target
from reconciler.source.tracing.rendered import Render
from reconciler.source.units import Deployed, Ignored, Unit

APP = Deployed("web", "argocd", "default", "charts/web", (), True)
UNIT = Unit("web", "deploy", "apps/web.yaml", 1, "prod", "shop", None, application=APP)
TEXT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers:
      - {name: setup, image: busybox:1}
      containers:
      - name: web
        image: nginx:1.25
        resources: {requests: {cpu: 200m, memory: 1Gi}}
      - name: log
        image: fluent:2
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: other}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: web, image: "job:1"}]}}}}}
"""
RENDER = Render(TEXT, "prod", "shop")
WEB = ContainerRef("prod", "shop", "Deployment", "web", "web")
LOG = WEB._replace(container="log")
SETUP = WEB._replace(container="setup")
JOB = ContainerRef("prod", "other", "CronJob", "nightly", "web")
PODS = "/spec/template/spec"
CPU = Field.CPU_REQUEST


def entry(*pointers: str, group: str = "apps", kind: str = "Deployment", **more: object) -> Ignored:
    rest = {"name": "", "namespace": "", "queries": (), "managers": ()} | more
    return Ignored(group=group, kind=kind, pointers=pointers, **rest)


def query(text: str, **more: object) -> Ignored:
    return entry(queries=(text,), **more)


def finds(one: Ignored, ref: ContainerRef = WEB, field: Field = CPU) -> bool:
    answer = ignored(UNIT._replace(ignored=(one,)), field, ref, RENDER)
    assert answer is None or answer.reason is Reason.IGNORED_DIFFERENCE
    return answer is not None


# -- what autoscalers aim for ----------------------------------------------------------------------

HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaler}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
  - {type: External, external: {metric: {name: queue}}}
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
"""
TARGET = Slot(Place("deploy", "charts/web/hpa.yaml", 0, ("spec",)), 9, Field.CPU_TARGET, "60", (WEB, LOG))


def finds_target(one: Ignored, *, keeps: bool = True, unit: Unit = UNIT, name: str = "scaler") -> bool:
    app = (unit.application or APP)._replace(keeps_ignored=keeps)
    render = Render(f"{TEXT}---\n{HPA}", "prod", "shop")
    found = next(each for each in render.workloads() if each.identity.name == name)
    why = void_target(unit._replace(ignored=(one,), application=app), TARGET, found, render)
    assert why is None or (why.reason is Reason.IGNORED_DIFFERENCE and "scaler" in why.detail)
    return why is not None


def on_scaler(*pointers: str, **more: object) -> Ignored:
    return entry(*pointers, group="autoscaling", kind="HorizontalPodAutoscaler", **more)


@pytest.mark.parametrize(
    "one",
    [
        on_scaler("/spec/metrics"),
        on_scaler("/spec/metrics/1/resource/target/averageUtilization"),
        on_scaler(queries=(".spec.metrics[].resource.target",)),
        entry("/spec", group="*", kind="*"),
    ],
)
def test_a_target_that_no_sync_would_bring_along(one: Ignored) -> None:
    assert finds_target(one)
    assert not finds_target(one, keeps=False)  # it comes with the request's sync
    assert not finds_target(one, name="web")  # which aims for nothing


@pytest.mark.parametrize(
    "one",
    [
        on_scaler("/spec/minReplicas", "/spec/metrics/0", "/status"),
        on_scaler("/spec", name="another"),
        entry("/spec"),
    ],
)
def test_a_target_that_is_not_ignored(one: Ignored) -> None:
    assert not finds_target(one)


# -- ignoreDifferences: what must not be found -----------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        entry("/spec/replicas"),
        entry(f"{PODS}/containers/1/resources"),
        entry(f"{PODS}/initContainers/0"),
        entry(f"{PODS}/containers/0/resources/limits"),
        entry(f"{PODS}/containers/0/resources/requests/memory"),
        entry(f"{PODS}/containers/0/resources/requests/cpu/x"),
        entry(f"{PODS}/containers/00/resources"),
        entry(f"{PODS}/containers/-/resources"),
        entry(f"{PODS}/containers/-1/resources"),
        entry(f"{PODS}/containers/9/resources"),
        entry(f"{PODS}/containers/web/resources"),
        entry(f"{PODS}/containers~10/resources"),
        entry(""),
        entry("spec"),
        entry("/spec", group=""),  # without a group: the core group
        entry("/spec", group="batch"),
        entry("/spec", kind=""),
        entry("/spec", kind="StatefulSet"),
        entry("/spec", name="web-2"),
        entry("/spec", namespace="other"),
        entry("/spec/jobTemplate", group="*", kind="*"),
        entry(managers=("kube-controller-manager", "vpa-admission-controller")),
        query(".spec.replicas"),
        query(".spec.template.spec.containers[1].resources"),
        query('.spec.template.spec.containers[] | select(.name == "log")'),
        query(".spec.template.spec.initContainers[]?"),
        query(".spec.template.spec.containers[].resources.limits"),
        query(".spec.template.spec.volumes[].name, .spec"),  # jq stops at the first
        query(".metadata.annotations | with_entries(select(.key == 1))"),
        query(".spec", kind="StatefulSet"),
    ],
)
def test_differences_that_are_ignored_elsewhere(one: Ignored) -> None:
    assert not finds(one)


@pytest.mark.parametrize(
    "one",
    [
        entry("/spec"),
        entry(PODS),
        entry(f"{PODS}/containers"),
        entry(f"{PODS}/containers/0"),
        entry(f"{PODS}/containers/-2"),
        entry(f"{PODS}/containers/0/resources"),
        entry(f"{PODS}/containers/0/resources/requests/cpu"),
        entry("/metadata", "/spec/template"),
        entry("~/spec"),  # what stands before the first slash is nothing to Argo CD
        entry("/spec", group="*", kind="*"),
        entry("/spec", group="app?", kind="{StatefulSet,Deployment}"),
        entry("/spec", name="web", namespace="shop"),
        entry(managers=("argocd-controller",)),
        query(".spec.template.spec.containers[].resources"),
        query(".spec.template.spec.containers[]?.resources"),
        query(".spec.template.spec.containers[0].resources.requests"),
        query('.spec.template.spec.containers[] | select(.name == "web")'),
        query('.spec.template.spec.containers[] | select(.name | test("^w")) | .resources'),
        query('.spec.template.spec.containers[] | select(.name != "log").resources.requests.cpu'),
        query('.spec."template"["spec"]'),
        query(".. | .resources?"),
        query(".spec.replicas, .spec.template"),
        query(".spec.template.spec.containers | map(.resources)"),  # not known here, so taken for all
    ],
)
def test_differences_that_are_ignored_here(one: Ignored) -> None:
    assert finds(one)


def test_a_field_that_nothing_sets_yet_is_looked_for_where_it_will_stand() -> None:
    assert finds(entry(f"{PODS}/containers/1/resources/requests"), LOG)
    assert finds(
        query('.spec.template.spec.containers[] | select(.name == "log").resources.requests.cpu'), LOG
    )
    assert finds(query(".spec.template.spec.containers[] | select(.resources.requests.cpu)"), LOG)


def test_init_containers_and_jobs_have_paths_of_their_own() -> None:
    assert finds(entry(f"{PODS}/initContainers/0/image"), SETUP, Field.IMAGE)
    assert not finds(entry(f"{PODS}/containers/0"), SETUP)
    jobs = "/spec/jobTemplate/spec/template/spec/containers/0"
    assert finds(entry(jobs, group="batch", kind="CronJob", namespace="other"), JOB)
    assert not finds(entry(jobs, group="batch", kind="CronJob", namespace="shop"), JOB)


def test_the_reason_says_what_and_whether_a_sync_would_help() -> None:
    one = UNIT._replace(ignored=(query(".spec.template.spec.containers[].resources"),))
    answer = ignored(one, CPU, WEB, RENDER)
    assert answer is not None
    assert answer.detail == (
        "the Application web ignores differences of Deployment web in "
        ".spec.template.spec.containers[].resources: the change alone would start no sync"
    )
    never = one._replace(application=APP._replace(keeps_ignored=True))
    answer = ignored(never, CPU, WEB, RENDER)
    assert answer is not None
    assert answer.detail.endswith("not even a sync would bring the change along")


def test_a_container_that_is_not_rendered_is_not_looked_for() -> None:
    for ref in (WEB._replace(workload="gone"), WEB._replace(container="gone"), WEB._replace(kind="Thing")):
        assert not finds(entry("/spec", group="*", kind="*"), ref)


# -- laws ------------------------------------------------------------------------------------------

_CONTAINERS = {"web": ("containers", 0), "log": ("containers", 1), "setup": ("initContainers", 0)}
_REFS = st.sampled_from([WEB, LOG, SETUP])
_FIELDS = st.sampled_from(list(FIELDS))


def way(ref: ContainerRef, field: Field) -> list[str]:
    key, at = _CONTAINERS[ref.container]
    last = ["image"] if field is Field.IMAGE else ["resources", *field.value.split(".")]
    return ["spec", "template", "spec", key, str(at), *last]


@given(_REFS, _FIELDS, st.data())
def test_a_pointer_that_covers_a_field_is_always_found(
    ref: ContainerRef, field: Field, data: st.DataObject
) -> None:
    tokens = way(ref, field)
    pointer = "/" + "/".join(tokens[: data.draw(st.integers(1, len(tokens)))])
    assert finds(entry(pointer), ref, field)


@given(_REFS, _REFS, _FIELDS, _FIELDS, st.integers(5, 8))
def test_one_for_another_container_never(
    ref: ContainerRef, other: ContainerRef, field: Field, theirs: Field, length: int
) -> None:
    pointer = "/" + "/".join(way(other, theirs)[:length])
    covers = way(ref, field)[: len(pointer.split("/")) - 1] == pointer.split("/")[1:]
    assert finds(entry(pointer), ref, field) is covers
    assert covers is False or ref == other


@given(_REFS, _REFS, _FIELDS, st.sampled_from(['.name == "{}"', '.name|test("^{}$")', '"{}" == .name']))
def test_a_query_finds_the_container_that_it_names_and_no_other(
    ref: ContainerRef, other: ContainerRef, field: Field, condition: str
) -> None:
    last = ".image" if field is Field.IMAGE else ".resources"
    named = condition.replace("{}", other.container)
    text = f".spec.template.spec | (.containers[], .initContainers[]) | select({named}) | {last}"
    assert finds(query(text), ref, field) is (ref == other)


@given(_REFS, _FIELDS, st.text(max_size=30), st.text(max_size=30))
def test_whatever_an_entry_says_there_is_an_answer(
    ref: ContainerRef, field: Field, pointer: str, text: str
) -> None:
    finds(Ignored("*", "*", "", "", (pointer,), (text,), (pointer,)), ref, field)


# -- manifest-generate-paths -----------------------------------------------------------------------


def watching(paths: str | None, path: str = "charts/web") -> Unit:
    return UNIT._replace(generate_paths=paths, application=APP._replace(path=path))


def place(path: str, repository: str = "deploy") -> Place:
    return Place(repository, path, 0, ("a",))


@pytest.mark.parametrize(
    ("paths", "path"),
    [
        (".", "charts/web/values.yaml"),
        (".", "charts/web/env/prod.yaml"),
        (".;../shared", "charts/shared/all.yaml"),
        ("/shared", "shared/deep/all.yaml"),
        ("/shared/", "shared/all.yaml"),
        ("/shared/all.yaml", "shared/all.yaml"),
        ("/shared/*-prod.yaml", "shared/a-prod.yaml"),
        ("env/*/values.yaml", "charts/web/env/eu/values.yaml"),
        (" . ; /shared ", "shared/all.yaml"),
        ("/", "anything/at/all.yaml"),
        ("../../../..", "anything/at/all.yaml"),
        ("", "anything.yaml"),
        (" ; ", "anything.yaml"),
        (None, "anything.yaml"),
    ],
)
def test_files_that_argo_cd_looks_at(paths: str | None, path: str) -> None:
    assert unwatched(watching(paths), place(path)) is None


@pytest.mark.parametrize(
    ("paths", "path"),
    [
        (".", "shared/all.yaml"),
        (".", "charts/web-2/values.yaml"),
        (".", "charts/values.yaml"),
        ("/shared", "shared-2/all.yaml"),
        ("/shared/*.yaml", "shared/deep/all.yaml"),
        ("templates;/shared", "charts/web/values.yaml"),
        ("/charts/web/values.yaml", "charts/web/values-prod.yaml"),
        ("charts/web", "charts/web/values.yaml"),  # relative to the source's path
    ],
)
def test_files_that_it_does_not_look_at(paths: str, path: str) -> None:
    answer = unwatched(watching(paths), place(path))
    assert answer is not None
    assert answer.reason is Reason.NOT_WATCHED
    assert path in answer.detail
    assert paths in answer.detail


def test_the_same_paths_count_in_every_repository() -> None:
    assert unwatched(watching("."), place("values/web.yaml", "values")) is not None
    assert unwatched(watching(".;/values"), place("values/web.yaml", "values")) is None
    assert unwatched(watching(".", path=""), place("values/web.yaml", "values")) is None


def test_what_stands_in_the_application_is_always_seen() -> None:
    assert unwatched(watching("/nowhere"), place("apps/web.yaml")) is None
    assert unwatched(watching("/nowhere"), place("apps/web.yaml", "other")) is not None


def test_the_application_of_an_application_has_to_look_at_it() -> None:
    root = Unit("root", "deploy", "root.yaml", 1, "prod", "argocd", None)
    for paths, seen in ((".", True), ("/charts", False)):
        parent = root._replace(
            generate_paths=paths, application=Deployed("root", "argocd", "default", "apps", (), True)
        )
        child = watching("/nowhere")._replace(parent=parent)
        assert (unwatched(child, place("apps/web.yaml")) is None) is seen
        assert unwatched(child, place("root.yaml")) is not None


def test_nobody_watches_what_no_application_deploys() -> None:
    one = watching("/nowhere")._replace(application=None)
    assert unwatched(one, place("charts/web/values.yaml")) is None


@given(st.text(max_size=30), st.text(st.sampled_from("abc./*[]-é"), min_size=1, max_size=20))
def test_whatever_the_paths_are_there_is_an_answer(paths: str, path: str) -> None:
    answer = unwatched(watching(paths), place(path))
    assert answer is None or answer.reason is Reason.NOT_WATCHED


# -- both, on an Application as it is written ------------------------------------------------------


def test_an_application_as_it_is_written() -> None:
    more = """\
        ignoreDifferences:
        - {group: apps, kind: Deployment, jqPathExpressions: [".spec.template.spec.containers[0].image"]}
        """
    text = application("web", "path: charts/web", more=more)
    note = "annotations: {argocd.argoproj.io/manifest-generate-paths: /charts}"
    text = text.replace("  namespace: argocd\n", f"  namespace: argocd\n  {note}\n")
    one = unit(found({"charts/web/Chart.yaml": CHART, "apps/web.yaml": text}), "web")

    def slot(field: Field, path: str) -> Slot:
        return Slot(place(path), 1, field, "x", (WEB,))

    def reason(found: Refused | None) -> Reason | None:
        return found.reason if found is not None else None

    assert reason(void(one, slot(CPU, "charts/web/values.yaml"), WEB, RENDER)) is None
    assert reason(void(one, slot(CPU, "values.yaml"), WEB, RENDER)) is Reason.NOT_WATCHED
    image = slot(Field.IMAGE, "charts/web/values.yaml")
    assert reason(void(one, image, WEB, RENDER)) is Reason.IGNORED_DIFFERENCE
    assert reason(void(one, image, LOG, RENDER)) is None
