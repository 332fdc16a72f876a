"""What a person means by a target, a pattern and a wish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import deployment, found_in

from reconciler.errors import Misconfigured
from reconciler.model import Container, ContainerRef, Discovery
from reconciler.source.compose import UnitSetting
from reconciler.source.targets import Found, Missed, find, kind_of, malformed, matches
from reconciler.source.wishes import new_values

TWO = "        - {name: app, image: a:1}\n        - {name: log, image: b:1}\n"
INIT = "        - {name: app, image: a:1}\n      initContainers:\n        - {name: migrate, image: b:1}\n"


def _repository() -> Discovery:
    return found_in(
        {
            "prod/web.yaml": deployment("web", metadata="  namespace: prod\n"),
            "test/web.yaml": deployment("web", metadata="  namespace: test\n"),
            "prod/two.yaml": deployment("two", metadata="  namespace: prod\n", containers=TWO),
            "prod/init.yaml": deployment("init", metadata="  namespace: prod\n", containers=INIT),
            "odd/deploy.yaml": deployment("job", metadata="  namespace: deploy\n"),
            "prod/db.yaml": deployment("db", metadata="  namespace: prod\n").replace(
                "Deployment", "StatefulSet"
            ),
            "eu/api.yaml": deployment("api", metadata="  namespace: prod\n"),
            "us/api.yaml": deployment("api", metadata="  namespace: prod\n"),
        },
        [UnitSetting("eu", "", "eu"), UnitSetting("us", "", "us")],
    )


HERE = _repository()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("prod/Deployment/web/app", "prod/Deployment/web/app"),
        ("prod/deploy/web", "prod/Deployment/web/app"),
        ("TEST/deploy/web".lower(), "test/Deployment/web/app"),
        ("prod/DEPLOYMENTS.apps/web/app", "prod/Deployment/web/app"),
        ("deploy/two/log", "prod/Deployment/two/log"),
        ("deploy/init", "prod/Deployment/init/app"),
        ("deploy/init/migrate", "prod/Deployment/init/migrate"),
        ("sts/db", "prod/StatefulSet/db/app"),
        ("deploy/deploy/job", "deploy/Deployment/job/app"),
        ("eu:deploy/api", "eu:prod/Deployment/api/app"),
        ("eu:prod/Deployment/api/app", "eu:prod/Deployment/api/app"),
    ],
)
def test_a_target_means_one_container(target: str, expected: str) -> None:
    found = find(HERE, target)
    assert isinstance(found, Found), found
    assert str(found.container.ref) == expected


def test_every_container_is_found_by_the_name_that_it_is_printed_with() -> None:
    for workload in HERE.workloads:
        for container in workload.containers:
            found = find(HERE, str(container.ref))
            assert isinstance(found, Found)
            assert found.container.ref == container.ref


def test_cluster_and_unit_narrow() -> None:
    for narrow in ({"cluster": "us"}, {"unit": "us"}, {"unit": "./us/"}, {"cluster": "us", "unit": "us"}):
        found = find(HERE, "deploy/api", **narrow)
        assert isinstance(found, Found)
        assert found.workload.path == "us/api.yaml"
    assert isinstance(find(HERE, "deploy/api", cluster="us", unit="eu"), Missed)


@pytest.mark.parametrize(
    ("target", "words", "candidate"),
    [
        ("deploy/web", "narrow with", "prod/Deployment/web/app in prod/web.yaml:1"),
        ("deploy/two", "name one", "prod/Deployment/two/log"),
        ("deploy/api", "--cluster", "us:prod/Deployment/api/app"),
        ("prod/deploy/webb", "nearest", "Deployment/web in"),
        ("other/deploy/web", "nearest", "prod/Deployment/web in prod/web.yaml"),
        ("prod/deploy/two/none", "these containers", "prod/Deployment/two/log"),
        ("deploy/xyzzy", "no manifest", ""),
        ("deployment/two/typo", "these containers", "prod/Deployment/two/app"),
        ("deplyo/web", "'deploy'", ""),
        ("frob/web", "no kind", ""),
        ("web", "[NAMESPACE/]KIND/NAME[/CONTAINER]", ""),
        ("a/b/c/d/e", "[NAMESPACE/]KIND/NAME[/CONTAINER]", ""),
        ("deploy//app", "[NAMESPACE/]KIND/NAME[/CONTAINER]", ""),
        (":deploy/web", "[NAMESPACE/]KIND/NAME[/CONTAINER]", ""),
        ("", "[NAMESPACE/]KIND/NAME[/CONTAINER]", ""),
    ],
)
def test_what_means_none_or_several_is_told_with_candidates(target: str, words: str, candidate: str) -> None:
    missed = find(HERE, target)
    assert isinstance(missed, Missed)
    assert words in missed.error
    assert any(candidate in line for line in missed.candidates) or not candidate


def test_many_candidates_are_cut_short() -> None:
    here = found_in({f"n{n}/web.yaml": deployment(metadata=f"  namespace: n{n}\n") for n in range(40)})
    missed = find(here, "deploy/web")
    assert isinstance(missed, Missed)
    assert missed.candidates[-1] == "and 20 more"
    assert len(str(missed).splitlines()) == 22


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("po", "Pod"),
        ("pods", "Pod"),
        ("cj", "CronJob"),
        ("jobs", "Job"),
        ("ds", "DaemonSet"),
        ("rs", "ReplicaSet"),
        ("ksvc", "Service"),
        ("rollouts.argoproj.io", "Rollout"),
        ("dc", "DeploymentConfig"),
        ("x", ""),
    ],
)
def test_kinds_as_kubectl_names_them(word: str, kind: str) -> None:
    assert kind_of(word) == kind
    assert kind_of(word.upper()) == kind


REF = ContainerRef("eu", "prod", "Deployment", "web-api", "app")


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("web-*", True),
        ("web", False),
        ("*", True),
        ("deploy/web-*", True),
        ("deployment/*", True),
        ("sts/*", False),
        ("*/web-api", True),
        ("prod/deploy/*", True),
        ("deploy/web-api/app", True),
        ("deploy/web-api/log", False),
        ("p*/deploy/web-api/a?p", True),
        ("test/deploy/*", False),
        ("eu:deploy/*", True),
        ("us:deploy/*", False),
        ("e*:*/*", True),
        ("./apps/web", True),
        ("./apps", True),
        ("./", True),
        ("./app", False),
        ("./a*/web", True),
        ("./other", False),
    ],
)
def test_a_pattern_selects(pattern: str, hit: bool) -> None:
    assert matches(pattern, REF, "apps/web") is hit
    assert malformed(pattern) == ""


@pytest.mark.parametrize("pattern", ["", "a/b/c/d/e", "deploy/", "frob/web"])
def test_a_pattern_that_can_mean_nothing_is_told(pattern: str) -> None:
    assert malformed(pattern)


@given(st.text(max_size=30))
def test_no_text_makes_a_target_or_a_pattern_raise(text: str) -> None:
    assert isinstance(find(HERE, text), Found | Missed)
    assert isinstance(matches(text, REF, "apps"), bool)
    assert isinstance(malformed(text), str)


# -- wishes -----------------------------------------------------------------------------------------


def _container(image: str = "reg.example.com:5000/team/web:1.2") -> Container:
    body = f"        - {{name: app, image: '{image}'}}\n"
    return found_in({"a.yaml": deployment(containers=body)}).workloads[0].containers[0]


SHA = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "wish", "expected"),
    [
        ("web:1.2", "web:1.3", "web:1.3"),
        ("web:1.2", ":1.3", "web:1.3"),
        ("web", ":1.3", "web:1.3"),
        ("reg.example.com:5000/team/web", ":1.3", "reg.example.com:5000/team/web:1.3"),
        ("reg.example.com:5000/team/web:1.2", ":1.3", "reg.example.com:5000/team/web:1.3"),
        (f"web:1.2@{SHA}", ":1.3", "web:1.3"),
        ("web:1.2", f"@{SHA}", f"web:1.2@{SHA}"),
        ("web", f"@{SHA}", f"web@{SHA}"),
        ("web:1.2", f":1.3@{SHA}", f"web:1.3@{SHA}"),
        ("web:1.2", "localhost:5000/a/b", "localhost:5000/a/b"),
    ],
)
def test_an_image_is_a_reference_a_tag_or_a_digest(image: str, wish: str, expected: str) -> None:
    (value,) = new_values(_container(image), [f"image={wish}"])
    assert value.new == expected


def test_quantities_and_their_short_names() -> None:
    values = new_values(_container(), ["cpu=250m", "memory=1.5Gi", "limits.cpu=2", "limits.memory=2Gi"])
    assert [(value.slot.field.value, value.new) for value in values] == [
        ("requests.cpu", "250m"),
        ("requests.memory", "1.5Gi"),
        ("limits.cpu", "2"),
        ("limits.memory", "2Gi"),
    ]


@pytest.mark.parametrize(
    ("wishes", "word"),
    [
        ([], "nothing to set"),
        (["cpu"], "FIELD=VALUE"),
        (["cup=1"], "'cpu'"),
        (["frobnicate=1"], "one of"),
        (["cpu=1", "requests.cpu=2"], "twice"),
        (["cpu=lots"], "requests.cpu"),
        (["cpu="], "requests.cpu"),
        (["memory=1Qi"], "requests.memory"),
        (["memory=-1Gi"], "below zero"),
        (["image="], "reference"),
        (["image=Web:1"], "reference"),
        (["image=a b"], "reference"),
        (["image=:"], "tag"),
        (["image=:a b"], "tag"),
        (["image=:-x"], "tag"),
        (["image=@sha256:12"], "digest"),
        (["image=web:1\nkind: X"], "tag"),
    ],
)
def test_a_wish_that_makes_no_sense_is_told(wishes: list[str], word: str) -> None:
    with pytest.raises(Misconfigured, match=word.replace("[", r"\[")):
        new_values(_container(), wishes)


def test_a_tag_needs_an_image() -> None:
    bare = found_in({"a.yaml": deployment(containers="        - name: app\n")}).workloads[0].containers[0]
    with pytest.raises(Misconfigured, match="full reference"):
        new_values(bare, ["image=:1.3"])
    assert new_values(bare, ["image=web:1"])[0].new == "web:1"
