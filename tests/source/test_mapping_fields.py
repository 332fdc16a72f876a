"""`fields:` of a policy: what is found, whose it is, and what is written."""

from __future__ import annotations

import pytest
from mapping_world import asked, find, joined_discovery, mappings, rows, slot, told, written
from trees import Tree, deployment

from reconciler.config import BadFile, PolicyBook, load_policies, parse_policies
from reconciler.model import Discovery, Field, NewValue, Reason, Refused
from reconciler.source.compose import UnitSetting
from reconciler.source.mapping import in_force, joined

CHEF = """
  - name: chef
    files: ["attributes/*.json"]
    container: shop/Deployment/web/app
    values:
      requests.cpu: {path: default.web.cpu, unit: millicores}
      requests.memory: {path: default.web.mb, unit: MiB}
      image.tag: {path: default.web.version, repository: registry.example.com/web}
"""
ATTRIBUTES = '{"default": {"web": {"cpu": 250, "mb": 512, "version": "1.4.0"}, "db": {"cpu": 250}}}\n'
WEB = "shop/Deployment/web/app"


def discovered(found) -> Discovery:
    return Discovery("deploy", "c0ffee", found.workloads)


# -- what is not touched ----------------------------------------------------------------------------


def test_files_that_no_mapping_names_hold_nothing():
    assert find({"other/web.json": ATTRIBUTES, "attributes/deep/web.json": ATTRIBUTES}, CHEF).workloads == ()


def test_an_entry_without_a_value_that_is_there_says_nothing():
    assert find({"attributes/db.json": '{"default": {"db": {"cpu": 1}}}'}, CHEF).workloads == ()


def test_templates_of_charts_are_never_looked_at():
    files = {"c/Chart.yaml": "name: c", "c/templates/attributes/web.json": ATTRIBUTES}
    assert find(files, CHEF.replace("attributes/*", "**/*")).workloads == ()


def test_conditions_must_all_hold():
    entry = """
  - when: {kind: [Search, Find*], spec.paused: [null, false], spec.engine: "*"}
    container: "Deployment/{metadata.name}/a"
    values: {requests.cpu: spec.cpu}
"""

    def met(kind: str, spec: str) -> bool:
        text = f"kind: {kind}\nmetadata: {{name: x}}\nspec: {{cpu: 1{spec}}}\n"
        return bool(find({"a.yaml": text}, entry).workloads)

    assert met("Search", ", engine: fast")
    assert met("Finder", ", engine: {any: thing}")
    assert met("Search", ", engine: fast, paused: False")
    assert not met("Search", "")
    assert not met("Search", ", engine: fast, paused: true")
    assert not met("Searches", ", engine: fast")


# -- what is found ----------------------------------------------------------------------------------


def test_plain_numbers_are_read_in_their_unit():
    found = find({"attributes/web.json": ATTRIBUTES}, CHEF)
    assert rows(found) == [
        f"{WEB} requests.cpu=250m attributes/web.json:1",
        f"{WEB} requests.memory=512Mi attributes/web.json:1",
        f"{WEB} image=registry.example.com/web:1.4.0 attributes/web.json:1",
    ]
    missing = slot(found, WEB, "limits.cpu").refused
    assert missing is not None
    assert (missing.reason, "chef" in missing.detail) == (Reason.NOT_TRACED, True)


def test_every_key_below_a_wildcard_is_a_container_of_its_own():
    entry = """
  - files: ["*.tfvars.json"]
    each: services.{service}
    container: "{namespace}/Deployment/{service}/main"
    values: {requests.cpu: .cpu, image: .image}
"""
    text = '{"namespace": "shop", "services": {"web": {"cpu": "1", "image": "w:1"}, "api": {"cpu": 2}}}'
    assert rows(find({"env/prod.tfvars.json": text}, entry)) == [
        "shop/Deployment/web/main requests.cpu=1 env/prod.tfvars.json:1",
        "shop/Deployment/web/main image=w:1 env/prod.tfvars.json:1",
        "shop/Deployment/api/main requests.cpu=2 env/prod.tfvars.json:1",
        "shop/Deployment/api/main image=None env/prod.tfvars.json:1",
    ]


