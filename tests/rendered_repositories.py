"""Generated deployment repositories: Applications of charts with shared layers of values, overlays of a
base, and plain folders, in one repository or two.

Made of few pieces, so that many of them render the same and little is rendered twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml
from hypothesis import strategies as st
from source.trees import Tree

from reconciler.source.changing import Made
from reconciler.source.estate import Estate, Land, Means, survey
from reconciler.source.render import Renderer
from reconciler.source.repositories import Known
from reconciler.source.settings import Cluster, UnitSettings

DEPLOY, APPS = "https://git.example.com/platform/deploy.git", "https://git.example.com/platform/apps.git"
CLUSTERS: Final = {"eu": "https://eu.example.com", "us": "https://us.example.com"}
SETTINGS: Final = UnitSettings(tuple(Cluster(name, server) for name, server in CLUSTERS.items()))
PINNED: Final = "sha256:" + "ab" * 32

Files = dict[str, str]


class World(NamedTuple):
    """The files of each repository, by its address."""

    files: Mapping[str, Files]
    settings: UnitSettings = SETTINGS

    def known(self) -> list[Known]:
        found = []
        for url, files in self.files.items():
            snapshot = Tree(files)
            snapshot.repository = url
            found.append(Known(url, snapshot, (url,), ("main",)))
        return found

    def surveyed(self, renderer: Renderer) -> Estate:
        lands = [Land(each) for each in self.known()]
        return survey(lands, self.settings, Means(renderer, workers=2))

    def changed(self, made: Made) -> World:
        after = {url: dict(files) for url, files in self.files.items()}
        for (url, path), change in made.files.items():
            assert change.before.decode() == after[url].get(path, "")
            after[url][path] = change.after.decode()
        return self._replace(files=after)


# -- charts ---------------------------------------------------------------------------------------

# How a container takes its resources from `$v`, with what the chart then holds for it.
SHAPES: Final = {
    "given": ("{{ toYaml $v.resources | nindent 10 }}", {"resources": {"requests": {"cpu": "100m"}}}),
    "with": ("{{ with $v.resources }}{{ toYaml . | nindent 10 }}{{ end }}", {"resources": {}}),
    "or": (
        "{{ toYaml (or $v.resources $.Values.fallback) | nindent 10 }}",
        {"resources": {}},
    ),
    "own": ("{requests: {cpu: {{ $v.cpu | quote }}, memory: {{ $v.memory }}}}", {"cpu": "150m"}),
    "both": ("{requests: {cpu: {{ $v.cpu }}}, limits: {cpu: {{ $v.cpu }}}}", {"cpu": "150m"}),
    "common": ("{{ toYaml $.Values.fallback | nindent 10 }}", {}),
    "fixed": ("{requests: {cpu: 90m}}", {}),
}
TAGS: Final = {
    "own": "shop/{c}:{{ $v.tag }}",
    "common": "shop/{c}:{{ $.Values.tag }}",
    "pinned": "shop/{c}:{{ $v.tag }}{{ with $v.digest }}@{{ . }}{{ end }}",
    "whole": "{{ $v.image }}",
    "fixed": "shop/{c}:1.0.0",
}
COMMON: Final = {"fallback": {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}}, "tag": "1.4.2"}
COMPONENTS: Final = ("api", "web")

Build = tuple[str, str, bool]  # of one component: its shape, where its image is from, and what is derived


def chart(name: str, builds: Mapping[str, Build]) -> Files:
    values: dict[str, Any] = dict(COMMON)
    files = {f"charts/{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n"}
    for component, (shape, tag, derived) in builds.items():
        held = {"tag": "1.3.0", "image": f"shop/{component}:1.3.0", "memory": "96Mi", **SHAPES[shape][1]}
        values[component] = held
        files[f"charts/{name}/templates/{component}.yaml"] = _template(component, shape, tag, derived)
    files[f"charts/{name}/values.yaml"] = yaml.safe_dump(values)
    return files


def _template(component: str, shape: str, tag: str, derived: bool) -> str:
    env = '[{name: HEAP, value: "{{ ($v.resources | default dict) | toJson | len }}"}]' if derived else "[]"
    return f"""\
{{{{- $v := .Values.{component} }}}}
apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{ .Release.Name }}}}-{component}"}}
spec:
  template:
    spec:
      containers:
      - name: {component}
        image: "{TAGS[tag].replace("{c}", component)}"
        env: {env}
        resources: {SHAPES[shape][0]}
