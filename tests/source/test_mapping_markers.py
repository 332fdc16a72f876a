"""Comments that say whose value a line holds: ours, and Flux's."""

from __future__ import annotations

import pytest
from mapping_world import asked, find, joined_discovery, rows, slot, told, written
from trees import Tree, deployment

from reconciler.model import Discovery, Field, Reason, Refused
from reconciler.source.compose import UnitSetting
from reconciler.source.rewrite import rewrite_values

WEB = "shop/Deployment/web/app"
MARK = f"# reconcile: {WEB} requests.cpu"


def discovered(text: str, name: str = "values.yaml") -> Discovery:
    return Discovery("deploy", "", find({name: text}).workloads)


# -- what marks nothing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'cpu: "250m {MARK}"\n',
        f"cpu: '250m\n\n  {MARK}\n  x'\n",
        f"cpu: |\n  250m #reconcile {MARK} and more words\n  x\n",
        f"cpu: >\n  250m {MARK}\n",
        f"cpu: 250m{MARK}\n",  # no blank before it: part of the value
        "cpu: 250m  # reconciled yesterday\n",
        "cpu: 250m  # see reconcile: shop\n",
        'image: a:1 # {"other": "x"}\n',
        'image: a:1 # {"$imagepolicy": \n',
    ],
)
def test_what_is_no_marker_says_nothing(text):
    found = find({"values.yaml": text})
    assert (found.workloads, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"cpu:\n  {MARK}\n  a: 1\n", 2, "behind no single value"),
        (f"a: {{cpu: 1, memory: 2}} {MARK}\n", 1, "behind no single value"),
        (f"{MARK}\ncpu: 1\n", 1, ""),
        (f"x: 1\n\n  {MARK}\ncpu: 1\n", 3, "behind no single value"),
        ("cpu: 1 # reconcile: shop/Deployment/web requests.cpu\n", 1, "can't be read"),
        ("cpu: 1 # reconcile: shop/Deployment/web/app cpu\n", 1, "can't be read"),
        ("cpu: 1 # reconcile: shop/Deployment/web/app requests.cpu in MiB\n", 1, "one of cores, millicores"),
        ("cpu: 1 # reconcile: shop/Deployment/web/app image.tag in MiB\n", 1, "one of none"),
        (f"cpu: 1 {MARK}, a/B/c/d limits.memory\n", 1, "several kinds"),
        ('image: a:1 # {"$imagepolicy": "web"}\n', 1, "no ImagePolicy"),
        ('image: a:1 # {"$imagepolicy": ["web"]}\n', 1, "no ImagePolicy"),
    ],
)
def test_a_marker_that_marks_nothing_is_told(text, line, words):
    found = find({"values.yaml": text})
    assert found.workloads == ()
    if words:
        (note,) = found.notes
        assert (note.line, words in note.detail) == (line, True), note


# -- ours -------------------------------------------------------------------------------------------

VALUES = """\
web:
  cpu: 250m        # reconcile: shop/Deployment/web/app requests.cpu
  mem: "512"       # reconcile: shop/Deployment/web/app requests.memory in MiB
  top:             # reconcile: shop/Deployment/web/app limits.memory
  image:
    registry: registry.example.com
    repository: shop/web
    tag: 1.4.0     # reconcile: shop/Deployment/web/app image.tag, shop/Job/migrate/app image.tag
list: [
  100m, # reconcile: eu:Deployment/other/app requests.cpu
  200m
]
"""


def test_a_value_with_a_marker_is_its_containers():
    found = find({"web/values.yaml": VALUES}, units=[UnitSetting("web", "apart", "")])
    at = "web/values.yaml"
    assert rows(found) == [
        f"{WEB} requests.cpu=250m {at}:2",
        f"{WEB} requests.memory=512Mi {at}:3",
        f"{WEB} limits.memory=None {at}:4",
        f"{WEB} image=registry.example.com/shop/web:1.4.0 {at}:8",
        f"shop/Job/migrate/app image=registry.example.com/shop/web:1.4.0 {at}:8",
        f"eu:apart/Deployment/other/app requests.cpu=100m {at}:10",
    ]
    assert [ref.kind for ref in slot(found, WEB, "image").consumers] == ["Deployment", "Job"]


def test_the_comment_survives_the_edit_and_leads_there_again():
    wishes = ("cpu=300m", "memory=640Mi", "limits.memory=1Gi", "image=:1.5.0")
    values = asked(discovered(VALUES), "shop/deploy/web", *wishes)
    after = written(VALUES.encode(), values)
    wanted = VALUES
    for now, then in (("250m", "300m"), ('"512"', '"640"'), ("top: ", "top: 1Gi "), ("1.4.0", "1.5.0")):
        wanted = wanted.replace(now, then, 1)
    assert isinstance(after, bytes)
    assert after.decode().split() == wanted.split()
    again = asked(discovered(after.decode()), "shop/deploy/web", *wishes)
    assert written(after, again) == after


def test_an_ordinary_rewrite_finds_the_place():
    """Without a unit the new text is what is asked for, so that nobody has to know of markers."""
    values = asked(discovered(VALUES), "shop/deploy/web", "cpu=300m")
    changed, refused = rewrite_values({"values.yaml": VALUES.encode()}, values)
    assert refused is None
    assert changed["values.yaml"].after == VALUES.replace("250m", "300m", 1).encode()


