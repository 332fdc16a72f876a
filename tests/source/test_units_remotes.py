"""Charts, kustomizations and bases in repositories that nobody named, over a real Git server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from servers import git_http
from servers.git_http import GitServer
from servers.repositories import Bare
from trees import deployment
from unit_repositories import (
    CHART,
    SHOW,
    application,
    helm,
    known,
    overlay,
    places,
    program_renderer,
    reason,
    rendered,
    unit,
)

from reconciler.errors import Problem
from reconciler.git.mirror import open_mirror
from reconciler.model import Field, NewValue, Reason, Refused
from reconciler.rendering.renderer import ProgramRenderer
from reconciler.source import kustomizing
from reconciler.source.finding import Found, find_units
from reconciler.source.kustomizing import Edited, Traced
from reconciler.source.remotes import GitSource
from reconciler.source.repositories import Known
from reconciler.source.settings import UnitSettings
from reconciler.source.snapshot import Snapshot
from reconciler.source.tracing.edits import edit as helm_edit
from reconciler.source.tracing.helm import trace as helm_trace
from reconciler.source.units import Unit


class Fetcher:
    """What is behind the port in a run, on a few lines: mirrors of whatever may be asked for."""

    def __init__(self, cache: Path, host: str) -> None:
        self._cache = cache
        self._host = host
        self.asked: list[tuple[str, str]] = []

    def tree(self, url: str, revision: str) -> Snapshot | Refused:
        self.asked.append((url, revision))
        if not url.startswith(self._host):
            return Refused(Reason.UNKNOWN_SOURCE, f"{url} is on a host that the settings don't allow")
        try:
            mirror = open_mirror(url, self._cache)
            commit = mirror.tip(revision or mirror.default_branch()) or revision
            return mirror.at(commit) if mirror.knows(commit) else _gone(revision)
        except Problem as problem:
            return Refused(Reason.UNKNOWN_SOURCE, str(problem))

    def file(self, url: str) -> bytes | Refused:
        self.asked.append((url, ""))
        return WEB.encode() if url.startswith("https://raw.example.com/") else _gone(url)


WEB = deployment(
    containers="""\
        - name: app
          image: nginx:1.24
          resources: {requests: {cpu: 100m}}