"""


BUILDS: Final = st.tuples(
    st.sampled_from(sorted(SHAPES)), st.sampled_from(sorted(TAGS)), st.sampled_from([False, False, True])
)

# What a layer may say of a component; "" is nothing.
SAID: Final = (
    {},
    {"resources": {"requests": {"cpu": "200m", "memory": "128Mi"}}},
    {"resources": {"limits": {"memory": "256Mi"}}},
    {"tag": "1.5.0", "cpu": "180m"},
    {"tag": "1.5.0", "digest": PINNED},
    {"image": "mirror.example.com/shop/api:2.0.0", "memory": "112Mi"},
)
LAYERS: Final = st.fixed_dictionaries(
    {}, optional={component: st.sampled_from(SAID) for component in COMPONENTS}
)
HEADS: Final = ("", "# for everyone\n", "fallback:\n  requests: {cpu: 70m}  # of all\n", 'tag: "1.6.0"\n')


def _layer(said: Mapping[str, Any], head: str) -> str:
    told = {component: each for component, each in said.items() if each}
    return head + (yaml.safe_dump(told) if told else "")


# -- Applications ---------------------------------------------------------------------------------


class App(NamedTuple):
    name: str
    source: dict[str, Any]
    cluster: str = "eu"
    namespace: str = "shop"
    more: tuple[dict[str, Any], ...] = ()  # sources for value files

    def text(self) -> str:
        source: dict[str, Any] = {"source": self.source}
        if self.more:
            source = {"sources": [self.source, *self.more]}
        return yaml.safe_dump(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": self.name, "namespace": "argocd"},
                "spec": {
                    "destination": {"server": CLUSTERS[self.cluster], "namespace": self.namespace},
                    **source,
                },
            },
            sort_keys=False,
        )


def _inline(kind: str) -> dict[str, Any]:
    """What an Application itself says of its values."""
    said = {"api": {"resources": {"requests": {"cpu": "250m"}}, "tag": "1.7.0"}}
    if kind == "object":
        return {"valuesObject": said}
    if kind == "block":
        return {"values": "# of this one\n" + yaml.safe_dump(said)}
    if kind == "parameters":
        return {"parameters": [{"name": "web.tag", "value": "1.8.0"}, {"name": "api.cpu", "value": "260m"}]}
    return {}


@st.composite
def _charted(draw: st.DrawFn, split: bool, number: int) -> App:
    """An Application of a chart; its value files in the repository of the chart or in the other one."""
    name = draw(st.sampled_from(["one", "one", "two"]))
    chosen = draw(st.lists(st.sampled_from(["all", "dev", "prod"]), unique=True, min_size=1, max_size=3))
    inline = draw(st.sampled_from(["", "", "object", "block", "parameters"]))
    source: dict[str, Any] = {"repoURL": DEPLOY, "path": f"charts/{name}"}
    more: tuple[dict[str, Any], ...] = ()
    names = [f"../../values/{each}.yaml" for each in sorted(chosen)]
    if split and draw(st.booleans()):
        names = [f"$values/values/{each}.yaml" for each in sorted(chosen)]
        more = ({"repoURL": APPS, "ref": "values"},)
    source["helm"] = {"valueFiles": names, **_inline(inline)}
    cluster = draw(st.sampled_from(sorted(CLUSTERS)))
    return App(f"app-{number}", source, cluster, draw(st.sampled_from(["shop", "pay"])), more)


# -- kustomizations -------------------------------------------------------------------------------


def deployment(name: str, body: str) -> str:
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n"
        f"spec:\n  template:\n    spec:\n      containers:\n{body}"
    )


BASE: Final = (
    "      - name: app\n        image: shop/app:1.0.0\n        resources:\n          requests:\n"
    "            cpu: 500m  # a guess\n            memory: 512Mi\n"
    "      - name: side\n        image: shop/side:1.0.0\n"
)
JSON_PATCH: Final = (
    "- target: {kind: Deployment}\n  patch: |-\n    - op: replace\n"
    "      path: /spec/template/spec/containers/0/resources/requests/cpu\n      value: 600m\n"
)
STRATEGIC: Final = deployment("app", "      - name: app\n        resources: {limits: {memory: 1Gi}}\n")
PARTS: Final = ("json", "strategic", "file", "images", "digest", "component")


def overlay(namespace: str, parts: frozenset[str]) -> Files:
    """An overlay of the base, with any of the ways to change it."""
    top, files = [f"namespace: {namespace}\n", "resources: [../../base]\n"], {}
    patches = JSON_PATCH if "json" in parts else ""
    if "strategic" in parts:
        patches += "- patch: |-\n" + "".join(f"    {line}\n" for line in STRATEGIC.splitlines())
    if "file" in parts:
        files[f"overlays/{namespace}/side.yaml"] = deployment(
            "app", "      - name: side\n        resources: {requests: {cpu: 20m}}\n"
        )
        patches += "- path: side.yaml\n"
    top += [f"patches:\n{patches}"] if patches else []
    images = '- name: shop/app\n  newTag: "1.1.0"\n' if "images" in parts else ""
    images += f"- name: shop/side\n  digest: {PINNED}\n" if "digest" in parts else ""
    top += [f"images:\n{images}"] if images else []
    top += ["components: [../../component]\n"] if "component" in parts else []
    return files | {f"overlays/{namespace}/kustomization.yaml": "".join(top)}


COMPONENT: Final = {
    "component/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- path: more.yaml\n"
    ),
    "component/more.yaml": deployment(
        "app", "      - name: side\n        resources: {requests: {memory: 32Mi}}\n"
    ),
}


@st.composite
def _kustomized(draw: st.DrawFn) -> tuple[Files, list[App]]:
    files = {"base/kustomization.yaml": "resources: [app.yaml]\n", "base/app.yaml": deployment("app", BASE)}
    files |= COMPONENT
    apps = []
    for name in ("k-dev", "k-prod")[: draw(st.integers(1, 2))]:
        files |= overlay(name, draw(st.frozensets(st.sampled_from(PARTS), max_size=3)))
        way = draw(st.sampled_from(["alone", "deployed", "images"]))
        source: dict[str, Any] = {"repoURL": DEPLOY, "path": f"overlays/{name}"}
        if way == "images":
            source["kustomize"] = {"images": ["shop/app=mirror.example.com/app:1.2.0"]}
        if way != "alone":
            apps.append(App(name, source, draw(st.sampled_from(sorted(CLUSTERS))), name))
    if draw(st.integers(0, 3)) == 0:  # the base itself is deployed, too
        apps.append(App("bare", {"repoURL": DEPLOY, "path": "base"}, "us", "bare"))
    return files, apps


PLAIN: Final = {"plain/app.yaml": deployment("plain", BASE), "plain/more.yaml": deployment("more", BASE)}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    split = draw(st.booleans())
    deploy: Files = {}
    apps: list[App] = []
    for name in ("one", "two"):
        builds = draw(st.fixed_dictionaries(dict.fromkeys(COMPONENTS, BUILDS)))
        deploy |= chart(name, builds)
    layers = {
        f"values/{name}.yaml": _layer(draw(LAYERS), draw(st.sampled_from(HEADS)))
        for name in ("all", "dev", "prod")
    }
    deploy |= layers
    apps += [draw(_charted(split, number)) for number in range(draw(st.integers(2, 3)))]
    if draw(st.booleans()):
        files, more = draw(_kustomized())
        deploy |= files
        apps += more
    if draw(st.integers(0, 2)) == 0:
        deploy |= PLAIN
        apps.append(App("plain", {"repoURL": DEPLOY, "path": "plain"}, "us", "plain"))
    together = draw(st.booleans())
    written = {"apps/all.yaml": "---\n".join(app.text() for app in apps)}
    if not together:
        written = {f"apps/{app.name}.yaml": app.text() for app in apps}
    if split:
        return World({APPS: written | layers, DEPLOY: deploy})
    return World({DEPLOY: deploy | written})