def test_objects_of_a_list_are_looked_at_one_by_one():
    text = (
        "kind: List\nitems:\n- {kind: Search, metadata: {name: a}, spec: {cpu: 1}}\n"
        "- {kind: Search, metadata: {name: b, namespace: n}, spec: {cpu: 2}}\n"
    )
    entry = """
  - when: {kind: Search}
    container: "Deployment/{metadata.name}/x"
    values: {requests.cpu: spec.cpu}
"""
    assert rows(find({"a.yaml": text}, entry, [UnitSetting(".", "apart", "")], ["prod"])) == [
        "prod:apart/Deployment/a/x requests.cpu=1 a.yaml:3",
        "prod:n/Deployment/b/x requests.cpu=2 a.yaml:4",
    ]


def test_one_place_that_feeds_several_is_shared():
    entry = """
  - each: spec.pools[name={pool}]
    container: "StatefulSet/{metadata.name}-{pool}/x"
    values: {image: spec.image, requests.cpu: .cpu}
"""
    text = "metadata: {name: s}\nspec: {image: a:1, pools: [{name: p, cpu: 1}, {name: q, cpu: 2}]}\n"
    found = find({"a.yaml": text}, entry)
    image = slot(found, "StatefulSet/s-p/x", "image")
    assert [ref.workload for ref in image.consumers] == ["s-p", "s-q"]
    assert image.refused is None
    assert len(slot(found, "StatefulSet/s-q/x", "requests.cpu").consumers) == 1


def test_what_an_item_lacks_can_not_be_added_to():
    entry = """
  - when: {kind: Search}
    container: "Deployment/{metadata.name}/x"
    values: {resources: 'spec.containers[name=x].resources'}
    missing: add
"""
    found = find({"a.yaml": "kind: Search\nmetadata: {name: a}\nspec: {containers: [{name: y}]}\n"}, entry)
    refused = slot(found, "Deployment/a/x", "requests.cpu").refused
    assert refused == Refused(
        Reason.UNSET, "nothing can be added there: the document has no `containers[name=x]`"
    )


def test_an_entry_of_ones_own_wins_over_one_that_ships():
    text = "apiVersion: rabbitmq.com/v1beta1\nkind: RabbitmqCluster\nmetadata: {name: b}\nspec: {}\n"
    entry = """
  - when: {kind: RabbitmqCluster}
    container: "StatefulSet/{metadata.name}-own/rabbitmq"
    values: {resources: spec.resources, image: spec.image}
    missing: add
"""
    shipped = PolicyBook().mappings
    found = joined_discovery(Tree({"b.yaml": text}), (*mappings(entry), *shipped))
    assert [each.name for each in found.workloads] == ["b-own"]
    assert [each.name for each in joined_discovery(Tree({"b.yaml": text}), shipped).workloads] == ["b-server"]


def test_one_field_at_two_places_is_refused():
    entry = "\n  - {container: n/Deployment/a/x, values: {requests.cpu: cpu}}\n"
    found = find({"a.yaml": "cpu: 1\n", "b.yaml": "cpu: 2\n"}, entry)
    refused = slot(found, "n/Deployment/a/x", "requests.cpu").refused
    assert refused is not None
    assert refused.reason is Reason.DEFINED_TWICE
    assert "b.yaml:1" in refused.detail


def test_a_team_maps_only_its_own_repository():
    text = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: t}\nfields:" + CHEF
    for repository, count in (("deploy", 1), ("other", 0)):
        own = parse_policies(text, "t.yaml", repository)
        book = PolicyBook().with_teams(own)
        found = joined_discovery(Tree({"attributes/web.json": ATTRIBUTES}), book.mappings)
        assert len(found.workloads) == count


# -- what is written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "now", "new", "then"),
    [
        ("MiB", "512", "640Mi", "640"),
        ("MiB", "512", "1Gi", "1024"),
        ("MiB", "512", "600500Ki", "587"),  # up, to a whole number
        ("GiB", "1.5", "2304Mi", "2.25"),
        ("GiB", "2", "2304Mi", "3"),
        ("MB", "512", "1G", "1000"),
        ("bytes", "536870912", "640Mi", "671088640"),
        ("kB", "512", "640k", "640"),
    ],
)
def test_memory_is_written_in_the_unit_of_the_file(form, now, new, then):
    entry = f"\n  - {{container: n/Deployment/a/x, values: {{requests.memory: {{path: m, unit: {form}}}}}}}\n"
    data = f"m: {now}  # stays\n".encode()
    values = asked(discovered(find({"a.yaml": data}, entry)), "n/deploy/a", f"memory={new}")
    assert written(data, values) == f"m: {then}  # stays\n".encode()


