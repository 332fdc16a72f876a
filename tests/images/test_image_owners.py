"""Who else changes an image, from the files of repositories to the words of a kept value."""

from __future__ import annotations

import json
from pathlib import Path

import pygit2
import pytest
from images.owners_world import deployment, estate, owners, programs, put_tools_on_path
from rendered_world import lay_out

from reconciler.cli import ended
from reconciler.source.imageowners import owners_of
from reconciler.source.others.renovate import Config, Updated, manager_of, words

MARKER = '  # {"$imagepolicy": "flux-system:web"}'
AUTOMATION = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: all, namespace: flux-system}
spec:
  sourceRef: {kind: GitRepository, name: apps}
  update: {path: ./apps}
"""
SOURCE = """\
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: apps, namespace: flux-system}
spec: {url: ssh://git@git.example.com/deploy}
"""


# -- Renovate -------------------------------------------------------------------------------------

KUBERNETES = '"kubernetes": {"managerFilePatterns": ["/^apps/.+\\\\.yaml$/"]}'


@pytest.mark.parametrize(
    ("config", "owned"),
    [
        ("{}", False),  # it looks at no manifests until it is told at which
        (f"{{{KUBERNETES}}}", True),
        (f"// ours\n{{{KUBERNETES},}}", True),
        ('{"kubernetes": {"managerFilePatterns": ["apps/**"]}}', True),
        ('{"kubernetes": {"managerFilePatterns": ["other/**"]}}', False),
        ('{"kubernetes": {"fileMatch": ["\\\\.yaml$"]}}', True),
        ('{"kubernetes": {"fileMatch": "\\\\.yaml$"}}', True),
        ('{"kubernetes": {"fileMatch": ["\\\\.yml$"]}}', False),
        (f'{{{KUBERNETES}, "enabled": false}}', False),
        (f'{{{KUBERNETES}, "extends": [":disableRenovate"]}}', False),
        ('{"kubernetes": {"fileMatch": ["\\\\.yaml$"], "enabled": false}}', False),
        (f'{{{KUBERNETES}, "enabledManagers": ["npm"]}}', False),
        (f'{{{KUBERNETES}, "enabledManagers": ["kubernetes"]}}', True),
        (f'{{{KUBERNETES}, "ignorePaths": ["**/web.yaml"]}}', False),
        (f'{{{KUBERNETES}, "ignorePaths": ["apps/"]}}', False),
        (f'{{{KUBERNETES}, "ignorePaths": ["test/"]}}', True),
        (f'{{{KUBERNETES}, "includePaths": ["other/**"]}}', False),
        (f'{{{KUBERNETES}, "includePaths": ["apps/*"]}}', True),
        (f'{{{KUBERNETES}, "ignoreDeps": ["nginx"]}}', False),
        (f'{{{KUBERNETES}, "ignoreDeps": ["redis"]}}', True),
    ],
)
def test_renovate_owns_what_its_configuration_looks_at(config: str, owned: bool) -> None:
    found = owners(estate(deploy={"renovate.json": config, "apps/web.yaml": deployment("nginx:1.25")}))
    assert found == ({"web/app": "Renovate (renovate.json, manager kubernetes)"} if owned else {})


@pytest.mark.parametrize(
    ("rules", "owned"),
    [
        ('{"matchPackageNames": ["nginx"], "enabled": false}', False),
        ('{"matchPackageNames": ["redis"], "enabled": false}', True),
        ('{"matchPackageNames": ["docker.io/library/nginx"], "enabled": false}', False),
        ('{"matchPackageNames": ["/^ngi/"], "enabled": false}', False),
        ('{"matchPackageNames": ["!nginx"], "enabled": false}', True),
        ('{"matchPackageNames": ["!redis"], "enabled": false}', False),
        ('{"matchPackagePatterns": ["^ng"], "enabled": false}', False),
        ('{"matchPackagePatterns": ["*"], "excludePackageNames": ["nginx"], "enabled": false}', True),
        ('{"matchDatasources": ["docker"], "enabled": false}', False),
        ('{"matchDatasources": ["helm"], "enabled": false}', True),
        ('{"matchManagers": ["kubernetes"], "enabled": false}', False),
        ('{"matchManagers": ["npm"], "enabled": false}', True),
        ('{"matchFileNames": ["apps/**"], "enabled": false}', False),
        ('{"matchFileNames": ["dev/**"], "enabled": false}', True),
        # what can't be judged switches nothing off, and everything on
        ('{"matchUpdateTypes": ["major"], "enabled": false}', True),
        ('{"matchJsonata": ["$x"], "matchPackageNames": ["nginx"], "enabled": false}', True),
        ('{"enabled": false}, {"matchUpdateTypes": ["patch"], "enabled": true}', True),
        ('{"enabled": false}, {"matchPackageNames": ["redis"], "enabled": true}', False),
        ('{"enabled": true}, {"enabled": false}', False),
    ],
)
def test_rules_for_packages_are_heard_in_their_order(rules: str, owned: bool) -> None:
    config = f'{{{KUBERNETES}, "packageRules": [{rules}]}}'
    found = owners(estate(deploy={"renovate.json": config, "apps/web.yaml": deployment("nginx:1.25")}))
    assert bool(found) is owned


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({".github/renovate.json5": f"{{{KUBERNETES}}}"}, ".github/renovate.json5, manager kubernetes"),
        ({".renovaterc": f"{{{KUBERNETES}}}"}, ".renovaterc, manager kubernetes"),
        ({"package.json": f'{{"renovate": {{{KUBERNETES}}}}}'}, "package.json, manager kubernetes"),
        ({"package.json": f"{{{KUBERNETES}}}"}, ""),
        ({"renovate.json": "{}", ".renovaterc": f"{{{KUBERNETES}}}"}, ""),  # the first counts
        (
            {"renovate.json": f'{{{KUBERNETES}, "extends": ["config:recommended", "local>a/b"]}}'},
            "renovate.json, manager kubernetes; what config:recommended, local>a/b says is not known here",
        ),
    ],
)
def test_where_the_configuration_lies(files: dict[str, str], told: str) -> None:
    found = owners(estate(deploy={**files, "apps/web.yaml": deployment("nginx:1.25")}))
    assert found == ({"web/app": f"Renovate ({told})"} if told else {})


def test_the_users_own_expressions_own_the_lines_that_they_find() -> None:
    manifest = deployment("nginx:1.25", after="  # renovate") + deployment("redis:7", name="cache").replace(
        "apiVersion", "---\napiVersion", 1
    )
    expression = r"image: (?<depName>[^:\\s]+):(?<currentValue>\\S+)  # renovate"
    manager = f'"managerFilePatterns": ["**/*.yaml"], "matchStrings": ["{expression}"]'
    config = f'{{"customManagers": [{{"customType": "regex", {manager}}}]}}'
    found = owners(estate(deploy={"renovate.json": config, "apps/web.yaml": manifest}))
    assert found == {"web/app": "Renovate (renovate.json, manager custom)"}
    unreadable = config.replace("image: ", "image: (?=x)")
    assert len(owners(estate(deploy={"renovate.json": unreadable, "apps/web.yaml": manifest}))) == 2


@pytest.mark.parametrize("config", ["{", "[1]", "\x00", "[" * 5000, '{"a": "' + "x" * 2_000_000])
def test_what_cant_be_read_counts_as_no_configuration_of_its_own(config: str) -> None:
    files = {"renovate.json": config, "apps/web.yaml": deployment("nginx:1.25")}
    assert owners(estate(deploy=files)) == {}


def test_unread_it_does_what_it_does_without_a_word() -> None:
    config = Config("renovate.json", {}, "line 1: a comma is missing")
    one = Updated("web/values.yaml", ("image", "tag"), 2, ("nginx",))
    assert manager_of(config, one, None) == "helm-values"
    assert manager_of(config, one._replace(alone=True), None) == ""
    assert manager_of(config, one._replace(path="web/prod.yaml"), None) == ""
    assert manager_of(config, Updated("a/kustomization.yml", ("images", 0, "newTag"), 2, ("x",)), None)
    said = words(config, "helm-values")
    assert (
        said
        == "Renovate (renovate.json, manager helm-values; it can't be read here: line 1: a comma is missing)"
    )


# -- Flux -----------------------------------------------------------------------------------------


def test_flux_owns_a_marked_line_that_an_automation_of_another_repository_writes() -> None:
    files = {
        "apps/web.yaml": deployment("nginx:1.25", after=MARKER),
        "db/web.yaml": deployment("redis:7", name="db"),
    }
    fleet = {"flux/all.yaml": AUTOMATION + SOURCE}
    writer = "Flux (ImageUpdateAutomation all in flux/all.yaml:1)"
    assert owners(estate(deploy=files, fleet=fleet)) == {"web/app": writer}
    assert owners(estate(deploy=files)) == {}  # nobody is known who writes it


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: ImageUpdateAutomation", "kind: ImagePolicy"),
        ("spec:\n  sourceRef", "spec:\n  suspend: true\n  sourceRef"),
        ("path: ./apps", "path: ./other"),
        ("git.example.com/deploy", "git.example.com/fleet"),
        ("name: all, namespace: flux-system", "name: all, namespace: elsewhere"),
    ],
)
def test_an_automation_that_writes_elsewhere_owns_nothing(old: str, new: str) -> None:
    files = {"apps/web.yaml": deployment("nginx:1.25", after=MARKER)}
    fleet = (AUTOMATION + SOURCE).replace(old, new)
    assert old in AUTOMATION + SOURCE
    assert owners(estate(deploy=files, fleet={"flux/all.yaml": fleet})) == {}


def test_without_its_source_an_automation_may_write_anywhere() -> None:
    files = {"apps/web.yaml": deployment("nginx:1.25", after=MARKER)}
    assert owners(estate(deploy=files, fleet={"flux/all.yaml": AUTOMATION}))


# -- Argo CD Image Updater ------------------------------------------------------------------------

KUSTOMIZATION = "namespace: shop\nresources: [deployment.yaml]\nimages:\n- name: nginx\n  newTag: '1.25'\n"
UPDATER = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: all, namespace: argocd}
spec:
  applicationRefs:
  - namePattern: "we*"
    images: [{alias: web, imageName: "docker.io/library/nginx:~1.25"}]
"""


def application(annotations: str = "") -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  namespace: argocd
  annotations: {{{annotations}}}
spec:
  destination: {{server: https://kubernetes.default.svc, namespace: shop}}
  source: {{repoURL: https://git.example.com/deploy.git, path: web}}
"""


PREFIX = "argocd-image-updater.argoproj.io"
LISTED = f'{PREFIX}/image-list: "web=nginx:~1.25"'
ANNOTATION = "Argo CD Image Updater (the annotation image-list of the Application web in argocd/web.yaml:1)"
RESOURCE = "Argo CD Image Updater (ImageUpdater all in argocd/updater.yaml:1)"


@pytest.mark.parametrize(
    ("annotations", "files", "told"),
    [
        ("", {}, ""),
        (LISTED, {}, ANNOTATION),
        (f'{PREFIX}/image-list: "redis, team/nginx"', {}, ""),
        (f"{LISTED}, {PREFIX}/web.ignore-tags: '*'", {}, ""),
        ("", {"argocd/updater.yaml": UPDATER}, RESOURCE),
        ("", {"argocd/updater.yaml": UPDATER.replace("we*", "api")}, ""),
        ("", {"argocd/updater.yaml": UPDATER.replace("namespace: argocd", "namespace: other")}, ""),
        ("", {"argocd/updater.yaml": UPDATER.replace("nginx", "redis")}, ""),
        (
            "",
            {"web/.argocd-source-web.yaml": "kustomize: {images: ['nginx:1.26']}\n"},
            "Argo CD Image Updater (it writes web/.argocd-source-web.yaml; delete that file once it is off)",
        ),
        ("", {"web/.argocd-source.yaml": "kustomize: {images: ['nginx:1.26']}\n"}, ""),
    ],
)
def test_image_updater_owns_the_images_of_its_applications(
    monkeypatch: pytest.MonkeyPatch, annotations: str, files: dict[str, str], told: str
) -> None:
    put_tools_on_path(monkeypatch)
    whole = estate(
        programs(),
        deploy={
            "argocd/web.yaml": application(annotations),
            "web/kustomization.yaml": KUSTOMIZATION,
            "web/deployment.yaml": deployment("nginx"),
            **files,
        },
    )
    assert [look.refused for look in whole.looks] == [None]
    assert owners(whole) == ({"web/app": told} if told else {})


APPLICATION_SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: webs, namespace: argocd}
spec:
  generators:
  - list: {elements: [{env: dev, list: "nginx:1.x"}, {env: prod, list: "redis"}]}
  template:
    metadata:
      name: "web-{{env}}"
      annotations: {argocd-image-updater.argoproj.io/image-list: "{{list}}"}
    spec:
      destination: {server: https://kubernetes.default.svc, namespace: "shop-{{env}}"}
      source: {repoURL: https://git.example.com/deploy.git, path: "web/{{env}}"}
"""


def test_applications_of_a_set_are_looked_after_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    put_tools_on_path(monkeypatch)
    kustomization = KUSTOMIZATION.replace("namespace: shop", "namespace: {}").replace(
        "deployment.yaml", "../base"
    )
    files = {
        "argocd/set.yaml": APPLICATION_SET,
        "web/base/kustomization.yaml": "resources: [deployment.yaml]\n",
        "web/base/deployment.yaml": deployment("nginx"),
        "web/dev/kustomization.yaml": kustomization.format("shop-dev"),
        "web/prod/kustomization.yaml": kustomization.format("shop-prod"),
    }
    whole = estate(programs(), deploy=files)
    said = owners_of(whole, "deploy")
    assert [place.path for place in said] == ["web/dev/kustomization.yaml"]
    assert all("of the Application web-dev" in told for told in said.values())
    # a base that both share is left alone as soon as one of them is looked after
    shared = {path: text.split("images:")[0] for path, text in files.items()}
    shared["web/base/deployment.yaml"] = deployment("nginx:1.25")
    said = owners_of(estate(programs(), deploy=shared), "deploy")
    assert [place.path for place in said] == ["web/base/deployment.yaml"]


def test_a_run_keeps_what_another_tool_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "renovate.json": f"{{{KUBERNETES}}}",
        "apps/web.yaml": deployment("127.0.0.1:1/web:1.25"),
        "other/web.yaml": deployment("127.0.0.1:1/web:1.25", name="other"),
    }
    folder = lay_out(tmp_path / "deploy", files)
    repository = pygit2.init_repository(str(folder), initial_head="main")
    repository.index.add_all()
    who = pygit2.Signature("A", "a@example.com", 1_700_000_000, 0)
    repository.create_commit("HEAD", who, who, "all", repository.index.write_tree(), [])
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: all}\nmode: {images: propose}\n"
    )
    settings = tmp_path / "reconcile.yaml"
    settings.write_text(
        f"apiVersion: reconciler/v1\nrepositories: [{{url: {folder}}}]\npolicies: {tmp_path}/policy.yaml\n"
    )
    monkeypatch.chdir(folder)
    ended(["run", "--dry-run", "--config", str(settings), "-o", "json"])
    kept = json.loads(capsys.readouterr().out)["kept"]
    images = {row["workload"]: (row["reason"], row["detail"]) for row in kept if row["field"] == "image"}
    owner = "Renovate (renovate.json, manager kubernetes) changes this image"
    assert images["web"] == ("owned-by", owner)
    assert images["other"][0] == "not-answered"


def test_renovate_owns_what_it_keeps_in_a_charts_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that we would change is another one: the file of values above the defaults."""
    put_tools_on_path(monkeypatch)
    app = application().replace("path: web}", "path: web, helm: {valueFiles: [prod.yaml]}}")
    template = deployment('"{{ .Values.image.repository }}:{{ .Values.image.tag }}"')
    files = {
        "argocd/web.yaml": app,
        "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "web/values.yaml": "image: {repository: nginx, tag: '1.25'}\n",
        "web/prod.yaml": "replicas: 2\n",
        "web/templates/web.yaml": template,
    }
    assert owners(estate(programs(), deploy=files)) == {}
    files["renovate.json"] = "{}"
    assert owners(estate(programs(), deploy=files)) == {
        "web/app": "Renovate (renovate.json, manager helm-values)"
    }
    files["renovate.json"] = '{"packageRules": [{"matchPackageNames": ["nginx"], "enabled": false}]}'
    assert owners(estate(programs(), deploy=files)) == {}
