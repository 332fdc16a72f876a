"""Edits that reach further than the line they are made in: who else is fed is found, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from rendered_repositories import APPS, COMPONENT, DEPLOY, PLAIN, App, Files, World, chart, overlay
from test_rendered_laws import Remembering, check, programs

from reconciler.model import Field, NewValue, Place, Refused, Slot
from reconciler.source.changing import change
from reconciler.source.estate import Estate

renderer = pytest.fixture(scope="module")(programs)

CPU, MEMORY, LIMIT = Field.CPU_REQUEST, Field.MEMORY_REQUEST, Field.CPU_LIMIT
CHART = chart("one", {"api": ("given", "own", False), "web": ("own", "own", False)})
ALL = "fallback:\n  requests: {cpu: 70m}\napi:\n  tag: 1.5.0\n  resources: {requests: {cpu: 200m}}\n"


def helm(name: str, **helm_of: Any) -> App:
    source = {"repoURL": DEPLOY, "path": "charts/one", "helm": helm_of}
    return App(name, source, namespace=name)


def world(*apps: App, **more: Files) -> World:
    files = {**CHART, "values/all.yaml": ALL, **{f"apps/{app.name}.yaml": app.text() for app in apps}}
    for each in more.values():
        files |= each
    return World({DEPLOY: files})


def slot(estate: Estate, workload: str, field: Field, container: str = "") -> Slot:
    (found,) = {
        one.slot(field)
        for discovery in estate.discoveries.values()
        for each in discovery.workloads
        for one in each.containers
        if f"{each.namespace}/{each.name}" == workload and container in ("", one.ref.container)
    }
    return found


def outcome(renderer: Remembering, one: World, *wishes: tuple[str, Field, str], container: str = "") -> str:
    """ "made", with the law checked, or the reason; then nothing was written."""
    estate = one.surveyed(renderer)
    values = [NewValue(slot(estate, who, field, container), new) for who, field, new in wishes]
    made, refused = change(estate, [values])
    if refused:
        assert not made.files
        return refused[0].reason.value
    check(one, one.changed(made), values, renderer)
    return "made"


def appset(name: str, parameters: list[dict[str, str]], path: str = "values/*.yaml") -> Files:
    """One that makes an Application of each file of values, with what the file says."""
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "set", "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "generators": [{"git": {"repoURL": DEPLOY, "revision": "main", "files": [{"path": path}]}}],
            "template": {
                "metadata": {"name": name},
                "spec": {
                    "project": "default",
                    "destination": {"server": "https://eu.example.com", "namespace": "made"},
                    "source": {
                        "repoURL": DEPLOY,
                        "path": "charts/one",
                        "helm": {"valueFiles": ["../../{{ .path.path }}/all.yaml"], "parameters": parameters},
                    },
                },
            },
        },
    }
    return {"apps/set.yaml": yaml.safe_dump(body)}


def test_a_file_that_a_generator_reads_says_only_what_its_values_do(renderer: Remembering) -> None:
    one = world(sets=appset("made", []))
    assert outcome(renderer, one, ("made/made-api", CPU, "300m")) == "made"


def test_a_file_that_a_generator_hands_to_a_parameter_says_more(renderer: Remembering) -> None:
    cpu = "{{ .api.resources.requests.cpu }}"
    one = world(sets=appset("made", [{"name": "web.cpu", "value": cpu}]))
    assert outcome(renderer, one, ("made/made-api", CPU, "300m")) == "side-effect"


def test_an_application_that_would_be_called_differently_is_another(renderer: Remembering) -> None:
    one = world(sets=appset("made-{{ .api.resources.requests.cpu }}", []))
    assert outcome(renderer, one, ("made/made-200m-api", CPU, "300m")) == "side-effect"


def test_an_application_that_a_generator_would_make_besides(renderer: Remembering) -> None:
    own = helm("own", valueFiles=["../../values/all.yaml"])
    body = yaml.safe_load(appset("made", [])["apps/set.yaml"])
    (generator,) = body["spec"]["generators"]
    for cpu, expected in (("300m", "side-effect"), ("400m", "made")):
        generator["selector"] = {"matchLabels": {"api.resources.requests.cpu": cpu}}
        one = world(own, sets={"apps/set.yaml": yaml.safe_dump(body)})
        assert outcome(renderer, one, ("own/own-api", CPU, "300m")) == expected


def test_a_file_that_is_also_taken_as_text(renderer: Remembering) -> None:
    told = {
        "charts/one/templates/told.yaml": (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: told}\n"
            "data: {all: {{ .Values.told | quote }}}\n"
        )
    }
    app = helm("own", valueFiles=["../../values/all.yaml"])
    other = helm("told", fileParameters=[{"name": "told", "path": "../../values/all.yaml"}])
    assert outcome(renderer, world(app, told=told), ("own/own-api", CPU, "300m")) == "made"
    assert outcome(renderer, world(app, other, told=told), ("own/own-api", CPU, "300m")) == "side-effect"


def test_overrides_beside_the_source_feed_all_who_take_it(renderer: Remembering) -> None:
    overrides = {"charts/one/.argocd-source.yaml": "helm: {parameters: [{name: web.cpu, value: 170m}]}\n"}
    one = world(helm("own"), helm("other"), overrides=overrides)
    found = slot(one.surveyed(renderer), "own/own-web", CPU)
    assert [ref.namespace for ref in found.consumers] == ["other", "own"]
    assert outcome(renderer, one, ("own/own-web", CPU, "300m")) == "made"


def parent(more: str) -> Files:
    """A chart with a workload of its own, and an Application that may take the same value."""
    return {
        "charts/top/Chart.yaml": "apiVersion: v2\nname: top\nversion: 1.0.0\n",
        "charts/top/values.yaml": "cpu: 150m\n",
        "charts/top/templates/own.yaml": CHART["charts/one/templates/web.yaml"].replace(
            "$v := .Values.web", '$v := dict "cpu" .Values.cpu "memory" "1Mi" "tag" "1.0.0"'
        ),
        "charts/top/templates/child.yaml": helm(
            "child", parameters=[{"name": "web.cpu", "value": more}]
        ).text(),
    }


def test_an_application_that_comes_out_of_a_render(renderer: Remembering) -> None:
    app = App("top", {"repoURL": DEPLOY, "path": "charts/top"}, namespace="top")
    assert outcome(renderer, world(app, top=parent("170m")), ("top/top-web", CPU, "300m")) == "made"
    one = world(app, top=parent("{{ .Values.cpu }}"))
    assert outcome(renderer, one, ("top/top-web", CPU, "300m")) == "side-effect"


def test_what_cannot_be_rendered_may_take_the_file_too(renderer: Remembering) -> None:
    own = helm("own", valueFiles=["../../values/all.yaml"])
    foreign = {
        "repoURL": "https://charts.example.com",
        "chart": "one",
        "targetRevision": "1.0.0",
        "helm": {"valueFiles": ["$values/values/all.yaml"]},
    }
    app = App("far", foreign, more=({"repoURL": DEPLOY, "ref": "values", "targetRevision": "main"},))
    assert outcome(renderer, world(own, app), ("own/own-api", CPU, "300m")) == "unproven"


def test_a_plugin_may_read_all_of_its_folder(renderer: Remembering) -> None:
    plugin = App("odd", {"repoURL": DEPLOY, "path": "charts/one", "plugin": {"name": "vault"}})
    assert outcome(renderer, world(helm("own"), plugin), ("own/own-web", CPU, "300m")) == "unproven"
    own = helm("own", valueFiles=["../../values/all.yaml"])
    assert outcome(renderer, world(own, plugin), ("own/own-api", CPU, "300m")) == "made"


def test_another_revision_is_not_reached_but_by_what_it_takes_of_this_one(renderer: Remembering) -> None:
    own = helm("own", valueFiles=["../../values/all.yaml"])
    source = {"repoURL": DEPLOY, "path": "charts/one", "targetRevision": "v1"}
    assert outcome(renderer, world(own, App("old", source)), ("own/own-web", CPU, "300m")) == "made"
    source["helm"] = {"valueFiles": ["$values/values/all.yaml"]}
    mixed = App("old", source, more=({"repoURL": DEPLOY, "ref": "values", "targetRevision": "main"},))
    assert outcome(renderer, world(own, mixed), ("own/own-api", CPU, "300m")) == "unproven"
    older = App("old", source, more=({"repoURL": DEPLOY, "ref": "values", "targetRevision": "v1"},))
    assert outcome(renderer, world(own, older), ("own/own-api", CPU, "300m")) == "made"


def test_two_fields_of_one_value(renderer: Remembering) -> None:
    files = chart("one", {"api": ("both", "own", False), "web": ("own", "own", False)})
    one = world(helm("own"), chart=files)
    who = "own/own-api"
    assert outcome(renderer, one, (who, CPU, "1")) == "side-effect"
    assert outcome(renderer, one, (who, CPU, "1"), (who, LIMIT, "2")) == "side-effect"
    assert outcome(renderer, one, (who, CPU, "1"), (who, LIMIT, "1")) == "made"


def test_the_base_of_an_overlay_that_is_applied_as_it_stands_too(renderer: Remembering) -> None:
    base = {"base/kustomization.yaml": "resources: [app.yaml]\n", "base/app.yaml": PLAIN["plain/app.yaml"]}
    source = {"repoURL": DEPLOY, "path": "base", "directory": {"include": "app.yaml"}}
    one = world(App("bare", source, "us", "bare"), base=base, over=overlay("k-dev", frozenset()))
    found = slot(one.surveyed(renderer), "k-dev/plain", CPU, "app")
    assert [ref.namespace for ref in found.consumers] == ["k-dev", "bare"]
    assert outcome(renderer, one, ("k-dev/plain", CPU, "300m"), container="app") == "made"


def test_a_new_file_in_a_folder_that_is_applied_as_it_stands(renderer: Remembering) -> None:
    """A patch gets a file of its own, as its neighbours have; the folder's Application would apply it."""
    base = {"base/kustomization.yaml": "resources: [app.yaml]\n", "base/app.yaml": PLAIN["plain/app.yaml"]}
    files = base | COMPONENT | overlay("k-dev", frozenset({"file"})) | overlay("k-prod", frozenset())
    files = {path: text.replace("name: app\nspec", "name: plain\nspec") for path, text in files.items()}
    one = world(files=files)
    estate = one.surveyed(renderer)
    wish = NewValue(slot(estate, "k-dev/plain", LIMIT, "app"), "2")
    made, refused = change(estate, [[wish]])
    assert not refused
    assert "overlays/k-dev/plain-resources.yaml" in {path for _, path in made.files}
    source = {"repoURL": DEPLOY, "path": "overlays", "directory": {"recurse": True, "exclude": "*/kust*"}}
    watched = world(App("bare", source, "us", "bare"), files=files)
    estate = watched.surveyed(renderer)
    wish = NewValue(slot(estate, "k-dev/plain", LIMIT, "app"), "2")
    made, refused = change(estate, [[wish]])
    assert not made.files
    assert refused[0].reason == "side-effect"


