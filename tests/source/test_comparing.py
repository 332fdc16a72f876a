"""Whether Argo CD renders what is rendered here: what doesn't count, and what does."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Reason, Refused
from reconciler.source.comparing import compared, differs
from reconciler.source.render import HelmRequest
from reconciler.source.typed import as_json
from reconciler.source.units import Deployed, Unit

APP = Deployed("web", "argocd", "default", "charts/web", ((0, "abc"),), True)
REQUEST = HelmRequest({}, (), (), "web", "shop")
UNIT = Unit("web", "deploy", "apps/web.yaml", 1, "prod", "shop", REQUEST, application=APP)
TEXT = """\
# Source: web/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx:1.25
        env: [{name: PASSWORD, value: hunter2}, {name: DEBUG, value: "on"}]
        resources: {requests: {cpu: 200m, memory: 1Gi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
data: {a: "1", b: "yes"}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: hunter2}
"""


def there(text: str = TEXT) -> list[dict]:
    """The objects as Argo CD has them: tracked, and nothing else."""
    found = [each for each in yaml.safe_load_all(text) if each]
    for each in found:
        notes = each["metadata"].setdefault("annotations", {})
        tracking = f"web:apps/{each['kind']}:shop/{each['metadata']['name']}"
        notes["argocd.argoproj.io/tracking-id"] = tracking
    return found


def sent(objects: Sequence[dict]) -> list[str]:
    return [json.dumps(each) for each in objects]


def told(found: Refused | None) -> str:
    assert found is not None
    assert found.reason is Reason.RENDERS_DIFFERENTLY
    return found.detail


# -- what doesn't count ----------------------------------------------------------------------------


def test_the_same_objects_in_any_order_are_the_same() -> None:
    assert differs(UNIT, TEXT, sent(there())) is None
    assert differs(UNIT, TEXT, sent(there()[::-1])) is None


def test_labels_that_argo_cd_tracks_by() -> None:
    for name in ("web", "argocd_web"):
        objects = there()
        for each in objects:
            each["metadata"].setdefault("labels", {})["app.kubernetes.io/instance"] = name
        objects[0]["spec"]["template"]["metadata"]["labels"]["applications.argoproj.io/app-name"] = name
        objects[0]["metadata"]["annotations"]["argocd.argoproj.io/installation-id"] = "x"
        assert differs(UNIT, TEXT, sent(objects)) is None


def test_a_charts_own_instance_gives_way_to_argo_cds() -> None:
    text = TEXT.replace("labels: {app: web}", "labels: {app: web, app.kubernetes.io/instance: release}", 1)
    objects = there(text)
    objects[0]["metadata"]["labels"]["app.kubernetes.io/instance"] = "web"
    assert differs(UNIT, text, sent(objects)) is None
    objects[0]["metadata"]["labels"]["app.kubernetes.io/instance"] = "other"
    assert "instance" in told(differs(UNIT, text, sent(objects)))


def test_a_namespace_that_one_of_the_two_fills_in() -> None:
    objects = there()
    objects[0]["metadata"]["namespace"] = "shop"
    del objects[1]["metadata"]["namespace"]
    assert differs(UNIT, TEXT, sent(objects)) is None
    objects[0]["metadata"]["namespace"] = "elsewhere"
    assert "Deployment web: metadata.namespace" in told(differs(UNIT, TEXT, sent(objects)))


def test_what_a_secret_holds_is_hidden() -> None:
    objects = there()
    del objects[2]["stringData"]
    objects[2]["data"] = {"password": "++++++++"}
    assert differs(UNIT, TEXT, sent(objects)) is None


def test_values_are_compared_by_what_they_mean() -> None:
    text = TEXT.replace("replicas: 2", "replicas: 2.0").replace("cpu: 200m", "cpu: 0.2")
    text = text.replace("memory: 1Gi", "memory: 1024Mi").replace(
        "metadata:\n  name", "status: null\nmetadata:\n  name"
    )
    assert differs(UNIT, text, sent(there())) is None
    objects = there("kind: X\nmetadata: {name: x}\nspec: {a: 1000, b: 0x10, c: ~}\n")
    assert differs(UNIT, "kind: X\nmetadata: {name: x}\nspec: {a: 1e3, b: 16}\n", sent(objects)) is None


def test_definitions_and_tests_may_be_left_out() -> None:
    more = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: try, annotations: {helm.sh/hook: test}}
"""
    assert differs(UNIT, TEXT + more, sent(there())) is None
    assert differs(UNIT, TEXT, sent(there(TEXT + more))) is None
    hook = more.replace("hook: test}", "hook: pre-install}")
    assert "Pod try is missing there" in told(differs(UNIT, TEXT + hook, sent(there())))


def test_what_differs_between_two_renders_of_ours() -> None:
    objects = there(TEXT.replace("value: hunter2", "value: other"))
    again = TEXT.replace("value: hunter2", "value: third")
    assert "PASSWORD" in told(differs(UNIT, TEXT, sent(objects)))
    assert differs(UNIT, TEXT, sent(objects), lambda: again) is None
    assert "PASSWORD" in told(differs(UNIT, TEXT, sent(objects), lambda: None))


def test_objects_whose_names_are_made_up() -> None:
    def job(name: str) -> str:
        return f"{TEXT}---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec: {{a: 1}}\n"

    objects = sent(there(job("web-x")))
    assert differs(UNIT, job("web-y"), objects, lambda: job("web-z")) is None
    assert "Job" in told(differs(UNIT, job("web-y"), objects, lambda: job("web-y")))


def test_our_render_is_not_repeated_without_need() -> None:
    assert differs(UNIT, TEXT, sent(there()), lambda: pytest.fail("asked")) is None


def test_lists_are_taken_apart() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- {kind: X, metadata: {name: x}, a: 1}\n"
    assert differs(UNIT, text, sent(there("kind: X\nmetadata: {name: x}\na: 1\n"))) is None


def test_of_several_sources_only_ours_counts() -> None:
    unit = UNIT._replace(application=APP._replace(alone=False))
    more = there("kind: X\nmetadata: {name: x}\n")
    assert differs(unit, TEXT, sent(there() + more)) is None
    assert "ConfigMap web is missing there" in told(differs(unit, TEXT, sent([there()[0], *more])))


# -- what does -------------------------------------------------------------------------------------


def test_an_object_that_only_argo_cd_renders() -> None:
    more = there("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n")
    words = told(differs(UNIT, TEXT, sent(there() + more)))
    assert words == (
        "Argo CD renders the Application web differently: HorizontalPodAutoscaler web is only there"
    )


def test_the_first_differences_are_named_and_what_is_nobodys_business_is_not() -> None:
    objects = there()
    container = objects[0]["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"] = {"cpu": "300m"}
    container["image"] = "nginx:1.26"
    container["env"][0]["value"] = "swordfish"
    objects[1]["data"]["a"] = "secret"
    words = told(differs(UNIT, TEXT, sent(objects)))
    assert "spec.template.spec.containers[web].resources.requests.cpu is `300m`, here `200m`" in words
    assert "requests.memory is not set, here `1Gi`" in words or "image is `nginx:1.26`" in words
    assert "and 2 more" in words
    for secret in ("swordfish", "hunter2", "secret"):
        assert secret not in words


def test_text_is_no_number_and_on_is_no_word() -> None:
    objects = there()
    objects[1]["data"]["a"] = 1
    assert "ConfigMap web: data.a" in told(differs(UNIT, TEXT, sent(objects)))


@pytest.mark.parametrize("manifest", ["", "{", "[]", "1", "null", '{"a": ' * 3000, "\x00", '"x"'])
def test_what_is_no_manifest_compares_with_nothing(manifest: str) -> None:
    found = differs(UNIT, TEXT, [*sent(there()), manifest])
    assert found is not None
    assert found.reason is Reason.NOT_COMPARED


def test_nothing_there_and_nothing_here() -> None:
    assert differs(UNIT, "", []) is None
    assert "is missing there" in told(differs(UNIT, TEXT, []))


@given(st.data())
def test_any_value_that_changes_is_noticed(data: st.DataObject) -> None:
    objects = there()[:2]
    changed = copy.deepcopy(objects)
    leaves = list(_leaves(changed))
    at = data.draw(st.sampled_from(leaves))
    holder, key = at
    if key == "argocd.argoproj.io/tracking-id":
        return
    holder[key] = "changed" if isinstance(holder[key], str) else 77
    text = "\n---\n".join(TEXT.split("\n---\n")[:2])
    assert differs(UNIT, text, sent(objects)) is None
    assert differs(UNIT, text, sent(changed)) is not None


def _leaves(value: object):
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in pairs:
        if isinstance(below, dict | list):
            yield from _leaves(below)
        else:
            yield value, key


_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | _TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_TEXTS, below, max_size=3),
    max_leaves=12,
)


@given(_VALUES)
def test_whatever_an_object_holds_it_is_the_same_as_itself(value: object) -> None:
    body = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": value}
    assert differs(UNIT, as_json(body).decode(), sent([body])) is None


# -- who is asked ----------------------------------------------------------------------------------


class Answers:
    def __init__(self, answer: Sequence[str] | Refused) -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    def manifests(
        self, name: str, namespace: str, project: str, revisions: Sequence[tuple[int, str]] = ()
    ) -> Sequence[str] | Refused:
        self.asked.append((name, namespace, project, revisions))
        return self.answer


def test_the_application_is_asked_for_at_the_commit_that_is_read() -> None:
    judge = Answers(sent(there()))
    assert compared(UNIT, TEXT, judge) is None
    assert judge.asked == [("web", "argocd", "default", ((0, "abc"),))]


def test_no_answer_is_a_reason() -> None:
    refused = Refused(Reason.NOT_COMPARED, "gone")
    assert compared(UNIT, TEXT, Answers(refused)) == refused


def test_what_no_application_deploys_is_compared_with_nothing() -> None:
    judge = Answers([])
    assert compared(UNIT._replace(application=None), TEXT, judge) is None
    assert judge.asked == []
