"""What is, and what is not, a workload in a file of manifests."""

from __future__ import annotations

import json
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import deployment, found_in, lines, only, values

from reconciler.model import Field, Reason
from reconciler.source import facts, manifests
from reconciler.source.yamledit import parse, where

POD_SPEC = """\
containers:
  - name: app
    image: nginx:1.25
"""


def _object(version: str, kind: str, path: str) -> str:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web}}\n"
    indent = ""
    for key in path.split("."):
        text += f"{indent}{key}:\n"
        indent += "  "
    return text + textwrap.indent(POD_SPEC, indent)


NOT_OURS = {
    "foreign group": _object("example.com/v1", "Deployment", "spec.template.spec"),
    "no version": _object("apps/v1", "Deployment", "spec.template.spec").partition("\n")[2],
    "core service": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    "core rollout": _object("v1", "Rollout", "spec.template.spec"),
    "patch without containers": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {}\n",
    "containers are null": deployment(containers="").replace(
        "        - name: app\n          image: nginx:1.25\n", ""
    ),
    "another with a deployment inside": "apiVersion: x.io/v1\nkind: App\nspec:\n  kind: Deployment\n",
    "a word in a comment": "# kind: Deployment\nkey: value\n",
    "only text": "kind: Deployment is what I like\n",
    "a list of lists": "kind: List\napiVersion: v1\nitems: nothing\n",
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_not_ours_is_neither_found_nor_a_failure(text: str) -> None:
    found = found_in({"a.yaml": text})
    assert (found.workloads, found.failures) == ((), ())


KINDS = [
    ("apps/v1", "Deployment", "spec.template.spec"),
    ("extensions/v1beta1", "Deployment", "spec.template.spec"),
    ("apps/v1", "StatefulSet", "spec.template.spec"),
    ("apps/v1", "DaemonSet", "spec.template.spec"),
    ("apps/v1", "ReplicaSet", "spec.template.spec"),
    ("v1", "ReplicationController", "spec.template.spec"),
    ("batch/v1", "Job", "spec.template.spec"),
    ("batch/v1beta1", "CronJob", "spec.jobTemplate.spec.template.spec"),
    ("v1", "Pod", "spec"),
    ("argoproj.io/v1alpha1", "Rollout", "spec.template.spec"),
    ("serving.knative.dev/v1", "Service", "spec.template.spec"),
    ("apps.openshift.io/v1", "DeploymentConfig", "spec.template.spec"),
    ("v1", "DeploymentConfig", "spec.template.spec"),
]


@pytest.mark.parametrize(("version", "kind", "path"), KINDS)
@pytest.mark.parametrize("form", ["yaml", "json", "compact json", "quoted", "list", "typed list"])
def test_every_kind_is_found_in_every_form(version: str, kind: str, path: str, form: str) -> None:
    body: dict[str, object] = {"containers": [{"name": "app", "image": "nginx:1.25"}]}
    for key in reversed(path.split(".")):
        body = {key: body}
    whole = {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, **body}
    bare = {key: value for key, value in whole.items() if key not in ("apiVersion", "kind")}
    text = {
        "yaml": _object(version, kind, path),
        "json": json.dumps(whole, indent=2),
        "compact json": json.dumps(whole, separators=(",", ":")),
        "quoted": _object(version, kind, path).replace(f"kind: {kind}", f'"kind": "{kind}"'),
        "list": json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"kind": "Namespace"}, whole]}),
        "typed list": json.dumps({"apiVersion": version, "kind": f"{kind}List", "items": [{}, bare]}),
    }[form]
    workload = only(found_in({"apps/web.json": text}))
    assert (workload.kind, workload.name, workload.unit) == (kind, "web", "apps")
    (container,) = workload.containers
    assert values(container)["image"] == "nginx:1.25"
    inside = ("items", 1) if "list" in form else ()
    assert container.slot(Field.IMAGE).place.keys == (*inside, *path.split("."), "containers", 0, "image")


def test_lines_are_those_that_set_a_value_or_would() -> None:
    text = deployment(
        head="# a comment\n---\n",
        containers="""\
        - name: app
          image: nginx:1.25
          resources:
            requests:
              cpu: 100m
              memory: "128Mi"
            limits: {memory: 256Mi}
        - name: bare
          image: busybox
""",
    )
    workload = only(found_in({"web.yaml": text}))
    app, bare = workload.containers
    assert workload.line == 3
    assert values(app) == {
        "requests.cpu": "100m",
        "requests.memory": "128Mi",
        "limits.cpu": None,
        "limits.memory": "256Mi",
        "image": "nginx:1.25",
    }
    numbers = text.splitlines()
    for field, word in (("requests.cpu", "cpu: 100m"), ("limits.memory", "256Mi"), ("image", "nginx")):
        assert word in numbers[lines(app)[field] - 1]
    assert "limits" in numbers[lines(app)["limits.cpu"] - 1]
    assert "busybox" in numbers[lines(bare)["requests.cpu"] - 1]


def test_init_containers_and_sidecars_are_told_apart() -> None:
    text = deployment(
        containers="""\
        - {name: app, image: a}
      initContainers:
        - {name: migrate, image: b}
        - {name: proxy, image: c, restartPolicy: Always}
"""
    )
    found = {c.ref.container: (c.init, c.sidecar) for c in only(found_in({"web.yaml": text})).containers}
    assert found == {"app": (False, False), "migrate": (True, False), "proxy": (True, True)}


def test_names_that_kubernetes_gives_itself() -> None:
    job = _object("batch/v1", "Job", "spec.template.spec").replace("name: web", "generateName: import-")
    knative = _object("serving.knative.dev/v1", "Service", "spec.template.spec").replace(
        "- name: app\n", "-\n"
    )
    assert only(found_in({"job.yaml": job})).name == "import-"
    assert only(found_in({"svc.yaml": knative})).containers[0].ref.container == "user-container"


