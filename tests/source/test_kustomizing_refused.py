"""What is not traced or not edited, with its reason; and values that an Application brings in."""

from __future__ import annotations

import pytest
from kustomizing_world import Remembering, container, kubectl_renderer, unit, wishes

from reconciler.model import Field, Place, Reason, Refused
from reconciler.source.kustomizing import Edited, edit, trace
from reconciler.source.render import HelmRequest, KustomizeRequest, Rendered, Request
from reconciler.source.units import Written

WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: app
          image: nginx:1.25
          resources: {requests: {cpu: 100m}}
"""
PLAIN = {"kustomization.yaml": "resources: [web.yaml]\n", "web.yaml": WEB}


@pytest.fixture(scope="module")
def renderer() -> Remembering:
    return Remembering(kubectl_renderer())


def test_a_remote_base_is_refused_by_the_renderer(renderer: Remembering) -> None:
    files = {"kustomization.yaml": "resources: ['https://example.com/base?ref=v1']\n"}
    traced = trace(unit(files, ""), renderer)
    assert traced.refused is not None
    assert traced.refused.reason is Reason.REMOTE_BASE
    assert traced.containers == ()
    outcome = edit(traced.unit, traced, [], renderer)
    assert outcome == traced.refused


class Fetching:
    """A renderer that may fetch a base, which then is in no file of the request."""

    def __init__(self, renderer: Remembering) -> None:
        self._renderer = renderer

    def render(self, request: Request) -> Rendered | Refused:
        assert isinstance(request, KustomizeRequest)
        files = {
            path: data.replace(b"https://example.com/base?ref=v1", b"fetched")
            for path, data in request.files.items()
        }
        base = {f"fetched/{path}": text.encode() for path, text in PLAIN.items()}
        return self._renderer.render(request._replace(files={**files, **base}))


def test_what_a_fetched_base_sets_is_not_traced_but_may_be_patched(renderer: Remembering) -> None:
    files = {"kustomization.yaml": "resources: ['https://example.com/base?ref=v1']\n"}
    fetching = Fetching(renderer)
    traced = trace(unit(files, ""), fetching)
    slot = container(traced, "web/app").slot(Field.CPU_REQUEST)
    assert slot.refused is not None
    assert slot.refused.reason is Reason.NOT_TRACED
    assert "https://example.com/base?ref=v1" in slot.refused.detail
    wanted = wishes(traced, ["web/app", "requests.cpu=200m"])
    assert edit(traced.unit, traced, wanted, fetching) == slot.refused
    assert isinstance(edit(traced.unit, traced, wanted, fetching, overlay=True), Edited)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("an exec generator", "generators: [generator.yaml]\n"),
        ("a chart", "helmCharts: [{name: web, repo: 'https://example.com'}]\n"),
        ("a file that isn't there", "resources: [nowhere.yaml]\n"),
        ("no kustomization", "- a\n- b\n"),
    ],
)
def test_what_cannot_be_rendered_has_the_renderers_reason(
    name: str, text: str, renderer: Remembering
) -> None:
    generator = (
        "apiVersion: x/v1\nkind: Any\nmetadata:\n  name: a\n  annotations:\n"
        "    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n"
    )
    traced = trace(unit({"kustomization.yaml": text, "generator.yaml": generator}, ""), renderer)
    assert traced.refused is not None, name
    assert traced.refused.detail


def test_a_chart_is_no_kustomization(renderer: Remembering) -> None:
    request = HelmRequest({}, (), (), "web", "")
    traced = trace(unit(PLAIN, "")._replace(request=request), renderer)
    assert traced.refused is not None
    assert traced.refused.reason is Reason.UNSUPPORTED


def test_a_unit_that_may_not_be_edited_is_still_traced(renderer: Remembering) -> None:
    why = Refused(Reason.OTHER_REVISION, "it follows another branch")
    traced = trace(unit(PLAIN, "")._replace(refused=why), renderer)
    slots = container(traced, "web/app").slots
    assert {slot.refused for slot in slots} == {why}
    assert {slot.place.path for slot in slots} == {"web.yaml"}
    wanted = wishes(traced, ["web/app", "requests.cpu=200m"])
    for overlay in (False, True):
        assert edit(traced.unit, traced, wanted, renderer, overlay=overlay) == why


def test_an_edit_without_effect_is_refused_and_nothing_is_written(renderer: Remembering) -> None:
    """As when somebody adds a patch between tracing and editing."""
    traced = trace(unit(PLAIN, ""), renderer)
    patch = (
        "patches:\n- target: {kind: Deployment}\n  patch: |-\n    - op: replace\n"
        "      path: /spec/template/spec/containers/0/resources/requests/cpu\n      value: 100m\n"
    )
    patched = unit({**PLAIN, "kustomization.yaml": PLAIN["kustomization.yaml"] + patch}, "")
    wanted = wishes(traced, ["web/app", "requests.cpu=200m"])
    outcome = edit(patched, traced._replace(unit=patched), wanted, renderer)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NO_EFFECT
    assert "would stay 100m" in outcome.detail


def test_a_value_that_others_are_copied_from_is_refused_when_more_would_change(
    renderer: Remembering,
) -> None:
    replacement = (
        "replacements:\n- source: {kind: Deployment, fieldPath: spec.template.spec.containers.0."
        "resources.requests.cpu}\n  targets:\n  - select: {kind: Deployment}\n"
        "    fieldPaths: [metadata.annotations.cpu]\n    options: {create: true}\n"
    )
    one = unit({**PLAIN, "kustomization.yaml": PLAIN["kustomization.yaml"] + replacement}, "")
    traced = trace(one, renderer)
    outcome = edit(one, traced, wishes(traced, ["web/app", "requests.cpu=200m"]), renderer)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.SIDE_EFFECT
    assert "metadata.annotations.cpu" in outcome.detail


def test_a_bad_quantity_is_refused(renderer: Remembering) -> None:
    traced = trace(unit(PLAIN, ""), renderer)
    outcome = edit(traced.unit, traced, wishes(traced, ["web/app", "requests.cpu=lots"]), renderer)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.BAD_QUANTITY


# -- an Application that adds to the kustomization -------------------------------------------------

APPLICATION = """kind: Application
spec:
  source:
    kustomize:
      images:
      - {} # by the release job
      patches:
      - target: {{kind: Deployment}}
        patch: |-
          - op: add
            path: /spec/template/spec/containers/0/resources/limits
            value: {{memory: 1Gi}}
