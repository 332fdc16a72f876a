"""What units are made of: charts with their dependencies, trees with links, wildcards, values with types."""

from __future__ import annotations

import fnmatch
import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import Tree as Files
from unit_repositories import (
    CHART,
    SHOW,
    application,
    found,
    helm,
    known,
    program_renderer,
    reason,
    rendered,
    unit,
)

from reconciler.model import Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source import globs
from reconciler.source.finding import find_units
from reconciler.source.render import Files as ChartFiles
from reconciler.source.repositories import address
from reconciler.source.settings import UnitSettings
from reconciler.source.trees import Tree, inside
from reconciler.source.typed import as_json, merge_patch, plain, read_values

DEPENDENT = CHART + "dependencies:\n- {name: %s, version: 1.0.0, repository: '%s'%s}\n"
LIBRARY = "apiVersion: v2\nname: lib\nversion: 1.0.0\n"
USING = SHOW.replace("{{ .Values | toJson | quote }}", '{{ include "lib.word" . }}')


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


def of(**files: str | bytes) -> dict[str, str | bytes]:
    return {"a.yaml": application("web", "path: charts/web"), **files}


def library(folder: str) -> dict[str, str]:
    helpers = '{{ define "lib.word" }}from-the-library{{ end }}\n'
    return {f"{folder}/Chart.yaml": LIBRARY, f"{folder}/templates/_helpers.tpl": helpers}


