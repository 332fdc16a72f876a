"""What counts as a difference between two renders, and whose it is."""

from __future__ import annotations

from textwrap import dedent

import pytest

from reconciler.model import Field
from reconciler.source.tracing.proof import Intent, Spot, differences, judge
from reconciler.source.tracing.rendered import WAYS, Render

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {version: 1.2.3}
spec:
  template:
    metadata:
      annotations: {checksum/config: 0123456789abcdef0123456789abcdef}
    spec:
      containers:
        - name: web
          image: shop/web:1.2.3
          resources: {requests: {cpu: 100m}}
        - name: log
          image: log:7
"""
CONFIG = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {release: web 1.2.3 of May}\n"


def changed(before: str, after: str) -> dict[str, tuple[object, object]]:
    found = differences(Render(dedent(before)), Render(dedent(after)))
    return {str(spot): (one.old, one.new) for spot, one in found.items()}


def intent(field: Field, new: str) -> Intent:
    each = next(one for one in Render(WEB).containers() if one.ref.container == "web")
    return Intent(each.ref, field, Spot(each.identity, (*each.path, *WAYS[field])), each.values[field], new)


# -- no difference ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cpu: 100m", "'cpu': \"100m\""),
        ("cpu: 1", 'cpu: "1000m"'),
        ("cpu: 0.5", "cpu: 500m"),
        ("memory: 1Gi", "memory: 1024Mi"),
    ],
)
def test_amounts_of_the_same_size_are_the_same(one: str, other: str) -> None:
    text = WEB.replace("{cpu: 100m}", "{%s}")
    assert changed(text % one, text % other) == {}


@pytest.mark.parametrize("resources", ["{}", "{requests: {}}", "{limits: null}", ""])
def test_resources_that_set_nothing_are_the_same(resources: str) -> None:
    text = WEB.replace("resources: {requests: {cpu: 100m}}", "resources: %s")
    assert changed(text % "{}", text % resources) == {}
    assert changed(text.replace("          resources: %s\n", ""), text % resources) == {}


def test_comments_order_of_documents_and_style_are_no_difference() -> None:
    assert changed(WEB + CONFIG, "# once more\n" + CONFIG + "---\n" + WEB) == {}
    assert changed("a: {b: [1, 'x']}\nkind: A\n", "kind: A\na:\n  b:\n  - 1\n  - x\n") == {}


# -- differences -----------------------------------------------------------------------------------


def test_text_is_not_a_number() -> None:
    assert changed("kind: A\nport: 80\n", 'kind: A\nport: "80"\n') == {"A: port": ("80", "80")}
    assert changed("kind: A\non: yes\n", 'kind: A\non: "yes"\n') == {"A: on": ("yes", "yes")}


def test_an_empty_mapping_is_not_a_missing_one() -> None:
    assert list(changed("kind: A\nv: {emptyDir: {}}\n", "kind: A\nv: {}\n")) == ["A: v.emptyDir"]


def test_containers_are_compared_by_name() -> None:
    swapped = WEB.replace("image: log:7", "image: log:8")
    assert changed(WEB, swapped) == {
        "Deployment web: spec.template.spec.containers[log].image": ("log:7", "log:8")
    }


def test_a_list_in_another_order_is_a_difference() -> None:
    assert list(changed("kind: A\nl: [1, 2]\n", "kind: A\nl: [2, 1]\n")) == ["A: l[0]", "A: l[1]"]
    one, other = "kind: A\nl: [{name: a}, {name: b}]\n", "kind: A\nl: [{name: b}, {name: a}]\n"
    assert list(changed(one, other)) == ["A: l"]


def test_objects_that_come_and_go() -> None:
    assert list(changed(WEB + CONFIG, WEB)) == ["ConfigMap web"]
    assert list(changed(WEB, WEB + CONFIG)) == ["ConfigMap web"]
    assert list(changed(CONFIG + CONFIG, CONFIG)) == ["ConfigMap web"]


def test_an_object_of_a_random_name_is_compared_with_its_heir() -> None:
    found = changed(CONFIG, CONFIG.replace("name: web", "name: web-x7"))
    assert found == {"ConfigMap web: metadata.name": ("web", "web-x7")}


def test_a_document_that_cannot_be_read_counts_by_its_text() -> None:
    assert changed("kind: A\n---\na: [\n", "kind: A\n---\na: [\n") == {}
    assert list(changed("kind: A\n---\na: [\n", "kind: A\n---\na: [ [\n")) == ["an unreadable document: text"]
    assert list(changed("just text\n", "other text\n")) == ["an unreadable document: text"]


# -- whose it is ------------------------------------------------------------------------------------


def test_exactly_what_was_meant() -> None:
    wish = intent(Field.CPU_REQUEST, "250m")
    verdict = judge(differences(Render(WEB), Render(WEB.replace("100m", "250m"))), (wish,), frozenset())
    assert (verdict.done, verdict.missing, verdict.copies, verdict.beyond) == ((wish,), (), (), ())


def test_no_effect_and_more_effect() -> None:
    wish = intent(Field.CPU_REQUEST, "250m")
    assert judge({}, (wish,), frozenset()).missing == (wish,)
    other = differences(Render(WEB), Render(WEB.replace("100m", "300m")))
    verdict = judge(other, (wish,), frozenset())
    assert verdict.missing == (wish,)
    assert [one.new for _, one in verdict.beyond] == ["300m"]


def test_what_is_so_already_is_done() -> None:
    assert judge({}, (intent(Field.CPU_REQUEST, "0.1"),), frozenset()).missing == ()


def test_copies_of_a_tag_follow() -> None:
    after = WEB.replace("1.2.3", "1.2.4").replace("0123456789abcdef" * 2, "fedcba9876543210" * 2)
    found = differences(Render(WEB + CONFIG), Render(after + CONFIG.replace("1.2.3", "1.2.4")))
    verdict = judge(found, (intent(Field.IMAGE, "shop/web:1.2.4"),), frozenset())
    assert (verdict.missing, verdict.beyond) == ((), ())
    assert {copy.spot.path[-1] for copy in verdict.copies} == {"version", "release", "checksum/config"}


def test_a_checksum_of_something_else_is_no_copy() -> None:
    after = WEB.replace("1.2.3", "1.2.4").replace("0123456789abcdef" * 2, "fedcba9876543210" * 2)
    verdict = judge(
        differences(Render(WEB), Render(after)), (intent(Field.IMAGE, "shop/web:1.2.4"),), frozenset()
    )
    assert [spot.path[-1] for spot, _ in verdict.beyond] == ["checksum/config"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("port 11.2.3", "port 11.2.4"), ("1.2.34", "1.2.44"), ("1.2.3 and 1", "1.2.4 and 2"), ("x", "1.2.4")],
)
def test_what_only_looks_like_the_tag_is_no_copy(old: str, new: str) -> None:
    before, after = (CONFIG.replace("web 1.2.3 of May", text) for text in (old, new))
    found = differences(Render(WEB + before), Render(WEB.replace("1.2.3", "1.2.4") + after))
    verdict = judge(found, (intent(Field.IMAGE, "shop/web:1.2.4"),), frozenset())
    assert [spot.path[-1] for spot, _ in verdict.beyond] == ["release"]


def test_a_request_has_no_copies() -> None:
    """Only a tag may be repeated elsewhere; another amount is another decision."""
    two = WEB.replace("image: log:7", "image: log:7\n          resources: {requests: {cpu: 100m}}")
    found = differences(Render(two), Render(two.replace("100m", "250m")))
    verdict = judge(found, (intent(Field.CPU_REQUEST, "250m"),), frozenset())
    assert [spot.path[-4] for spot, _ in verdict.beyond] == ["[log]"]


def test_noise_is_set_aside() -> None:
    again = differences(Render(CONFIG), Render(CONFIG.replace("May", "June")))
    found = differences(Render(CONFIG), Render(CONFIG.replace("May", "July")))
    assert judge(found, (), frozenset(again)).beyond == ()
    assert len(judge(found, (), frozenset()).beyond) == 1