"""


def brought(image: str, entry: str) -> tuple[dict[str, str], tuple[Written, ...], dict[str, bytes]]:
    """The kustomization as Argo CD makes it, what of it is the Application's, and the files of Git."""
    patch = (
        '"patches": [{"target": {"kind": "Deployment"}, "patch": "- op: add\\n'
        '  path: /spec/template/spec/containers/0/resources/limits\\n  value: {memory: 1Gi}"}]'
    )
    files = {
        **PLAIN,
        "kustomization.yaml": f'{{"resources": ["web.yaml"], "images": [{entry}], {patch}}}',
    }
    options = ("spec", "source", "kustomize")
    written = (
        Written(
            "kustomization.yaml", ("images", 0), Place("apps", "app.yaml", 0, (*options, "images", 0)), True
        ),
        Written("kustomization.yaml", ("patches", 0), Place("apps", "app.yaml", 0, (*options, "patches", 0))),
    )
    return files, written, {"app.yaml": APPLICATION.format(image).encode()}


@pytest.mark.parametrize(
    ("image", "entry", "new", "becomes"),
    [
        ("nginx:1.26", '{"name": "nginx", "newTag": "1.26"}', "nginx:1.27", "nginx:1.27"),
        (
            "nginx=mirror/nginx:1.26",
            '{"name": "nginx", "newName": "mirror/nginx", "newTag": "1.26"}',
            "mirror/nginx:1.27",
            '"nginx=mirror/nginx:1.27"',
        ),
        (
            "nginx:1.26",
            '{"name": "nginx", "newTag": "1.26"}',
            "mirror/nginx:1.27",
            '"nginx=mirror/nginx:1.27"',
        ),
    ],
)
def test_an_image_of_an_application_is_edited_in_the_application(
    image: str, entry: str, new: str, becomes: str, renderer: Remembering
) -> None:
    files, written, outside = brought(image, entry)

    def read(repository: str, path: str) -> bytes | None:
        return outside.get(path) if repository == "apps" else PLAIN.get(path, "").encode() or None

    one = unit(files, "")._replace(written=written)
    traced = trace(one, renderer, read)
    slot = container(traced, "web/app").slot(Field.IMAGE)
    assert (slot.place.repository, slot.place.path, slot.line) == ("apps", "app.yaml", 6)
    outcome = edit(one, traced, wishes(traced, ["web/app", f"image={new}"]), renderer, read=read)
    assert isinstance(outcome, Edited), outcome
    (changed,) = outcome.files
    assert changed.repository == "apps"
    assert changed.change.after == APPLICATION.format(becomes).encode()


def test_a_patch_of_an_application_is_edited_inside_its_block(renderer: Remembering) -> None:
    files, written, outside = brought("nginx:1.26", '{"name": "nginx", "newTag": "1.26"}')

    def read(repository: str, path: str) -> bytes | None:
        return outside.get(path) if repository == "apps" else PLAIN.get(path, "").encode() or None

    one = unit(files, "")._replace(written=written)
    traced = trace(one, renderer, read)
    slot = container(traced, "web/app").slot(Field.MEMORY_LIMIT)
    assert (slot.place.path, slot.line, slot.refused) == ("app.yaml", 12, None)
    outcome = edit(one, traced, wishes(traced, ["web/app", "limits.memory=2Gi"]), renderer, read=read)
    assert isinstance(outcome, Edited), outcome
    (changed,) = outcome.files
    assert changed.change.after == outside["app.yaml"].replace(b"1Gi", b"2Gi")


def test_what_the_sources_set_is_edited_there_though_an_application_adds_more(
    renderer: Remembering,
) -> None:
    files, written, outside = brought("nginx:1.26", '{"name": "nginx", "newTag": "1.26"}')

    def read(repository: str, path: str) -> bytes | None:
        return outside.get(path) if repository == "apps" else PLAIN.get(path, "").encode() or None

    one = unit(files, "")._replace(written=written)
    traced = trace(one, renderer, read)
    wanted = wishes(traced, ["web/app", "requests.cpu=200m"])
    outcome = edit(one, traced, wanted, renderer, read=read)
    assert isinstance(outcome, Edited), outcome
    assert [one.change.path for one in outcome.files] == ["web.yaml"]
    refused = edit(one, traced, wanted, renderer, read=read, overlay=True)
    assert isinstance(refused, Refused)
    assert "an Application adds to its kustomization" in refused.detail