def test_metadata_is_read_as_text() -> None:
    text = deployment(
        metadata='  namespace: "123"\n  labels: {tier: web, on: "1"}\n  annotations: {a: 1}\n'
    ).replace("spec:\n  template", "spec:\n  replicas: 3\n  template")
    workload = only(found_in({"web.yaml": text}))
    assert workload.namespace == "123"
    assert workload.labels == (("tier", "web"), ("on", "1"))
    assert workload.annotations == (("a", "1"),)
    assert workload.replicas == 3


MALFORMED = {
    "no name": (deployment().replace("  name: web\n", "  labels: {}\n"), "metadata.name", 1),
    "name is a number": (deployment("123"), "metadata.name", 4),
    "name is a boolean": (deployment("yes"), "metadata.name", 4),
    "name is a mapping": (deployment("{a: b}"), "metadata.name", 4),
    "namespace is a number": (deployment(metadata="  namespace: 1e3\n"), "metadata.namespace", 5),
    "containers are a mapping": (deployment(containers="        app: nginx\n"), "containers", 9),
    "containers are text": (deployment(containers="        nginx\n"), "containers", 9),
    "a container is text": (deployment(containers="        - nginx\n"), "containers[0]", 9),
    "a container without a name": (deployment(containers="        - image: nginx\n"), "containers[0]", 9),
    "a container named by a number": (deployment(containers="        - name: 1\n"), "containers[0]", 9),
}


@pytest.mark.parametrize(("text", "word", "line"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_workload_is_one_failure_and_the_next_is_found(text: str, word: str, line: int) -> None:
    found = found_in({"a.yaml": text + "---\n" + deployment("good")})
    (failure,) = found.failures
    assert word in failure.error
    assert (failure.path, failure.line) == ("a.yaml", line)
    assert [w.name for w in found.workloads] == ["good"]


def test_values_from_aliases_and_merges_are_in_force() -> None:
    text = deployment(
        head="x-size: &size {requests: {cpu: 1, memory: 1Gi}}\nx-base: &base {name: app, image: nginx}\n",
        containers="        - <<: *base\n          resources: *size\n",
    )
    (container,) = only(found_in({"a.yaml": text})).containers
    assert container.ref.container == "app"
    assert values(container)["requests.memory"] == "1Gi"
    assert values(container)["image"] == "nginx"


def test_a_value_that_cannot_be_edited_is_still_told_with_its_line() -> None:
    text = deployment(
        containers="""\
        - name: app
          image: nginx
          resources: {requests: {cpu: &same 100m}, limits: {cpu: *same}}
"""
    )
    (container,) = only(found_in({"a.yaml": text})).containers
    slot = container.slot(Field.CPU_REQUEST)
    assert slot.refused is not None
    assert slot.refused.reason is Reason.SHARED_ANCHOR
    assert (slot.value, slot.line) == ("100m", 11)


_scalars = st.sampled_from(
    ["100m", '"1"', "'2Gi'", "~", "", "{{ x }}", "&a 5m", "*a", "|\n  1", "!!str 1", "${X}"]
)
_keys = st.sampled_from(["cpu", "memory", "requests", "limits", "<<", '"cpu"', "? cpu", "&k cpu"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_keys, _scalars), max_size=4), st.sampled_from(["requests", "limits", "<<"]))
def test_the_short_way_to_a_value_finds_what_the_long_one_does(
    pairs: list[tuple[str, str]], under: str
) -> None:
    indent = " " * 14
    body = "".join(f"{indent}{key}: {value}\n".replace("\n  1", f"\n{indent}  1") for key, value in pairs)
    text = deployment(containers=f"        - name: app\n          resources:\n            {under}:\n{body}")
    found = found_in({"a.yaml": text})
    for workload in found.workloads:
        for slot in workload.containers[0].slots:
            (document,) = parse(text)
            expected = where(document, text, slot.place.keys)
            assert (slot.refused and slot.refused.reason) == (expected.refused and expected.refused.reason)
            if expected.refused is None:
                assert (slot.line, slot.value) == (expected.line, expected.value)


def test_facts_survive_the_way_into_the_cache_and_back() -> None:
    text = deployment(metadata="  labels: {a: b}\n") + (
        "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
        "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
        "---\nkind: Deployment\nbroken: [\n"
    )
    before = manifests.read(text.encode())
    after = facts.load(json.loads(json.dumps(facts.dump(before))))
    assert len(before.workloads) == len(before.scalers) == len(before.troubles) == 1
    assert json.dumps(before) == json.dumps(after)
    assert before.scalers == after.scalers


@pytest.mark.parametrize("text", ["010", "0x10", "1_000", "0o7"])
def test_a_plain_number_that_yaml_reads_as_another_is_refused(text: str) -> None:
    found = manifests.read(DEPLOYMENT_WITH.format(cpu=text).encode())
    slot = found.workloads[0].containers[0].slots[0]
    assert slot.value == text
    assert slot.refused is not None
    assert slot.refused[0] == "bad-quantity"


@pytest.mark.parametrize("text", ["'010'", "10", "0.5", "0", "100m", "1e3"])
def test_other_numbers_are_fine(text: str) -> None:
    found = manifests.read(DEPLOYMENT_WITH.format(cpu=text).encode())
    assert found.workloads[0].containers[0].slots[0].refused is None


DEPLOYMENT_WITH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    spec:
      containers:
        - name: app
          resources:
            requests:
              cpu: {cpu}
"""