"""
)


def _gone(url: str) -> Refused:
    return Refused(Reason.UNKNOWN_SOURCE, f"{url} is not there")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "git").mkdir()
    served, stop = git_http.start(tmp_path / "git", "")
    yield served
    stop()


@pytest.fixture
def fetcher(server: GitServer, tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path / "cache", server.url)


@pytest.fixture(scope="module")
def renderer() -> ProgramRenderer:
    return program_renderer()


def served(server: GitServer, name: str, files: Mapping[str, str], branch: str = "main") -> str:
    """A repository with these files; its address."""
    path = server.root / f"{name}.git"
    bare = Bare(path)
    bare.commit({at: dedent(text).encode() for at, text in files.items()}, branch)
    return f"{server.url}/{name}.git"


def found(files: Mapping[str, str], fetcher: GitSource | None, *others: Known) -> Found:
    return find_units([known(files), *others], UnitSettings(), remotes=fetcher)


def traced(one: Unit, renderer: ProgramRenderer) -> Traced:
    answer = kustomizing.trace(one, renderer)
    assert answer.refused is None, answer.refused
    return answer


def wish(one: Traced, field: Field, new: str) -> list[NewValue]:
    return [NewValue(one.containers[0].slot(field), new)]


# -- Applications -----------------------------------------------------------------------------------

TWO_SOURCES = """\
    sources:
    - repoURL: {url}
      path: charts/web
      targetRevision: {revision}
      helm:
        valueFiles: [values-small.yaml, $deploy/web.yaml]
        valuesObject: {{b: 2}}
    - {{repoURL: "https://git.example.com/platform/deploy.git", ref: deploy}}
    """
REMOTE_CHART = {
    "charts/web/Chart.yaml": CHART,
    "charts/web/values.yaml": "a: 1\n",
    "charts/web/values-small.yaml": "c: 3\n",
    "charts/web/templates/show.yaml": SHOW,
}


def test_a_chart_of_another_repository(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    url = served(server, "charts", REMOTE_CHART)
    files = {
        "apps/web.yaml": application(more=dedent(TWO_SOURCES.format(url=url, revision="main"))),
        "web.yaml": "d: 4\n",
    }
    one = unit(found(files, fetcher), "web")
    remote = f"{url}?ref=main"
    assert places(one) == [
        f"{remote}:charts/web/values.yaml",
        f"{remote}:charts/web/values-small.yaml",
        "deploy:web.yaml",
        "deploy:apps/web.yaml.spec.sources.0.helm.valuesObject",
    ]
    assert [layer.refused is not None for layer in one.layers] == [True, True, False, False]
    why = one.layers[0].refused
    assert why is not None
    assert why.reason is Reason.UNKNOWN_SOURCE
    assert url in why.detail
    assert helm(one).chart["values.yaml"] == b"a: 1\n"
    assert one.located("templates/show.yaml")[:2] == (remote, "charts/web/templates/show.yaml")
    assert fetcher.asked == [(url, "main")]
    assert '\\"a\\":1,\\"b\\":2,\\"c\\":3,\\"d\\":4' in rendered(renderer, one.request)


def test_what_a_remote_chart_defaults_is_set_in_our_file(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    template = WEB.replace("{requests: {cpu: 100m}}", "{{ toYaml .Values.resources | nindent 12 }}")
    chart = {
        **REMOTE_CHART,
        "charts/web/templates/show.yaml": template,
        "charts/web/values.yaml": "resources: {requests: {cpu: 100m}}\n",
    }
    url = served(server, "charts", chart)
    ours = "# ours\nd: 4\n"
    source = TWO_SOURCES.format(url=url, revision="main").replace("valuesObject: {b: 2}", "")
    files = {"apps/web.yaml": application(more=dedent(source)), "web.yaml": ours}
    one = unit(found(files, fetcher), "web")

    def read(repository: str, path: str) -> bytes | None:
        return files[path].encode() if repository == "deploy" else None

    answer = helm_trace(one, renderer, read)
    slot = answer.containers[0].slot(Field.CPU_REQUEST)
    assert (slot.place.repository, slot.place.path, slot.refused) == ("deploy", "web.yaml", None)
    outcome = helm_edit(answer, [NewValue(slot, "200m")], renderer, read)
    assert not isinstance(outcome, Refused), outcome
    ((repository, change),) = outcome.files
    assert (repository, change.path) == ("deploy", "web.yaml")
    assert change.after.decode() == ours + "resources:\n  requests:\n    cpu: 200m\n"


def test_without_a_port_it_stays_unknown(server: GitServer) -> None:
    files = {"apps/web.yaml": application(more=dedent(TWO_SOURCES.format(url=server.url, revision="main")))}
    one = unit(found(files, None), "web")
    assert (reason(one), one.request) == ("unknown-source", None)


@pytest.mark.parametrize(
    ("url", "revision"),
    [
        ("file:///etc", "main"),
        ("/etc", "main"),
        ("../../etc", "main"),
        ("ext::sh -c id", "main"),
        ("--upload-pack=id", "main"),
        ("ssh://-oProxyCommand=id/a", "main"),
        ("https://user:secret@example.com/a/b", "main"),
        ("https://example.com/a/../b", "main"),
        ("https://example.com/a b", "main"),
        ("https://example.com/a", "--upload-pack=id"),
        ("https://example.com/a", "a..b"),
    ],
)
def test_hostile_addresses_are_not_even_asked_for(fetcher: Fetcher, url: str, revision: str) -> None:
    more = dedent(TWO_SOURCES.format(url=repr(url), revision=repr(revision)))
    one = unit(found({"apps/web.yaml": application(more=more)}, fetcher), "web")
    assert reason(one) == "unknown-source"
    assert fetcher.asked == []
    assert one.refused is not None
    assert "secret" not in one.refused.detail


def test_what_is_not_allowed_keeps_the_port_s_reason(fetcher: Fetcher) -> None:
    more = dedent(TWO_SOURCES.format(url="https://elsewhere.example.com/a/b", revision="main"))
    one = unit(found({"apps/web.yaml": application(more=more)}, fetcher), "web")
    assert one.refused is not None
    assert "don't allow" in one.refused.detail


def test_one_repository_is_asked_for_once(server: GitServer, fetcher: Fetcher) -> None:
    url = served(server, "charts", REMOTE_CHART)
    source = TWO_SOURCES.format(url=url, revision="main")
    files = {f"apps/{at}.yaml": application(f"web-{at}", more=dedent(source)) for at in range(5)}
    found({**files, "web.yaml": ""}, fetcher)
    assert len(fetcher.asked) == 1


def test_a_kustomization_of_another_repository(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    url = served(server, "apps", {"web/kustomization.yaml": "resources: [web.yaml]\n", "web/web.yaml": WEB})
    source = f'repoURL: {url}\npath: web\ntargetRevision: HEAD\nkustomize: {{images: ["nginx:1.25"]}}'
    text = (
        application("web").rstrip("\n") + "\n  source:\n" + "".join(f"    {x}\n" for x in source.split("\n"))
    )
    one = unit(found({"apps/web.yaml": text}, fetcher), "web")

    def read(repository: str, path: str) -> bytes | None:
        return text.encode() if (repository, path) == ("deploy", "apps/web.yaml") else None

    answer = kustomizing.trace(one, renderer, read)
    cpu, image = (answer.containers[0].slot(each) for each in (Field.CPU_REQUEST, Field.IMAGE))
    assert (cpu.place.repository, cpu.place.path) == (url, "web/web.yaml")
    assert cpu.refused is not None
    assert cpu.refused.reason is Reason.UNKNOWN_SOURCE
    assert (image.place.path, image.value, image.refused) == ("apps/web.yaml", "nginx:1.25", None)
    outcome = kustomizing.edit(one, answer, wish(answer, Field.IMAGE, "nginx:1.26"), renderer, read=read)
    assert isinstance(outcome, Edited), outcome
    assert [one.change.after.decode() for one in outcome.files] == [text.replace("1.25", "1.26")]


# -- remote bases -----------------------------------------------------------------------------------

BASE = {
    "web/kustomization.yaml": "resources: [web.yaml, ../common]\n",
    "web/web.yaml": WEB,
    "common/kustomization.yaml": "configMapGenerator: [{name: c, literals: [a=b]}]\n",
}


def of_remote(name: str, more: str = "") -> dict[str, str]:
    return {
        "prod/kustomization.yaml": f"# ours\nresources:\n- {name} # theirs\nnamespace: prod\n{more}",
    }


def test_a_remote_base_is_rendered_and_traced(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    url = served(server, "base", BASE)
    files = of_remote(f"{url}//web?ref=main", "images: [{name: nginx, newTag: '1.25'}]\n")
    one = unit(found(files, fetcher), "prod")
    assert overlay(one).files["prod/kustomization.yaml"] == files["prod/kustomization.yaml"].encode()
    answer = traced(one, renderer)
    slots = {slot.field: slot for slot in answer.containers[0].slots}
    assert slots[Field.IMAGE].place.path == "prod/kustomization.yaml"
    assert slots[Field.IMAGE].refused is None
    cpu = slots[Field.CPU_REQUEST]
    assert (cpu.place.repository, cpu.place.path) == (f"{url}?ref=main", "web/web.yaml")
    assert cpu.refused is not None
    assert url in cpu.refused.detail
    outcome = kustomizing.edit(one, answer, wish(answer, Field.IMAGE, "nginx:1.26"), renderer)
    assert isinstance(outcome, Edited), outcome
    (changed,) = outcome.files
    assert changed.repository == "deploy"
    assert changed.change.after.decode() == files["prod/kustomization.yaml"].replace("1.25", "1.26")


def test_a_patch_of_ours_changes_what_a_remote_base_sets(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    url = served(server, "base", BASE)
    files = of_remote(f"{url}//web?ref=main")
    one = unit(found(files, fetcher), "prod")
    answer = traced(one, renderer)
    wanted = wish(answer, Field.CPU_REQUEST, "300m")
    assert isinstance(kustomizing.edit(one, answer, wanted, renderer), Refused)
    outcome = kustomizing.edit(one, answer, wanted, renderer, overlay=True)
    assert isinstance(outcome, Edited), outcome
    after = outcome.files[0].change.after.decode()
    assert after.startswith(files["prod/kustomization.yaml"] + "patches:\n")
    assert "300m" in after


def test_what_a_remote_base_lacks_is_added_by_a_patch_of_ours(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    url = served(server, "base", BASE)
    one = unit(found(of_remote(f"{url}//web?ref=main"), fetcher), "prod")
    answer = traced(one, renderer)
    slot = answer.containers[0].slot(Field.CPU_LIMIT)
    assert (slot.value, slot.how_traced, slot.refused) == (None, "overlay", None)
    outcome = kustomizing.edit(one, answer, [NewValue(slot, "2")], renderer)
    assert isinstance(outcome, Edited), outcome
    assert [each.change.path for each in outcome.files] == ["prod/kustomization.yaml"]


def test_a_known_repository_under_its_address_is_edited_there(renderer: ProgramRenderer) -> None:
    lib = known(BASE, "lib", url="https://git.example.com/lib.git")
    files = of_remote("https://git.example.com/lib.git//web?ref=main")
    result = found(files, None, lib)
    assert sorted(each.name for each in result.units if each.request) == ["prod"]  # the base is none
    one = unit(result, "prod")
    answer = traced(one, renderer)
    outcome = kustomizing.edit(one, answer, wish(answer, Field.CPU_REQUEST, "300m"), renderer)
    assert isinstance(outcome, Edited), outcome
    (changed,) = outcome.files
    assert (changed.repository, changed.change.path) == ("lib", "web/web.yaml")
    assert changed.change.after.decode() == WEB.replace("cpu: 100m", "cpu: 300m")


def test_a_known_repository_at_another_revision_is_not_edited() -> None:
    lib = known(BASE, "lib", url="https://git.example.com/lib.git")
    one = unit(found(of_remote("https://git.example.com/lib.git//web?ref=v1"), None, lib), "prod")
    assert overlay(one).mounted == {}


def test_bases_lead_to_further_bases(server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer) -> None:
    first = served(server, "base", BASE)
    second = served(server, "more", {"kustomization.yaml": f"resources: ['{first}//web']\nnamePrefix: x-\n"})
    one = unit(found(of_remote(second), fetcher), "prod")
    assert "name: x-web" in rendered(renderer, one.request)
    assert traced(one, renderer).containers[0].slot(Field.CPU_REQUEST).place.repository == first


def test_a_circle_of_bases_ends(server: GitServer, fetcher: Fetcher) -> None:
    url = f"{server.url}/base.git"
    served(server, "base", {"kustomization.yaml": f"resources: ['{url}']\n"})
    one = unit(found(of_remote(url), fetcher), "prod")
    assert reason(one) == "remote-base"
    assert one.refused is not None
    assert "back to itself" in one.refused.detail


def test_a_long_row_of_bases_ends(server: GitServer, fetcher: Fetcher) -> None:
    url = f"{server.url}/base.git"
    rows = {f"b{at}/kustomization.yaml": f"resources: ['{url}//b{at + 1}']\n" for at in range(12)}
    served(server, "base", {**rows, "b12/kustomization.yaml": "resources: []\n"})
    one = unit(found(of_remote(f"{url}//b0"), fetcher), "prod")
    assert reason(one) == "remote-base"
    assert not reason(unit(found(of_remote(f"{url}//b6"), fetcher), "prod"))


def test_a_base_that_comes_in_twice_is_edited_in_both_copies(renderer: ProgramRenderer) -> None:
    address = "https://git.example.com/platform/deploy.git"
    files = {
        **BASE,
        "prod/kustomization.yaml": "resources: [here, there]\n",
        "prod/here/kustomization.yaml": "resources: [../../web]\nnamePrefix: a-\n",
        "prod/there/kustomization.yaml": f"resources: ['{address}//web']\nnamePrefix: b-\n",
    }
    one = unit(found(files, None), "prod")
    answer = traced(one, renderer)
    (merged,) = kustomizing.merge_shared([answer])
    slot = merged.containers[0].slot(Field.CPU_REQUEST)
    assert [ref.workload for ref in slot.consumers] == ["a-web", "b-web"]
    outcome = kustomizing.edit(one, merged, [NewValue(slot, "300m")], renderer)
    assert isinstance(outcome, Edited), outcome
    assert [(each.repository, each.change.path) for each in outcome.files] == [("deploy", "web/web.yaml")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{url}//missing", "no kustomization in missing"),
        ("{url}//web?ref=gone", "gone"),
        ("https://elsewhere.example.com/a/b", "don't allow"),
        ("file:///etc", "this machine"),
        ("https://raw.example.org/x.yaml", "not there"),
    ],
)
def test_a_base_that_can_not_be_had(server: GitServer, fetcher: Fetcher, name: str, told: str) -> None:
    name = name.format(url=served(server, "base", BASE))
    one = unit(found(of_remote(name), fetcher), "prod")
    assert reason(one) == "remote-base"
    assert one.refused is not None
    assert told in one.refused.detail
    assert "prod/kustomization.yaml" in one.refused.detail


def test_without_a_port_the_renderer_says_why(renderer: ProgramRenderer) -> None:
    one = unit(found(of_remote("https://git.example.org/a/b//web"), None), "prod")
    answer = kustomizing.trace(one, renderer)
    assert answer.refused is not None
    assert answer.refused.reason is Reason.REMOTE_BASE


def test_a_file_on_the_web_is_a_resource(fetcher: Fetcher, renderer: ProgramRenderer) -> None:
    one = unit(found(of_remote("https://raw.example.com/all.yaml?token=t"), fetcher), "prod")
    answer = traced(one, renderer)
    slot = answer.containers[0].slot(Field.CPU_REQUEST)
    assert (slot.place.repository, slot.place.path) == ("https://raw.example.com/all.yaml", "all.yaml")
    assert slot.refused is not None
    assert "token" not in slot.refused.detail


def test_a_component_of_another_repository(
    server: GitServer, fetcher: Fetcher, renderer: ProgramRenderer
) -> None:
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"
    url = served(server, "parts", {"x/kustomization.yaml": component})
    files = {"prod/kustomization.yaml": f"resources: [web.yaml]\ncomponents: ['{url}//x']\n",
             "prod/web.yaml": WEB}  # fmt: skip
    assert "name: c-web" in rendered(renderer, unit(found(files, fetcher), "prod").request)