def test_values_inside_of_a_literal_block_can_be_marked():
    text = f"spec:\n  values: |\n    a: 1\n    cpu: 250m  {MARK}\n  more: 1\n"
    found = discovered(text)
    assert slot(found, WEB, "requests.cpu").line == 4
    assert (
        written(text.encode(), asked(found, "shop/deploy/web", "cpu=1")) == text.replace("250m", "1").encode()
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_documents_and_line_ends_are_counted(ending):
    text = ending.join(["a: 1", "---", "# first", f"cpu: 250m {MARK}", "...", "---", "b: 2", ""])
    found = discovered(text)
    place = slot(found, WEB, "requests.cpu")
    assert (place.line, place.place.document, place.place.keys) == (4, 1, ("cpu",))
    assert (
        written(text.encode(), asked(found, "shop/deploy/web", "cpu=1")) == text.replace("250m", "1").encode()
    )


def test_a_line_that_means_another_value_by_now_is_left_alone():
    values = asked(discovered(f"a:\n- 1 {MARK}\n- 2\n"), "shop/deploy/web", "cpu=3")
    refused = written(b"a:\n- 7\n- 1\n- 2\n", values)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.UNPROVEN


def test_two_lines_for_one_field_are_refused():
    found = discovered(f"a: 1 {MARK}\nb: 2 {MARK}\n")
    refused = slot(found, WEB, "requests.cpu").refused
    assert refused is not None
    assert (refused.reason, "values.yaml:2" in refused.detail) == (Reason.DEFINED_TWICE, True)


# -- Flux -------------------------------------------------------------------------------------------

FLUX = """\
spec:
  values:
    whole: ghcr.io/shop/web:1.4.0 # {"$imagepolicy": "flux-system:web"}
    image:
      repository: ghcr.io/shop/api # {"$imagepolicy": "flux-system:api:name"}
      tag: 2.0.0 # {"$imagepolicy": "flux-system:api:tag"}
    again: ghcr.io/shop/web:1.4.0 #{"$imagepolicy": "flux-system:web"}
"""


def test_a_line_of_flux_is_its_policys_image():
    found = find({"r.yaml": FLUX})
    assert rows(found) == [
        "flux-system/ImagePolicy/web/image image=ghcr.io/shop/web:1.4.0 r.yaml:3",
        "flux-system/ImagePolicy/web/image-2 image=ghcr.io/shop/web:1.4.0 r.yaml:7",
        "flux-system/ImagePolicy/api/image image=ghcr.io/shop/api:2.0.0 r.yaml:6",
    ]
    values = asked(discovered(FLUX, "r.yaml"), "flux-system/ImagePolicy/api", "image=ghcr.io/shop/api:2.1.0")
    assert written(FLUX.encode(), values) == FLUX.replace("2.0.0", "2.1.0").encode()


def test_tags_of_a_kustomization_know_their_image():
    text = (
        "images:\n- name: web\n  newName: ghcr.io/shop/web\n"
        '  newTag: 1.4.0 # {"$imagepolicy": "flux-system:web:tag"}\n'
        '- name: ghcr.io/shop/api\n  newTag: 2.0.0 # {"$imagepolicy": "flux-system:api:tag"}\n'
    )
    assert rows(find({"o/kustomization.yaml": text})) == [
        "flux-system/ImagePolicy/web/image image=ghcr.io/shop/web:1.4.0 o/kustomization.yaml:4",
        "flux-system/ImagePolicy/api/image image=ghcr.io/shop/api:2.0.0 o/kustomization.yaml:6",
    ]


DEPLOYMENT = deployment(metadata="  namespace: shop\n").replace(
    "nginx:1.25", 'nginx:1.25 # {"$imagepolicy": "flux-system:web"}'
)
AUTOMATION = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: flux, namespace: flux-system}
spec:
  update: {path: ./apps, strategy: Setters}
"""


def test_a_line_that_is_traced_stays_its_containers():
    (web,) = joined_discovery(Tree({"apps/web.yaml": DEPLOYMENT}), ()).workloads
    assert web.kind == "Deployment"
    assert web.containers[0].slot(Field.IMAGE).refused is None


def test_what_flux_writes_by_itself_is_left_to_it():
    files = {
        "apps/web.yaml": DEPLOYMENT,
        "apps/r.yaml": FLUX,
        "else/web.yaml": DEPLOYMENT.replace("shop", "b"),
    }
    found = joined_discovery(Tree({**files, "flux/a.yaml": AUTOMATION}), ())
    image = slot(found, "shop/Deployment/web/app", "image")
    assert image.refused is not None
    assert (image.refused.reason, "flux/a.yaml:1" in image.refused.detail) == (Reason.WRITTEN_BY_FLUX, True)
    assert slot(found, "shop/Deployment/web/app", "requests.cpu").refused is None
    assert slot(found, "b/Deployment/web/app", "image").refused is None  # not below ./apps
    policy = slot(found, "flux-system/ImagePolicy/api/image", "image").refused
    assert policy is not None
    assert policy.reason is Reason.WRITTEN_BY_FLUX
    resting = AUTOMATION + "  suspend: true\n"
    found = joined_discovery(Tree({**files, "flux/a.yaml": resting}), ())
    assert slot(found, "shop/Deployment/web/app", "image").refused is None


def test_misplaced_markers_are_told_with_their_line():
    found = find({"a.yaml": f"x: 1\n---\ny:\n  {MARK}\n  - 1\n"})
    assert told(found.notes) == ["a.yaml:4 the comment stands behind no single value, so it marks nothing"]