@pytest.mark.parametrize(
    ("form", "now", "new", "then"),
    [("cores", "1", "1500m", "1.5"), ("cores", "0.25", "2", "2"), ("millicores", "250", "0.3", "300")],
)
def test_cpu_is_written_in_the_unit_of_the_file(form, now, new, then):
    entry = f"\n  - {{container: n/Deployment/a/x, values: {{limits.cpu: {{path: c, unit: {form}}}}}}}\n"
    data = f'{{"c": {now}}}'.encode()
    values = asked(discovered(find({"a.json": data}, entry)), "n/deploy/a", f"limits.cpu={new}")
    assert written(data, values) == f'{{"c": {then}}}'.encode()


def test_what_stood_there_before_is_read_in_the_same_form():
    found = find({"attributes/web.json": ATTRIBUTES}, CHEF)
    assert in_force(slot(found, WEB, "requests.memory"), "256") == "256Mi"
    assert in_force(slot(found, WEB, "requests.memory"), "a lot") is None
    assert in_force(slot(found, WEB, "image"), "1.3.0") == "registry.example.com/web:1.3.0"


def test_only_the_part_of_an_image_that_stands_there_changes():
    found = discovered(find({"attributes/web.json": ATTRIBUTES}, CHEF))
    data = ATTRIBUTES.encode()
    after = written(data, asked(found, "shop/deploy/web", "image=:2.0"))
    assert after == data.replace(b"1.4.0", b"2.0")
    for other in ("registry.example.com/api:2.0", "registry.example.com/web:2.0@sha256:" + "a" * 64):
        refused = written(data, asked(found, "shop/deploy/web", f"image={other}"))
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.NOT_TRACED


def test_an_annotation_stays_text():
    text = deployment(metadata="  annotations: {a: b}\n").replace(
        "    spec:\n", "    metadata: {annotations: {sidecar.istio.io/proxyCPU: 100m}}\n    spec:\n"
    )
    found = joined_discovery(Tree({"a.yaml": text}), PolicyBook().mappings)
    after = written(text.encode(), asked(found, "deploy/web/istio-proxy", "cpu=2", "memory=1G"))
    assert b'{sidecar.istio.io/proxyCPU: "2", sidecar.istio.io/proxyMemory: 1G}' in after


def test_a_value_is_not_written_where_its_document_means_another_by_now():
    text = "kind: Search\nmetadata: {name: a}\nspec: {pools: [{name: p, cpu: 1}, {name: q, cpu: 1}]}\n"
    entry = """
  - when: {kind: Search, spec.off: null}
    each: spec.pools[name={pool}]
    container: "n/StatefulSet/{metadata.name}-{pool}/x"
    values: {requests.cpu: .cpu}
"""
    values = asked(discovered(find({"a.yaml": text}, entry)), "n/sts/a-p/x", "cpu=2")
    assert written(text.encode(), values) == text.replace("cpu: 1", "cpu: 2", 1).encode()
    for now, then in (
        ("name: a", "name: b"), ("Search", "Other"), ("name: p", "name: r"), ("{pools", "{off: 1, pools"),
    ):  # fmt: skip
        refused = written(text.replace(now, then).encode(), values)
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.UNPROVEN


# -- beside what manifests say ----------------------------------------------------------------------


def test_a_mapped_container_joins_its_workload():
    text = deployment(metadata="  namespace: shop\n")
    found = joined_discovery(Tree({"a.yaml": text, "attributes/web.json": ATTRIBUTES}), mappings(CHEF))
    (web,) = found.workloads
    assert [each.ref.container for each in web.containers] == ["app"]
    app = web.containers[0]
    assert app.slot(Field.IMAGE).value == "nginx:1.25"  # the manifest's own
    assert app.slot(Field.CPU_REQUEST).place.path == "a.yaml"
    other = mappings(CHEF.replace("web/app", "web/proxy"))
    (web,) = joined_discovery(Tree({"a.yaml": text, "attributes/web.json": ATTRIBUTES}), other).workloads
    assert [each.ref.container for each in web.containers] == ["app", "proxy"]


def test_a_mapped_value_counts_where_the_other_can_not_be_edited():
    found = find({"attributes/web.json": ATTRIBUTES}, CHEF).workloads
    why = Refused(Reason.RENDERED, "a chart")
    containers = [
        each._replace(slots=tuple(one._replace(refused=why, how_traced="manifest") for one in each.slots))
        for each in found[0].containers
    ]
    (web,) = joined([found[0]._replace(containers=tuple(containers))], found)
    slots = web.containers[0].slots
    assert [one.field.value for one in slots if one.refused is None] == [
        "requests.cpu",
        "requests.memory",
        "image",
    ]
    assert {one.refused for one in slots if one.refused} == {why}


