"""Numbers of replicas and what autoscalers aim for; images that change their form or share a tag."""

from __future__ import annotations

import pytest
from kustomizing_world import Remembering, container, kubectl_renderer, unit, wishes

from reconciler.model import Field, NewValue, Reason, Refused
from reconciler.source.kustomizing import Edited, Traced, edit, merge_shared, trace
from reconciler.source.render import KustomizeRequest
from reconciler.source.tracing.edits import NewNumber

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2 # two zones
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: app:1.0
        - name: helper
          image: tools/helper:1.0
"""
SCALER = """apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 300}}
"""
FILES = {
    "base/kustomization.yaml": "resources: [web.yaml, scaler.yaml]\n",
    "base/web.yaml": WEB,
    "base/scaler.yaml": SCALER,
    "dev/kustomization.yaml": "resources: [../base]\nnamespace: dev\n",
    "prod/kustomization.yaml": (
        "resources: [../base]\nnamespace: prod\nreplicas:\n- {name: web, count: 3}\npatches:\n"
        "- target: {kind: HorizontalPodAutoscaler}\n  patch: |-\n"
        "    - {op: replace, path: /spec/maxReplicas, value: 20}\n"
    ),
}


@pytest.fixture(scope="module")
def renderer() -> Remembering:
    return Remembering(kubectl_renderer())


def traced(folder: str, renderer: Remembering, files: dict[str, str] = FILES) -> Traced:
    found = trace(unit(files, folder), renderer)
    assert found.refused is None, found.refused
    return found


def numbers(one: Traced) -> dict[str, tuple[str, str, int]]:
    return {
        ".".join(extra.path[-2:]): (extra.value, extra.place.path if extra.place else "", extra.line)
        for extra in one.extras
    }


def new(one: Traced, name: str, value: str) -> NewNumber:
    return NewNumber(next(extra for extra in one.extras if extra.path[-1] == name), value)


def made(outcome: Edited | Refused) -> dict[str, str]:
    assert not isinstance(outcome, Refused), outcome
    return {one.change.path: one.change.after.decode() for one in outcome.files}


def refusal(outcome: Edited | Refused) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


def test_replicas_and_what_an_autoscaler_aims_for_are_traced(renderer: Remembering) -> None:
    assert numbers(traced("dev", renderer)) == {
        "spec.replicas": ("2", "base/web.yaml", 5),
        "spec.minReplicas": ("2", "base/scaler.yaml", 6),
        "spec.maxReplicas": ("10", "base/scaler.yaml", 7),
        "target.averageUtilization": ("70", "base/scaler.yaml", 10),
    }
    prod = numbers(traced("prod", renderer))
    assert prod["spec.replicas"] == ("3", "prod/kustomization.yaml", 4)
    assert prod["spec.maxReplicas"] == ("20", "prod/kustomization.yaml", 8)


def test_numbers_are_edited_where_they_are_set(renderer: Remembering) -> None:
    prod = traced("prod", renderer)
    wanted = [new(prod, "replicas", "4"), new(prod, "maxReplicas", "30")]
    kustomization = FILES["prod/kustomization.yaml"]
    assert made(edit(prod.unit, prod, [], renderer, numbers=wanted)) == {
        "prod/kustomization.yaml": kustomization.replace("count: 3", "count: 4").replace("20", "30")
    }


def test_a_number_of_a_base_is_proven_in_every_overlay(renderer: Remembering) -> None:
    dev, prod = merge_shared([traced("dev", renderer), traced("prod", renderer)])
    outcome = edit(dev.unit, dev, [], renderer, others=[prod], numbers=[new(dev, "averageUtilization", "60")])
    assert made(outcome) == {"base/scaler.yaml": SCALER.replace("70", "60")}
    assert isinstance(outcome, Edited)
    assert [(name, len(verdict.done)) for name, verdict in outcome.proof] == [("dev", 1), ("prod", 1)]


def test_a_number_goes_along_with_a_request(renderer: Remembering) -> None:
    dev = traced("dev", renderer)
    values = wishes(dev, ["web/app", "requests.cpu=200m"])
    after = made(edit(dev.unit, dev, values, renderer, numbers=[new(dev, "averageUtilization", "60")]))
    assert after["base/scaler.yaml"] == SCALER.replace("70", "60")
    assert "cpu: 200m" in after["base/web.yaml"]


def test_a_number_that_is_so_already_changes_nothing(renderer: Remembering) -> None:
    dev = traced("dev", renderer)
    assert edit(dev.unit, dev, [], renderer, numbers=[new(dev, "replicas", "2")]) == Edited((), (), 0)


def test_a_number_that_nothing_sets_alone_is_refused(renderer: Remembering) -> None:
    dev = traced("dev", renderer)
    lost = dev.extras[0]._replace(refused=Refused(Reason.NOT_TRACED, "no place"), place=None)
    outcome = edit(dev.unit, dev, [], renderer, numbers=[NewNumber(lost, "7")])
    assert refusal(outcome) == Refused(Reason.NOT_TRACED, "no place")


# -- images that change their form ------------------------------------------------------------------


def images(entry: str) -> dict[str, str]:
    return {"kustomization.yaml": f"resources: [web.yaml]\nimages:\n{entry}", "web.yaml": WEB}


def image(entry: str, reference: str, renderer: Remembering, who: str = "web/app") -> Edited | Refused:
    one = traced("", renderer, images(entry))
    return edit(one.unit, one, [NewValue(container(one, who).slot(Field.IMAGE), reference)], renderer)


@pytest.mark.parametrize(
    ("entry", "reference", "after"),
    [
        ("- name: app\n  newTag: '2' # ours\n", f"app@{A}", f"- name: app\n  digest: {A} # ours\n"),
        (f"- digest: {A}\n  name: app\n", "app:2.0.1", "- newTag: 2.0.1\n  name: app\n"),
        (f"- {{name: app, digest: '{A}'}}\n", "app:2.0.1", "- {name: app, newTag: 2.0.1}\n"),
        (f"- name: app\n  newTag: '2'\n  digest: {A}\n", "app:2", "- name: app\n  newTag: '2'\n"),
        (f"- name: app\n  newTag: '2'\n  digest: {A}\n", f"app@{B}", f"- name: app\n  digest: {B}\n"),
        (f"- newTag: '2'\n  digest: {A}\n  name: app\n", f"app@{A}", f"- digest: {A}\n  name: app\n"),
        (f"- {{name: app, newTag: '2', digest: {A}}}\n", f"app@{A}", f"- {{name: app, digest: {A}}}\n"),
        (f"- {{name: app, digest: {A}, newTag: '2'}}\n", f"app@{A}", f"- {{name: app, digest: {A}}}\n"),
        ("- name: app\n  newTag: '2'\n", f"app:2@{A}", f"- name: app\n  newTag: '2'\n  digest: {A}\n"),
        (
            "- name: app\n  newTag: '2'\n",
            f"mirror/app@{A}",
            f"- name: app\n  digest: {A}\n  newName: mirror/app\n",
        ),
    ],
)  # fmt: skip
def test_an_image_changes_its_form(entry: str, reference: str, after: str, renderer: Remembering) -> None:
    files = made(image(entry, reference, renderer))
    assert files == {"kustomization.yaml": images(after)["kustomization.yaml"]}


def test_an_image_needs_a_tag_or_a_digest(renderer: Remembering) -> None:
    outcome = refusal(image("- name: app\n  newTag: '2'\n", "app", renderer))
    assert outcome.reason is Reason.UNSUPPORTED
    assert "neither a tag nor a digest" in outcome.detail


def test_an_entry_behind_an_anchor_is_refused(renderer: Remembering) -> None:
    outcome = refusal(image("- &one\n  name: app\n  newTag: '2'\n", f"app@{A}", renderer))
    assert outcome.reason in (Reason.UNPROVEN, Reason.SHARED_ANCHOR)


# -- images that share a tag ------------------------------------------------------------------------

SHARED = {
    "kustomization.yaml": """\