def packed(files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(made.getvalue())


# -- charts -----------------------------------------------------------------------------------------


def test_dependencies_beside_the_chart_are_brought_along(renderer: ProgramRenderer) -> None:
    files = of(
        **{
            "charts/web/Chart.yaml": DEPENDENT % ("lib", "file://../lib", ", alias: own"),
            "charts/web/templates/all.yaml": USING,
            **library("charts/lib"),
        }
    )
    request = helm(unit(found(files), "web"))
    assert "charts/lib/Chart.yaml" in request.chart
    assert "from-the-library" in rendered(renderer, request)


@pytest.mark.parametrize("way", ["folder", "other name", "packed"])
def test_vendored_dependencies_stay_as_they_are(renderer: ProgramRenderer, way: str) -> None:
    files = of(
        **{
            "charts/web/Chart.yaml": DEPENDENT % ("lib", "https://charts.example.com", ""),
            "charts/web/templates/all.yaml": USING,
        }
    )
    if way == "packed":
        files["charts/web/charts/lib-1.0.0.tgz"] = packed(library("lib"))
    else:
        files |= library("charts/web/charts/" + ("lib" if way == "folder" else "library"))
    assert "from-the-library" in rendered(renderer, helm(unit(found(files), "web")))


@pytest.mark.parametrize(
    ("name", "repository", "wanted"),
    [
        ("lib", "https://charts.example.com", "unknown-source"),
        ("lib", "file://../gone", "not-deployable"),
        ("lib", "file://../../../../etc", "not-deployable"),
        ("lib", "", "not-deployable"),
        ("../lib", "file://../lib", "not-deployable"),
        ("web", "file://../web", "not-deployable"),
    ],
)
def test_dependencies_that_are_missing(name: str, repository: str, wanted: str) -> None:
    files = of(**{"charts/web/Chart.yaml": DEPENDENT % (name, repository, ""), **library("charts/lib")})
    assert reason(unit(found(files), "web")) == wanted


class Shelf:
    """A source of charts that has one, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def chart(self, repository: str, name: str, version: str) -> ChartFiles | Refused:
        self.asked.append((repository, name, version))
        texts = {
            "Chart.yaml": CHART,
            "values.yaml": "size: chart\n",
            "templates/a.yaml": SHOW,
            "big.yaml": "size: big\n",
        }
        return {path: text.encode() for path, text in texts.items()}


def test_a_fetched_chart_with_values_from_git() -> None:
    source = """\
        sources:
        - repoURL: https://charts.example.com
          chart: web
          targetRevision: 1.2.3
          helm: {valueFiles: [big.yaml, $values/own.yaml]}
        - {repoURL: https://git.example.com/platform/deploy, ref: values}
        """
    files = {
        "a.yaml": application("web", more=source),
        "b.yaml": application("two", more=source),
        "own.yaml": "size: own\n",
    }
    shelf = Shelf()
    result = find_units([known(files)], UnitSettings(), None, shelf)
    one = unit(result, "web")
    assert helm(one).values == (b"size: big\n", b"size: own\n")
    assert [layer.refused is None for layer in one.layers] == [False, False, True]
    assert one.layers[0].shared
    assert (one.source, one.chart) == ("", "")
    assert shelf.asked == [("https://charts.example.com", "web", "1.2.3")]


def test_links_inside_a_chart_are_followed_and_others_left_out() -> None:
    files = of(
        **{"charts/web/Chart.yaml": CHART, "shared/values.yaml": "a: 1\n", "shared/templates/a.yaml": SHOW}
    )
    links = {
        "charts/web/values.yaml": "../../shared/values.yaml",
        "charts/web/templates": "../../shared/templates",
        "charts/web/passwd": "../../../../../etc/passwd",
        "charts/web/circle": ".",
        "charts/web/up": "..",
    }
    one = unit(found(files, links=links), "web")
    assert sorted(helm(one).chart) == ["Chart.yaml", "templates/a.yaml", "values.yaml"]
    assert one.layers[0].place.path == "shared/values.yaml"


# -- trees ------------------------------------------------------------------------------------------


def test_folders_come_in_the_order_of_a_walk() -> None:
    tree = Tree("x", Files({"a/b/f": "", "a-b/f": "", "a/f": "", "z": "", "c/.h/f": ""}))
    assert tree.folders == ("a", "a/b", "a-b", "c", "c/.h")


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b", "", "/", "c\0"]), max_size=12),
    st.sampled_from(["", "a", "a/b"]),
)
def test_no_name_leads_out_of_a_tree(parts: list[str], folder: str) -> None:
    found_path = inside(folder, "/".join(parts))
    assert found_path is None or not (found_path.startswith(("/", "../")) or found_path == "..")
    tree = Tree("x", Files({"a/b/f": "x"}, {"a/l": "../../..", "b": "a/l/etc"}))
    assert tree.read("/".join(parts)) in (None, b"x")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("https://h/a/b.git", "git@h:a/b", True),
        ("ssh://git@h:22/a/b", "https://H/A/B/", True),
        ("ssh://git@h:7999/a/b", "ssh://other@h:7999/a/b.git", True),
        ("ssh://git@h:7999/a/b", "https://h/a/b", False),
        ("git@[::1]:a/b", "ssh://git@[::1]/a/b", True),
        ("file:///srv/x.git", "/srv/x", True),
        ("https://h/a/b", "https://h/a/bc", False),
        ("https://h/a", "https://i/a", False),
        ("deploy", "deploy", True),
    ],
)
def test_addresses(left: str, right: str, same: bool) -> None:
    assert (address(left) == address(right)) is same


# -- wildcards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("a/*.yaml", "a/b.yaml", True),
        ("a/*.yaml", "a/b/c.yaml", False),
        ("**/*.yaml", "c.yaml", True),
        ("a/**/c.yaml", "a/c.yaml", True),
        ("a/**/c.yaml", "a/x/y/c.yaml", True),
        ("a/**", "a/x/y", True),
        ("a/{b,c}.yaml", "a/c.yaml", True),
        ("a/[!b].yaml", "a/b.yaml", False),
        ("a/[^b].yaml", "a/c.yaml", True),
        ("a/?.yaml", "a//.yaml", False),
        ("a/\\*.yaml", "a/b.yaml", False),
        ("a/\\*.yaml", "a/*.yaml", True),
        ("**/**/**/x", "x", True),
    ],
)
def test_doublestar(pattern: str, path: str, wanted: bool) -> None:
    assert globs.doublestar(pattern)(path) is wanted


@given(st.text("ab/*?", max_size=12), st.text("ab/", max_size=12))
def test_wildcards_agree_with_the_plain_ones(pattern: str, path: str) -> None:
    assert globs.crossing(pattern)(path) is fnmatch.fnmatchcase(path, pattern)
    if globs.by_segment(pattern)(path):
        assert globs.crossing(pattern)(path)
        assert pattern.count("/") == path.count("/")
    if "**" not in pattern:
        assert globs.doublestar(pattern)(path) is globs.by_segment(pattern)(path)


def test_no_wildcard_runs_for_ever() -> None:
    hostile = "*a" * 40 + "b"
    for way in (globs.crossing, globs.by_segment, globs.doublestar):
        assert not way(hostile)("a" * 200)
    assert not globs.doublestar("**/a/" * 40 + "b")("a/" * 200 + "c")
    assert not globs.doublestar("{a,b}" * 40)("c")


# -- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True), ("Off", False), ("y", True), ("null_", "null_"), ("0777", 511), ("0o17", 15),
        ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("08", 8), ("1e3", 1000), ("1.", 1), (".5", 0.5),
        ("1.5", 1.5), ("+5", 5),
        ("-0", 0), ("1:20", "1:20"), ("2001-01-01", "2001-01-01"), (".inf", ".inf"), ("1.2.3", "1.2.3"),
        ("9" * 400, "9" * 400), ("1e999", "1e999"), ("-", "-"), ("", ""),
    ],
)  # fmt: skip
def test_plain_words_mean_what_they_mean_to_kubernetes(word: str, value: object) -> None:
    assert plain(word) == value
    assert type(plain(word)) is type(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.é\u2028", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcd", min_size=2), JSON, max_size=3))
def test_what_is_written_as_json_is_read_as_yaml(value: dict[str, object]) -> None:
    assert json.loads(as_json(value)) == value
    read = read_values(as_json(value))
    assert read == value or (isinstance(read, Refused) and "\0" in str(value))


@given(JSON, JSON, JSON)
def test_a_merge_patch_has_the_last_word(base: object, first: object, second: object) -> None:
    once = merge_patch(base, first)
    assert merge_patch(once, first) == once
    assert merge_patch(base, {}) == (base if isinstance(base, dict) else {})
    if not isinstance(second, dict):
        assert merge_patch(once, second) == second