def test_patches_for_two_containers_that_have_one_place(renderer: Remembering) -> None:
    files = {"base/kustomization.yaml": "resources: [app.yaml]\n", "base/app.yaml": PLAIN["plain/app.yaml"]}
    one = world(files=files | overlay("k-dev", frozenset()) | overlay("k-prod", frozenset()))
    estate = one.surveyed(renderer)
    wishes = [NewValue(slot(estate, "k-dev/plain", LIMIT, who), "2") for who in ("app", "side")]
    assert wishes[0].slot.place == wishes[1].slot.place
    for groups in ([wishes], [wishes[:1], wishes[1:]]):
        made, refused = change(estate, groups)
        assert not refused
        check(one, one.changed(made), wishes, renderer)


def test_groups_that_contradict_each_other_cost_no_other_its_change(renderer: Remembering) -> None:
    apps = [helm(f"a{n}", valueFiles=["../../values/all.yaml"], valuesObject={"api": {}}) for n in range(4)]
    one = world(*apps)
    estate = one.surveyed(renderer)
    cpu = [slot(estate, f"a{n}/a{n}-api", CPU) for n in range(4)]
    memory = [slot(estate, f"a{n}/a{n}-api", MEMORY) for n in range(4)]
    assert len({one.place for one in cpu}) == 1
    groups = [
        [NewValue(memory[0], "1Gi")],
        [NewValue(cpu[0], "1")],
        [NewValue(memory[1], "1Gi")],
        [NewValue(cpu[3], "2"), NewValue(memory[2], "1Gi")],
        [NewValue(memory[3], "1Gi")],
        [NewValue(cpu[2], "1")],
    ]
    made, refused = change(estate, groups)
    assert {at: why.reason.value for at, why in refused.items()} == {3: "side-effect"}
    check(one, one.changed(made), [each for at in (0, 1, 2, 4, 5) for each in groups[at]], renderer)
    assert [proof.unit for proof in made.proofs[0]] == ["a0"]
    assert [proof.unit for proof in made.proofs[1]] == ["a0", "a1", "a2", "a3"]