resources: [web.yaml]
replacements:
- source: {kind: ConfigMap, name: release, fieldPath: data.tag}
  targets:
  - select: {kind: Deployment}
    fieldPaths: ["spec.template.spec.containers.*.image"]
    options: {delimiter: ":", index: 1}
""",
    "web.yaml": WEB
    + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: release}\ndata: {tag: '7.0.1'}\n",
}


def test_a_tag_that_feeds_images_of_different_names(renderer: Remembering) -> None:
    one = traced("", renderer, SHARED)
    (merged,) = merge_shared([one])
    slot = container(merged, "web/helper").slot(Field.IMAGE)
    assert (slot.value, len(slot.consumers)) == ("tools/helper:7.0.1", 2)
    outcome = edit(one.unit, merged, [NewValue(slot, "tools/helper:7.0.2")], renderer)
    assert made(outcome) == {"web.yaml": SHARED["web.yaml"].replace("7.0.1", "7.0.2")}
    assert isinstance(outcome, Edited)
    assert [each.new for each in outcome.proof[0][1].done] == ["app:7.0.2", "tools/helper:7.0.2"]
    both = [
        NewValue(container(merged, "web/app").slot(Field.IMAGE), "app:7.0.2"),
        NewValue(slot, "tools/helper:7.0.2"),
    ]
    assert made(edit(one.unit, merged, both, renderer)) == made(outcome)
    wrong = [both[0], NewValue(slot, "tools/helper:7.0.3")]
    assert refusal(edit(one.unit, merged, wrong, renderer)).reason is Reason.UNPROVEN


def test_a_tag_of_a_base_under_two_names(renderer: Remembering) -> None:
    files = {
        **FILES,
        "prod/kustomization.yaml": (
            "resources: [../base]\nnamespace: prod\nimages: [{name: app, newName: mirror/app}]\n"
        ),
    }
    both = merge_shared([traced(folder, renderer, files) for folder in ("dev", "prod")])
    slot = container(both[0], "web/app").slot(Field.IMAGE)
    outcome = edit(both[0].unit, both[0], [NewValue(slot, "app:2.0")], renderer, others=both[1:])
    assert made(outcome) == {"base/web.yaml": WEB.replace("app:1.0", "app:2.0")}
    assert isinstance(outcome, Edited)
    assert [verdict.done[0].new for _, verdict in outcome.proof] == ["app:2.0", "mirror/app:2.0"]


def test_an_application_s_own_copy_of_a_kustomization_keeps_others_from_being_proven(
    renderer: Remembering,
) -> None:
    plain = traced("prod", renderer)
    request = plain.unit.request
    assert isinstance(request, KustomizeRequest)
    changed = {**request.files, "prod/kustomization.yaml": b'{"resources": ["../base"], "namespace": "x"}'}
    other = trace(plain.unit._replace(name="other", request=request._replace(files=changed)), renderer)
    wanted = wishes(plain, ["web/app", "limits.cpu=1"])
    outcome = edit(plain.unit, plain, wanted, renderer, overlay=True, others=[other])
    assert refusal(outcome).reason is Reason.UNPROVEN
    assert "other" in refusal(outcome).detail
