"""The readers behind the owners of images: JSON as people write it, patterns, and lists of images."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.others import imageupdater, json5
from reconciler.source.others.matching import among, covered, file_matches
from reconciler.source.others.names import forms_of, name_of
from reconciler.source.typed import Thing
from reconciler.source.units import Deployed, Unit

PREFIX = "argocd-image-updater.argoproj.io"


# -- JSON5 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("// a\n{a: 1, /* b */ 'b': [1, 2,],}\n", {"a": 1, "b": [1, 2]}),
        (r'["\u0041\n\x42", ' + "'a\\\nb', \"it's\"]", ["A\nB", "ab", "it's"]),
        ("[+1, -2.5, 0x10, .5, 1e3, true, false, null]", [1, -2.5, 16, 0.5, 1000.0, True, False, None]),
        ('\ufeff{"$schema": "x", $a_1: 2}', {"$schema": "x", "$a_1": 2}),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_as_people_write_it(text: str, value: object) -> None:
    assert json5.read(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a value is missing"),
        ("{a: 1", "a comma or } is missing"),
        ("[1 2]", "a comma or ] is missing"),
        ("{a 1}", "a colon is missing"),
        ("{1: 1}", "a key is missing"),
        ("['a", "isn't closed"),
        ("['a\nb']", "isn't closed"),
        ("\n\n{a: nope}", "line 3: nope is no value"),
        ("{} {}", "stands behind its end"),
        ('["\\u12"]', "wants 4 digits"),
        ("[1_000]", "is no value"),
        ("9" * 5000, "is no value"),
        ("[" * 5000, "deeper"),
        (" " * 2_000_000, "characters"),
        ("/*" * 1000, "a value is missing"),
    ],
)
def test_what_is_none_is_told_with_its_line(text: str, words: str) -> None:
    started = time.monotonic()
    with pytest.raises(json5.BadJson5Error, match=words.replace("(", r"\(")):
        json5.read(text)
    assert time.monotonic() - started < 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_all_json_is_read_as_json(value: object) -> None:
    assert json5.read(json.dumps(value)) == value
    assert json5.read(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(st.text(alphabet="{}[],:'\"\\/*ab1 \n-"))
def test_whatever_stands_there_ends_in_a_value_or_in_words(text: str) -> None:
    with suppress(json5.BadJson5Error):
        json.dumps(json5.read(text))


# -- names and patterns ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.25", "docker.io/library/nginx"),
        ("index.docker.io/nginx@sha256:ab", "docker.io/library/nginx"),
        ("shop/web:1", "docker.io/shop/web"),
        ("ghcr.io/shop/web:1", "ghcr.io/shop/web"),
        ("localhost:5000/web:1", "localhost:5000/web"),
        ("GHCR.io/shop/web", "ghcr.io/shop/web"),
    ],
)
def test_one_name_for_all_ways_to_write_it(written: str, name: str) -> None:
    assert name_of(written) == name
    assert name in forms_of(written)


@pytest.mark.parametrize(
    ("patterns", "name", "matched"),
    [
        (["nginx"], "nginx", True),
        (["ngin"], "nginx", False),
        (["*"], "a/b/c", True),
        (["a/*"], "a/b", True),
        (["a/*"], "a/b/c", False),
        (["a/**"], "a/b/c", True),
        (["A/B"], "a/b", True),
        (["/^A/"], "a", False),
        (["/^A/i"], "a", True),
        (["/(/"], "(", False),
        (["!a"], "b", True),
        (["!a"], "a", False),
        (["*", "!/^a/"], "ab", False),
        ([], "a", False),
    ],
)
def test_patterns_of_renovate(patterns: list[str], name: str, matched: bool) -> None:
    assert among(patterns, [name]) is matched


def test_an_expression_that_python_would_never_finish_takes_no_time() -> None:
    started = time.monotonic()
    assert not file_matches([r"/^(a+)+$/"], "a" * 5000 + "b")
    assert not covered([r"(a*)*c"], b"a" * 100_000, 1)
    assert time.monotonic() - started < 2


def test_an_expression_covers_the_lines_that_it_finds_something_in() -> None:
    data = b"a\n# mark\nimage: x\nb\n# mark\nimage: y\n"
    lines = [line for line in range(1, 7) if covered([r"# mark\nimage: (?<v>\S+)"], data, line)]
    assert lines == [2, 3, 5, 6]
    assert covered(["nowhere"], data, 1) is False
    assert covered([r"image: (?=x)"], data, 1) is True  # what can't be tried may
    assert covered(["nowhere"], None, 1) is True


# -- Argo CD Image Updater ------------------------------------------------------------------------


def unit(annotations: dict[str, str] | None = None) -> Unit:
    said = tuple((f"{PREFIX}/{key}", value) for key, value in (annotations or {}).items())
    app = Deployed("web", "argocd", "default", "web", (), True, labels=(("env", "dev"),), annotations=said)
    return Unit("web", "deploy", "argocd/web.yaml", 1, "", "shop", None, application=app)


def updater(ref: dict[str, object], namespace: str = "argocd", **spec: object) -> Thing:
    body = {
        "apiVersion": f"{PREFIX}/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": "all", "namespace": namespace},
        "spec": {"applicationRefs": [ref], **spec},
    }
    return Thing("deploy", "updater.yaml", 0, (), 7, body)


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        ({}, []),
        ({"image-list": ""}, []),
        ({"image-list": "nginx"}, [("docker.io/library/nginx", "")]),
        ({"image-list": "nginx:~1.26"}, [("docker.io/library/nginx", "~1.26")]),
        ({"image-list": "a=localhost:5000/web"}, [("localhost:5000/web", "")]),
        ({"image-list": "a=localhost:5000/web:1.x"}, [("localhost:5000/web", "1.x")]),
        (
            {"image-list": "a=nginx:1.x , redis:>=6,, "},
            [("docker.io/library/nginx", "1.x"), ("docker.io/library/redis", ">=6")],
        ),
        (
            {"image-list": "web=ghcr.io/shop/web", "web.kustomize.image-name": "web"},
            [("ghcr.io/shop/web", "")],
        ),
    ],
)
def test_lists_of_images(annotations: dict[str, str], found: list[tuple[str, str]]) -> None:
    tracked = imageupdater.tracked(unit(annotations), ())
    assert [(each.names[0], each.constraint) for each in tracked] == found


def test_settings_of_an_image_go_before_those_of_all() -> None:
    said = {
        "image-list": "team/a=nginx, redis",
        "update-strategy": "newest-build",
        "team_a.update-strategy": "digest",
        "redis.ignore-tags": "dev, *-rc",
    }
    one, other = imageupdater.tracked(unit(said), ())
    assert one.settings == {"update-strategy": "digest"}
    assert other.settings == {"update-strategy": "newest-build", "ignore-tags": "dev, *-rc"}
    assert other.ignored == ("dev", "*-rc")
    assert not other.paused


@pytest.mark.parametrize(
    ("ref", "namespace", "meant"),
    [
        ({"namePattern": "web"}, "argocd", True),
        ({"namePattern": "w?b"}, "argocd", True),
        ({"namePattern": "*"}, "argocd", True),
        ({"namePattern": "api-*"}, "argocd", False),
        ({}, "argocd", False),
        ({"namePattern": "*"}, "elsewhere", False),
        ({"namePattern": "*"}, "", True),
        ({"namePattern": "*", "labelSelectors": {"matchLabels": {"env": "dev"}}}, "argocd", True),
        ({"namePattern": "*", "labelSelectors": {"matchLabels": {"env": "prod"}}}, "argocd", False),
    ],
)
def test_which_applications_a_resource_means(ref: dict[str, object], namespace: str, meant: bool) -> None:
    one = updater({**ref, "images": [{"alias": "a", "imageName": "nginx:1.x"}]}, namespace)
    assert bool(imageupdater.tracked(unit(), (one,))) is meant


def test_the_narrower_setting_of_a_resource_counts() -> None:
    image = {"alias": "a", "imageName": "nginx:1.x", "commonUpdateSettings": {"ignoreTags": ["a", "b"]}}
    ref = {"namePattern": "*", "images": [image], "commonUpdateSettings": {"updateStrategy": "digest"}}
    one = updater(ref, commonUpdateSettings={"updateStrategy": "semver", "allowTags": "any"})
    (found,) = imageupdater.tracked(unit(), (one,))
    assert found.settings == {"update-strategy": "digest", "allow-tags": "any", "ignore-tags": "a,b"}


@pytest.mark.parametrize(
    "spec",
    [None, [], "x", {"applicationRefs": {}}, {"applicationRefs": [None, {"namePattern": "*", "images": 3}]}],
)
def test_a_resource_of_any_shape_harms_nothing(spec: object) -> None:
    body = {"apiVersion": f"{PREFIX}/v1alpha1", "kind": "ImageUpdater", "metadata": {}, "spec": spec}
    assert imageupdater.tracked(unit(), (Thing("deploy", "a.yaml", 0, (), 1, body),)) == []
