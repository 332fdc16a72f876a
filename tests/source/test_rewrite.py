"""A value goes to the workload that it was meant for, or nowhere, whatever became of the file since."""

from __future__ import annotations

import pytest
from trees import deployment, found_in

from reconciler.model import Container, ContainerRef, Field, NewValue, Reason
from reconciler.source.rewrite import rewrite_groups, rewrite_values
from reconciler.source.wishes import new_values

KNATIVE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: {}
spec:
  template:
    spec:
      containers:
        - image: web:1.0
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  generateName: {}-
spec:
  template:
    spec:
      containers:
        - name: app
          image: web:1.0
"""
TWO = """\
        - name: {}
          image: nginx:1.25
        - name: {}
          image: nginx:1.25
"""


def listed(*names: str, kind: str = "List") -> str:
    """A list of Deployments; the items of a `DeploymentList` leave out what they are."""
    items = ""
    for name in names:
        lines = deployment(name).splitlines()[2 if kind != "List" else 0 :]
        items += "- " + "\n  ".join(lines) + "\n"
    version = "v1" if kind == "List" else "apps/v1"
    return f"apiVersion: {version}\nkind: {kind}\nitems:\n{items}"


def containers(text: str) -> dict[str, Container]:
    """By workload and container."""
    found = found_in({"a.yaml": text})
    return {
        f"{workload.name}/{container.ref.container}": container
        for workload in found.workloads
        for container in workload.containers
    }


# name -> the file that was read, the container meant, and the file as it is by now
MISTAKEN = {
    "documents change places": (
        deployment("web") + "---\n" + deployment("db"),
        "web/app",
        deployment("db") + "---\n" + deployment("web"),
    ),
    "a document is put before": (
        deployment("web"),
        "web/app",
        deployment("db") + "---\n" + deployment("web"),
    ),
    "the workload gets another name": (deployment("web"), "web/app", deployment("api")),
    "the workload loses its name": (
        deployment("web"),
        "web/app",
        deployment("web").replace("name: web", "x: 1"),
    ),
    "the workload becomes one of another kind": (
        deployment("web"),
        "web/app",
        deployment("web").replace("kind: Deployment", "kind: StatefulSet"),
    ),
    "the items of a list change places": (listed("web", "db"), "web/app", listed("db", "web")),
    "an item of a list goes": (listed("web", "db"), "db/app", listed("db")),
    "the items of a list without kinds change places": (
        listed("web", "db", kind="DeploymentList"),
        "db/app",
        listed("db", "web", kind="DeploymentList"),
    ),
    "a list without kinds becomes one of another kind": (
        listed("web", kind="DeploymentList"),
        "web/app",
        listed("web", kind="StatefulSetList"),
    ),
    "containers change places": (
        deployment("web", containers=TWO.format("app", "proxy")),
        "web/proxy",
        deployment("web", containers=TWO.format("proxy", "app")),
    ),
    "a container goes": (
        deployment("web", containers=TWO.format("app", "proxy")),
        "web/proxy",
        deployment("web"),
    ),
    "a container gets a name": (
        KNATIVE.format("web"),
        "web/user-container",
        KNATIVE.format("web").replace("- image", "- name: proxy\n          image"),
    ),
    "another of Knative's services": (KNATIVE.format("web"), "web/user-container", KNATIVE.format("db")),
    "another beginning of a name": (JOB.format("web"), "web-/app", JOB.format("db")),
    "what the name is an alias of": (
        "x: &n web\n" + deployment("web").replace("name: web", "name: *n"),
        "web/app",
        "x: &n api\n" + deployment("web").replace("name: web", "name: *n"),
    ),
}


@pytest.mark.parametrize(("before", "name", "now"), MISTAKEN.values(), ids=MISTAKEN)
@pytest.mark.parametrize("wish", ["cpu=250m", "limits.memory=1Gi", "image=:2.0"])
def test_what_is_another_workload_by_now_is_left_alone(before: str, name: str, now: str, wish: str) -> None:
    values = new_values(containers(before)[name], [wish])
    changes, refused = rewrite_values({"a.yaml": now.encode()}, values)
    assert changes == {}
    assert refused is not None
    assert refused.reason is Reason.UNPROVEN
    assert f"/{name}" in refused.detail


@pytest.mark.parametrize(("before", "name", "now"), MISTAKEN.values(), ids=MISTAKEN)
def test_the_same_is_written_where_the_file_still_is_what_it_was(before: str, name: str, now: str) -> None:
    values = new_values(containers(before)[name], ["cpu=250m", "limits.memory=1Gi", "image=:2.0"])
    changes, refused = rewrite_values({"a.yaml": before.encode()}, values)
    assert refused is None
    after = containers(changes["a.yaml"].after.decode())
    assert [after[name].slot(value.slot.field).value for value in values] == [one.new for one in values]
    assert now != before


def test_who_means_another_workload_spoils_nothing_for_the_others() -> None:
    found = containers(deployment("web") + "---\n" + deployment("db"))
    now = deployment("web") + "---\n" + deployment("api")
    groups = [new_values(found["db/app"], ["cpu=1"]), new_values(found["web/app"], ["cpu=2"])]
    changes, refused = rewrite_groups({"a.yaml": now.encode()}, groups)
    assert list(refused) == [0]
    assert "Deployment/api/app, not Deployment/db/app" in refused[0].detail
    after = containers(changes["a.yaml"].after.decode())
    assert {name: one.slot(Field.CPU_REQUEST).value for name, one in after.items()} == {
        "web/app": "2",
        "api/app": None,
    }


def test_any_of_several_consumers_will_do() -> None:
    (value,) = new_values(containers(deployment("web"))["web/app"], ["cpu=1"])
    other = ContainerRef("", "", "Deployment", "other", "app")
    both = NewValue(value.slot._replace(consumers=(other, *value.slot.consumers)), "1")
    one = NewValue(value.slot._replace(consumers=(other,)), "1")
    files = {"a.yaml": deployment("web").encode()}
    assert rewrite_values(files, [both])[1] is None
    assert rewrite_values(files, [one])[1] is not None
    # two who share the place: both have to be right
    assert rewrite_groups(files, [[value], [one]])[1].keys() == {1}


def test_what_a_renderer_traced_names_no_workload_in_its_file() -> None:
    (value,) = new_values(containers(deployment("web"))["web/app"], ["cpu=1"])
    place = value.slot.place._replace(keys=("web", "cpu"))
    slot = value.slot._replace(place=place, how_traced="helm")
    changes, refused = rewrite_values({"a.yaml": b"web:\n  cpu: 5\n"}, [NewValue(slot, "1")])
    assert refused is None
    assert changes["a.yaml"].after == b"web:\n  cpu: 1\n"


def test_merges_that_never_end_are_refused() -> None:
    (value,) = new_values(containers(deployment("web"))["web/app"], ["cpu=1"])
    merges = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 80))
    now = merges + deployment("web").replace("metadata:\n", "metadata:\n  <<: *a79\n")
    _, refused = rewrite_values({"a.yaml": now.encode()}, [value])
    assert refused is not None
    assert refused.reason is Reason.UNPROVEN


# -- files whose documents are hard to count ------------------------------------------------------

HEADS = {
    "markers between lone CRs": "a: 1\r---\rb: 2\n",
    "markers between line separators": "a: 1\u2028---\u2028b: 2\n",
    "markers between next lines": "a: 1\x85---\x85b: 2\n",
    "a marker that is none behind braces": "---\n{a: 1}\n---foo: 1\n",
    "an end that is none": "x: 1\n...foo\n",
    "ends between lone CRs": "a: 1\r...\rb: 2\r\n",
    "text for a root": "a: 1\n--- |\n x\n",
    "a certificate at the margin": "---\n{{ if .enabled }}\napiVersion: v1\nkind: Secret\ndata: |\n"
    "-----BEGIN CERTIFICATE-----\n{{ end }}\n",
}


def three(head: str) -> str:
    return head + "".join(f"---\n{deployment(name)}" for name in ("aaa", "bbb", "ccc"))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("name", ["aaa", "bbb", "ccc"])
def test_no_head_of_a_file_shifts_a_value_into_another_workload(head: str, name: str) -> None:
    text = three(head)
    found = containers(text)
    assert sorted(found) == ["aaa/app", "bbb/app", "ccc/app"]
    values = new_values(found[f"{name}/app"], ["cpu=222m"])
    changes, refused = rewrite_values({"a.yaml": text.encode()}, values)
    assert refused is None
    new = deployment(name) + "          resources:\n            requests:\n              cpu: 222m\n"
    assert changes["a.yaml"].after.decode() == text.replace(deployment(name), new)


def test_a_workload_that_only_some_would_see_is_not_managed() -> None:
    """After a lone CR a marker is one to a parser, and none to who splits by lines, as kubectl does."""
    text = "a: 1\r" + three("")
    found = found_in({"a.yaml": text})
    assert [workload.name for workload in found.workloads] == ["bbb", "ccc"]
    assert "a second document begins" in found.failures[0].error