# -- the policy -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "line", "words"),
    [
        ("container: x\n    values: {requests.cpu: a}", 5, "[NAMESPACE/]KIND/NAME/CONTAINER"),
        ("container: a/deployment/c/d\n    values: {requests.cpu: a}", 5, "a capital letter"),
        ("container: a/B/c/d\n    values: {}", 6, "names no value"),
        ("container: a/B/c/d\n    values: {requests.cpu: a..b}", 6, "position 3"),
        ("container: a/B/c/d\n    values: {requests.cpu: 'a.*'}", 6, "goes into `each`"),
        ("container: a/B/c/d\n    values: {requests.cpu: .a}", 5, "there is no `each`"),
        ("container: a/B/{c/d\n    values: {requests.cpu: a}", 5, "container"),
        ("container: 'a/B/{x[*]}/d'\n    values: {requests.cpu: a}", 5, "name it in `each`"),
        ("container: a/B/c/d\n    values: {requests.cpu: {path: a, unit: MiB}}", 6, "cores or millicores"),
        ("container: a/B/c/d\n    values: {request.cpu: a}", 6, 'did you mean "requests.cpu"'),
        ("container: a/B/c/d\n    values: {image: a, image.tag: b}", 6, "say one of them"),
        ("container: a/B/c/d\n    values: {requests.cpu: a}\n    missing: add", 5, "document would be meant"),
        ("container: a/B/c/d\n    values: {requests.cpu: a}\n    files: ['!a']", 7, "'!' is not known"),
        ("container: a/B/c/d\n    values: {requests.cpu: " + "a." * 40 + "a}", 6, "at most 32 steps"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_entry_is_told_with_its_line(entry, line, words):
    with pytest.raises(BadFile) as caught:
        mappings(f"  - {entry}\n")
    assert words in str(caught.value)
    assert f":{line}:" in str(caught.value)


def test_fields_and_match_do_not_go_together():
    text = (
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: a}\nmatch: {names: [a]}\n"
        "fields: [{container: a/B/c/d, values: {requests.cpu: a}}]\n"
    )
    with pytest.raises(BadFile, match="policy of their own"):
        parse_policies(text, "a.yaml")


def test_what_an_operator_runs_is_only_raised_unless_a_policy_says_otherwise():
    custom = "apiVersion: kibana.k8s.elastic.co/v1\nkind: Kibana\nmetadata: {name: k}\nspec: {}\n"
    cluster = "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: c}\nspec: {}\n"
    files = {"k.yaml": custom, "c.yaml": cluster, "attributes/web.json": ATTRIBUTES}
    found = joined_discovery(Tree(files), (*mappings(CHEF), *PolicyBook().mappings))

    def raised(book: PolicyBook) -> dict[str, bool]:
        policies = {
            each.name: (each.kind, book.resolve(each, each.containers[0])) for each in found.workloads
        }
        return {name: kind in policy.sizing.raised_only_kinds for name, (kind, policy) in policies.items()}

    assert raised(load_policies()) == {"k-kb": True, "c": True, "web": False}
    loose = parse_policies(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: l}\nresources: {raiseOnlyKinds: []}\n",
        "l.yaml",
    )
    assert not any(raised(PolicyBook(loose)).values())


def test_a_mapped_kind_is_a_target():
    cluster = (
        "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: c}\nspec:\n  imageName: pg:1\n"
    )
    found = joined_discovery(Tree({"c.yaml": cluster}), PolicyBook().mappings)
    (value,) = asked(found, "cluster/c/postgres", "image=:2")
    assert isinstance(value, NewValue)
    assert written(cluster.encode(), [value]) == cluster.replace("pg:1", "pg:2").encode()


def test_what_can_not_be_told_is_a_note_and_no_failure():
    entry = """
  - when: {kind: Search}
    container: "Deployment/{metadata.name}/x"
    values: {requests.cpu: spec.cpu}
"""

    def notes(text: str) -> list[str]:
        found = find({"a.yaml": text}, entry)
        assert found.workloads == ()
        return told(found.notes)

    assert notes("kind: Search\nspec: {cpu: 1}\n") == [
        "a.yaml:1 Deployment/{metadata.name}/x: the document has no text at `metadata.name`"
    ]
    assert "can be no part of" in notes('kind: Search\nmetadata: {name: "a\\u202eb/c"}\nspec: {cpu: 1}\n')[0]
    assert "can't be read as YAML" in notes("kind: Search\nmetadata: [\n")[0]
    assert notes("kind: Search\nmetadata: {name: {{ .x }}}\n") == []