def test_two_units_may_each_have_values_in_one_file(renderer: Remembering) -> None:
    """The second one's is written on top of the first one's, which changes it as well."""
    shared = {"values/all.yaml": ALL + "web: {cpu: 160m}\n"}
    a = helm("a", valueFiles=["../../values/all.yaml"], valuesObject={"web": {"cpu": "155m"}})
    b = helm("b", valueFiles=["../../values/all.yaml"])
    one = world(a, b, shared=shared)
    estate = one.surveyed(renderer)
    wishes = [NewValue(slot(estate, "a/a-api", CPU), "300m"), NewValue(slot(estate, "b/b-web", CPU), "310m")]
    assert [len(each.slot.consumers) for each in wishes] == [2, 1]
    made, refused = change(estate, [[each] for each in wishes])
    assert not refused
    assert [path for _, path in made.files] == ["values/all.yaml"]
    check(one, one.changed(made), wishes, renderer)


def test_of_those_who_share_a_file_only_the_one_to_blame_is_refused(renderer: Remembering) -> None:
    peek = {
        "charts/peek/Chart.yaml": "apiVersion: v2\nname: peek\nversion: 1.0.0\n",
        "charts/peek/templates/told.yaml": (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: told}\n"
            "data: {cpu: {{ .Values.api.resources.requests.cpu }}}\n"
        ),
        "values/all.yaml": ALL + "web: {cpu: 160m, memory: 64Mi}\n",
    }
    files = {"valueFiles": ["../../values/all.yaml"]}
    apps = (helm("own", **files), App("peek", {"repoURL": DEPLOY, "path": "charts/peek", "helm": files}))
    one = world(*apps, peek=peek)
    estate = one.surveyed(renderer)
    wanted = [("own/own-web", CPU, "1"), ("own/own-api", CPU, "1"), ("own/own-web", MEMORY, "1Gi")]
    groups = [[NewValue(slot(estate, who, field), new)] for who, field, new in wanted]
    made, refused = change(estate, groups)
    assert {at: why.reason.value for at, why in refused.items()} == {1: "side-effect"}
    check(one, one.changed(made), [*groups[0], *groups[2]], renderer)


def test_a_repository_that_is_not_known_is_not_written_to(renderer: Remembering) -> None:
    estate = world(helm("own")).surveyed(renderer)
    known = slot(estate, "own/own-web", CPU)
    for how in ("manifest", known.how_traced):
        foreign = known._replace(place=Place("https://elsewhere", "a.yaml", 0, ("a",)), how_traced=how)
        made, refused = change(estate, [[NewValue(foreign, "1")], [NewValue(known, "2")]])
        assert list(refused) == [0]
        assert {repository for repository, _ in made.files} == {DEPLOY}


def test_a_value_that_does_not_reach_all_whom_it_was_meant_for(renderer: Remembering) -> None:
    one = world(helm("own", valueFiles=["../../values/all.yaml"]), helm("other"))
    estate = one.surveyed(renderer)
    own, other = (slot(estate, who, CPU) for who in ("own/own-api", "other/other-api"))
    both = own._replace(consumers=(*own.consumers, *other.consumers))
    made, refused = change(estate, [[NewValue(both, "300m")]])
    assert not made.files
    assert refused[0].reason == "no-effect"


def test_what_is_so_already_is_left(renderer: Remembering) -> None:
    one = world(helm("own", valueFiles=["../../values/all.yaml"]), base=PLAIN)
    estate = one.surveyed(renderer)
    wishes = [
        (("own/own-api", CPU), "300m"),
        (("own/own-api", Field.IMAGE), "shop/api:1.9.0"),
        (("/plain", CPU), "1"),
    ]
    made, refused = change(
        estate, [[NewValue(slot(estate, *who, "app" if "/plain" in who else ""), new)] for who, new in wishes]
    )
    assert not refused
    after = one.changed(made)
    estate = after.surveyed(renderer)
    again, refused = change(
        estate, [[NewValue(slot(estate, *who, "app" if "/plain" in who else ""), new)] for who, new in wishes]
    )
    assert (again.files, refused) == ({}, {})


def test_two_repositories(renderer: Remembering) -> None:
    source = {
        "repoURL": DEPLOY,
        "path": "charts/one",
        "helm": {"valueFiles": ["$values/values/all.yaml"]},
    }
    app = App("own", source, namespace="own", more=({"repoURL": APPS, "ref": "values"},))
    one = World({APPS: {"apps/own.yaml": app.text(), "values/all.yaml": ALL}, DEPLOY: CHART})
    assert outcome(renderer, one, ("own/own-api", CPU, "1"), ("own/own-web", CPU, "1")) == "made"
    estate = one.surveyed(renderer)
    made, _ = change(estate, [[NewValue(slot(estate, "own/own-api", CPU), "1")]])
    assert {repository for repository, _ in made.files} == {APPS}


def test_the_law_can_fail(renderer: Remembering) -> None:
    one = world(helm("own", valueFiles=["../../values/all.yaml"]))
    estate = one.surveyed(renderer)
    wish = NewValue(slot(estate, "own/own-api", CPU), "1")
    made, refused = change(estate, [[wish]])
    assert not isinstance(refused.get(0), Refused)
    after = one.changed(made)
    check(one, after, [wish], renderer)
    text = after.files[DEPLOY]["values/all.yaml"]
    for wrong in (
        ALL,
        text.replace("1.5.0", "1.5.1"),
        text + "web: {cpu: 1}\n",
        text.replace("cpu: 1", "cpu: 2"),
    ):
        with pytest.raises(AssertionError):
            check(one, World({DEPLOY: {**after.files[DEPLOY], "values/all.yaml": wrong}}), [wish], renderer)
