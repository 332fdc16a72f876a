"""`reconcile import`: rules of other tools become policies that load, and mean the same containers."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pygit2
import pytest
from images.owners_world import deployment, estate, put_tools_on_path
from rendered_world import lay_out

from reconciler.cli import ended
from reconciler.commands.importing import _flaw
from reconciler.config import load_policies, parse_policies
from reconciler.config.drafts import ImageDraft, drafted
from reconciler.source.imageimport import Imported, imported
from reconciler.source.others.imageupdater import Tracked
from reconciler.source.others.renovate import Config, Updated
from reconciler.source.others.translated import Ruling, of_flux, of_image_updater, of_renovate
from reconciler.source.typed import Thing

GOLDEN = Path(__file__).with_name("golden_import")


# -- from their words to ours ---------------------------------------------------------------------


def updated(constraint: str = "", **settings: str) -> Ruling:
    said = {key.replace("_", "-"): value for key, value in settings.items()}
    return of_image_updater(
        Tracked(("docker.io/library/nginx",), constraint, said, "here", "a.yaml", 1), "web"
    )


@pytest.mark.parametrize(
    ("ruling", "settings", "lost"),
    [
        (updated(), {"strategy": "semver"}, ""),
        (updated("~1.26"), {"strategy": "semver", "range": "~1.26"}, ""),
        (updated("1.x", update_strategy="semver"), {"strategy": "semver", "range": "1.x"}, ""),
        (updated(update_strategy="latest"), {"strategy": "newest"}, ""),
        (updated(update_strategy="newest-build"), {"strategy": "newest"}, ""),
        (updated("1.x", update_strategy="newest-build"), {"strategy": "newest"}, "the constraint 1.x"),
        (updated(update_strategy="name"), {"strategy": "alphabetical"}, ""),
        (updated(update_strategy="alphabetical"), {"strategy": "alphabetical"}, ""),
        (updated("main", update_strategy="digest"), {"strategy": "digest"}, "the tag main"),
        (updated(allow_tags="any"), {"strategy": "semver"}, ""),
        (updated(allow_tags="regexp:^v1"), {"strategy": "semver", "filter": "^v1"}, ""),
        (updated(ignore_tags="dev, [^0-9]*"), {"strategy": "semver", "ignore": ("dev", "[!0-9]*")}, ""),
        (
            updated(platforms="linux/amd64,linux/arm64"),
            {"strategy": "semver", "platforms": ("linux/amd64", "linux/arm64")},
            "",
        ),
        (updated(pull_secret="env:TOKEN"), {"strategy": "semver"}, "pull-secret env:TOKEN"),
        (updated(force_update="true"), {"strategy": "semver"}, ""),
    ],
)
def test_rules_of_image_updater(ruling: Ruling, settings: dict[str, object], lost: str) -> None:
    assert ruling.refused == ""
    assert dict(ruling.settings) == settings
    assert _flaw(dict(ruling.settings)) == ""
    assert bool(ruling.lost) is bool(lost)
    assert "".join(ruling.lost).startswith(lost)


@pytest.mark.parametrize(
    ("ruling", "why"),
    [
        (updated(update_strategy="semvar"), "update-strategy semvar"),
        (updated(allow_tags="^v1"), "allow-tags ^v1"),
        (updated(ignore_tags="*"), "paused"),
    ],
)
def test_what_image_updater_wouldnt_do_itself_is_not_taken_over(ruling: Ruling, why: str) -> None:
    assert why in ruling.refused


def flux(spec: dict[str, object], repository: dict[str, object] | None = None) -> Ruling:
    body = {"kind": "ImagePolicy", "metadata": {"name": "web"}, "spec": spec}
    other = Thing("deploy", "r.yaml", 0, (), 1, {"spec": repository}) if repository is not None else None
    return of_flux(Thing("deploy", "p.yaml", 0, (), 3, body), other)


SEMVER = {"policy": {"semver": {"range": ">=1.0"}}}


@pytest.mark.parametrize(
    ("ruling", "settings", "lost"),
    [
        (flux(SEMVER), {"strategy": "semver", "range": ">=1.0"}, ""),
        (flux({"policy": {"numerical": {"order": "desc"}}}), {"strategy": "numerical", "order": "desc"}, ""),
        (flux({"policy": {"numerical": {}}}), {"strategy": "numerical", "order": "asc"}, ""),
        (
            flux({"policy": {"alphabetical": {"order": "asc"}}}),
            {"strategy": "alphabetical", "order": "asc"},
            "",
        ),
        (
            flux({**SEMVER, "filterTags": {"pattern": "^v(?P<v>.*)$", "extract": "$v"}}),
            {"strategy": "semver", "range": ">=1.0", "filter": "^v(?P<v>.*)$", "extract": "$v"},
            "",
        ),
        (
            flux({**SEMVER, "digestReflectionPolicy": "Always"}),
            {"strategy": "semver", "range": ">=1.0", "digest": "pin"},
            "",
        ),
        (
            flux({**SEMVER, "digestReflectionPolicy": "IfNotPresent"}),
            {"strategy": "semver", "range": ">=1.0", "digest": "pin"},
            "digestReflectionPolicy IfNotPresent",
        ),
        (
            flux({**SEMVER, "digestReflectionPolicy": "Never"}),
            {"strategy": "semver", "range": ">=1.0"},
            "",
        ),
        (
            flux(SEMVER, {"provider": "aws", "exclusionList": ["^.*\\.sig$"]}),
            {"strategy": "semver", "range": ">=1.0"},
            "provider aws",
        ),
        (
            flux(SEMVER, {"secretRef": {"name": "pull"}}),
            {"strategy": "semver", "range": ">=1.0"},
            "secretRef pull",
        ),
        (
            flux(SEMVER, {"exclusionList": ["-rc$"]}),
            {"strategy": "semver", "range": ">=1.0"},
            "exclusionList -rc$",
        ),
    ],
)
def test_rules_of_flux(ruling: Ruling, settings: dict[str, object], lost: str) -> None:
    assert ruling.refused == ""
    assert dict(ruling.settings) == settings
    assert _flaw(dict(ruling.settings)) == ""
    assert bool(ruling.lost) is bool(lost)
    assert "".join(ruling.lost).startswith(lost)


@pytest.mark.parametrize(
    "spec",
    [{}, {"policy": {}}, {"policy": {"newest": {}}}, {**SEMVER, "suspend": True}, {"policy": "semver"}],
)
def test_a_policy_of_flux_that_chooses_nothing_is_not_taken_over(spec: dict[str, object]) -> None:
    assert flux(spec).refused


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"strategy": "semver", "range": ""}, "the range is empty"),
        ({"strategy": "semver", "range": "latest"}, "latest"),
        ({"strategy": "numerical", "filter": "(", "order": "asc"}, "no regular expression"),
        ({"strategy": "numerical", "extract": "$1", "order": "asc"}, "there is no filter"),
        ({"strategy": "numerical", "order": "up"}, "'up'"),
        ({"strategy": "semver", "ignore": ("a\nb",)}, "no policy can say it"),
    ],
)
def test_what_would_choose_nothing_is_seen_before_it_is_written(settings: dict[str, str], why: str) -> None:
    assert why in _flaw(settings)


@pytest.mark.parametrize(
    ("body", "settings", "lost"),
    [
        ({}, {}, ""),
        ({"minimumReleaseAge": "3 days"}, {"minimumAge": "3d"}, ""),
        ({"minimumReleaseAge": "36 hours"}, {"minimumAge": "2d"}, ""),
        ({"minimumReleaseAge": "2 weeks"}, {"minimumAge": "14d"}, ""),
        ({"stabilityDays": 5}, {"minimumAge": "5d"}, ""),
        ({"minimumReleaseAge": "2 years"}, {}, "minimumReleaseAge 2 years"),
        ({"pinDigests": True}, {"digest": "pin"}, ""),
        ({"ignoreUnstable": False}, {"preReleases": True}, ""),
        ({"major": {"enabled": False}}, {"level": "minor"}, ""),
        ({"major": {"enabled": False}, "minor": {"enabled": False}}, {"level": "patch"}, ""),
        ({"kubernetes": {"pinDigests": True}, "pinDigests": False}, {"digest": "pin"}, ""),
        (
            {"packageRules": [{"matchPackageNames": ["nginx"], "minimumReleaseAge": "1 day"}]},
            {"minimumAge": "1d"},
            "",
        ),
        ({"packageRules": [{"matchPackageNames": ["redis"], "minimumReleaseAge": "1 day"}]}, {}, ""),
        (
            {"packageRules": [{"pinDigests": True}, {"matchDatasources": ["docker"], "pinDigests": False}]},
            {},
            "",
        ),
        ({"packageRules": [{"matchUpdateTypes": ["major"], "enabled": False}]}, {"level": "minor"}, ""),
        (
            {"packageRules": [{"matchUpdateTypes": ["patch"], "automerge": True}]},
            {},
            "packageRules[0], which is about",
        ),
        (
            {"packageRules": [{"groupName": "all", "schedule": []}]},
            {},
            "packageRules[0]: groupName, schedule",
        ),
        ({"packageRules": [{"matchJsonata": ["x"], "pinDigests": True}]}, {}, "packageRules[0], which asks"),
        ({"packageRules": [{"versioning": "regex:^v"}]}, {}, "packageRules[0]: versioning regex:^v"),
        ({"packageRules": [{"versioning": "docker"}]}, {}, ""),
        ({"packageRules": [{"allowedVersions": "<2"}]}, {"strategy": "semver", "range": "<2"}, ""),
        ({"packageRules": [{"allowedVersions": "/^1\\./"}]}, {"filter": "^1\\."}, ""),
        ({"packageRules": [{"allowedVersions": "!/beta/"}]}, {}, "allowedVersions !/beta/"),
        ({"extends": ["config:recommended"]}, {}, "its presets (config:recommended)"),
    ],
)
def test_rules_of_renovate(body: dict[str, object], settings: dict[str, object], lost: str) -> None:
    place = Updated("apps/web.yaml", ("image",), 1, ("nginx",))
    ruling = of_renovate(Config("renovate.json", body), place, "kubernetes", "1.25")
    assert dict(ruling.settings) == {"strategy": "auto", **settings}
    assert _flaw(dict(ruling.settings)) == ""
    assert bool(ruling.lost) is bool(lost)
    assert "".join(ruling.lost).startswith(lost)


def test_a_range_is_no_word_for_tags_with_a_suffix() -> None:
    config = Config("renovate.json", {"packageRules": [{"allowedVersions": "<2"}]})
    ruling = of_renovate(config, Updated("a.yaml", ("image",), 1, ("nginx",)), "kubernetes", "1.25-alpine")
    assert dict(ruling.settings) == {"strategy": "auto"}
    assert ruling.lost == ("allowedVersions <2: a range leaves out tags such as 1.25-alpine",)


# -- for whom -------------------------------------------------------------------------------------

RENOVATE = """\
{"kubernetes": {"managerFilePatterns": ["**/*.yaml"]},
 "packageRules": [{"matchPackageNames": ["redis"], "pinDigests": true}]}
"""


def drafts(**images: str) -> Imported:
    files = {f"{name}.yaml": deployment(image, name=name) for name, image in images.items()}
    return imported(estate(deploy={"renovate.json": RENOVATE, **files}), _flaw)


def test_containers_of_one_rule_share_a_policy_that_means_nobody_else() -> None:
    found = drafts(a="nginx:1", b="nginx:1", c="redis:1", d="redis:1")
    assert [dict(one.match)["names"] for one in found.drafts] == [("a", "b"), ("c", "d")]
    assert [dict(one.settings).get("digest") for one in found.drafts] == [None, "pin"]
    assert [one.name for one in found.drafts] == ["renovate", "renovate-2"]
    assert found.left == ()


def test_where_one_policy_would_mean_others_there_are_several() -> None:
    two = deployment("nginx:1", name="a") + "---\n" + deployment("redis:1", name="b")
    more = "      - name: side\n        image: {}\n"
    first, second = two.split("---\n")
    text = first + more.format("redis:1") + "---\n" + second + more.format("nginx:1")
    found = imported(estate(deploy={"renovate.json": RENOVATE, "all.yaml": text}), _flaw)
    meant = [
        (dict(one.match)["names"], dict(one.match)["containers"], dict(one.settings).get("digest"))
        for one in found.drafts
    ]
    assert meant == [
        (("a",), ("app",), None),
        (("b",), ("side",), None),
        (("a",), ("side",), "pin"),
        (("b",), ("app",), "pin"),
    ]


# -- the command ----------------------------------------------------------------------------------

FILES = {
    "argocd/web.yaml": """\
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata:
          name: web
          namespace: argocd
          annotations:
            argocd-image-updater.argoproj.io/image-list: "web=ghcr.io/shop/web:^1.4, gone=redis:7.x"
            argocd-image-updater.argoproj.io/web.allow-tags: regexp:^[0-9.]+$
            argocd-image-updater.argoproj.io/web.ignore-tags: "1.4.9, *-rc"
            argocd-image-updater.argoproj.io/web.pull-secret: pullsecret:argocd/ghcr
            argocd-image-updater.argoproj.io/web.platforms: linux/amd64,linux/arm64
        spec:
          destination: {server: https://kubernetes.default.svc, namespace: shop}
          source: {repoURL: https://git.example.com/deploy.git, path: web}
        """,
    "argocd/updater.yaml": """\
        apiVersion: argocd-image-updater.argoproj.io/v1alpha1
        kind: ImageUpdater
        metadata: {name: sidecars, namespace: argocd}
        spec:
          applicationRefs:
          - namePattern: "*"
            images:
            - {alias: proxy, imageName: envoy, commonUpdateSettings: {updateStrategy: newest-build}}
        """,
    "web/kustomization.yaml": "namespace: shop\nresources: [deployment.yaml]\n",
    "web/deployment.yaml": deployment("ghcr.io/shop/web:1.4.0") + "      - {name: proxy, image: envoy:v1}\n",
    "flux/policies.yaml": """\
        apiVersion: image.toolkit.fluxcd.io/v1
        kind: ImagePolicy
        metadata: {name: api, namespace: flux-system}
        spec:
          imageRepositoryRef: {name: api}
          digestReflectionPolicy: Always
          filterTags: {pattern: '^main-[a-f0-9]+-(?P<ts>[0-9]+)', extract: $ts}
          policy: {numerical: {order: asc}}
        ---
        apiVersion: image.toolkit.fluxcd.io/v1
        kind: ImagePolicy
        metadata: {name: unused, namespace: flux-system}
        spec: {imageRepositoryRef: {name: api}, policy: {semver: {range: 1.x}}}
        ---
        apiVersion: image.toolkit.fluxcd.io/v1
        kind: ImageRepository
        metadata: {name: api, namespace: flux-system}
        spec: {image: ghcr.io/shop/api, interval: 5m, secretRef: {name: pull}}
        """,
    "apps/api.yaml": deployment(
        "ghcr.io/shop/api:main-abc-17", name="api", after='  # {"$imagepolicy": "flux-system:api"}'
    ),
    "apps/cache.yaml": deployment("redis:7.2", name="cache"),
    "renovate.json5": """\
        {
          // what the platform team wants
          extends: ['config:recommended'],
          kubernetes: {managerFilePatterns: ['apps/**']},
          packageRules: [
            {matchDatasources: ['docker'], minimumReleaseAge: '3 days', groupName: 'images'},
            {matchPackageNames: ['redis'], matchUpdateTypes: ['major'], enabled: false},
          ],
        }
        """,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    put_tools_on_path(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")
    return lay_out(tmp_path / "deploy", {path: dedent(text) for path, text in FILES.items()})


def test_all_that_three_tools_say_becomes_policies_that_load(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["import", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out == (GOLDEN / "policies.yaml").read_text()
    assert said.err == (GOLDEN / "left.txt").read_text()
    assert len(parse_policies(said.out, "imported.yaml")) == said.out.count("kind: Policy")
    assert ended(["import", str(folder)]) == 0
    assert capsys.readouterr() == said


def test_what_is_written_is_what_would_be_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.parent / "imported.yaml"
    assert ended(["import", str(folder), "-o", str(file)]) == 0
    assert "Wrote 4 policies to" in capsys.readouterr().out
    assert file.read_text() == (GOLDEN / "policies.yaml").read_text()
    load_policies((file,))
    assert ended(["import", str(folder), "-o", str(file)]) == 2
    assert "--force" in capsys.readouterr().err
    assert ended(["import", str(folder), "-o", str(file), "--force"]) == 0
    assert ended(["import", str(folder), "-o", str(folder.parent / "no" / "x.yaml")]) == 2


def test_where_no_other_tool_says_anything_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.yaml").write_text(deployment("nginx:1.25"))
    assert ended(["import", str(tmp_path), "-o", str(tmp_path / "out.yaml")]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "No rule was found that could be taken over.\n")
    assert not (tmp_path / "out.yaml").exists()


def test_only_what_lies_in_the_folder_is_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rules are looked for in all of the clone."""
    lay_out(
        tmp_path,
        {
            "renovate.json": RENOVATE,
            "a/web.yaml": deployment("nginx:1.25", name="a"),
            "b/web.yaml": deployment("nginx:1.25", name="b"),
        },
    )
    pygit2.init_repository(str(tmp_path))
    assert ended(["import", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert "names: [a]" in said
    assert said.count("kind: Policy") == 1


def test_a_broken_manifest_is_told_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "renovate.json").write_text(RENOVATE)
    (tmp_path / "web.yaml").write_text(deployment("nginx:1.25"))
    (tmp_path / "bad.yaml").write_text("kind: Deployment\nmetadata: {name: [1}\n")
    assert ended(["import", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "names: [web]" in said.out
    assert "bad.yaml" in said.err


def test_more_than_a_file_of_policies_may_hold_is_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path, {"renovate.json": RENOVATE, "web.yaml": deployment("nginx:1.25")})
    monkeypatch.setattr("reconciler.commands.importing.LARGEST", 100)
    assert ended(["import", str(tmp_path), "-o", str(tmp_path / "out.yaml")]) == 2
    assert "one folder of it after the other" in capsys.readouterr().err
    assert not (tmp_path / "out.yaml").exists()


# -- hostile --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a: b", "# x", "yes", "1.10", '"', "\\", "[x]", "{y}", "é", "*", "&a", "<2 || >3"]
)
def test_whatever_is_written_is_read_as_it_was(text: str) -> None:
    draft = ImageDraft(
        "one", (("names", (text,)),), (("strategy", "auto"), ("ignore", (text,))), (text,), (text,)
    )
    (policy,) = parse_policies(drafted([draft]), "draft.yaml")
    assert policy.says["images", "ignore"].value == (text,)


def test_names_with_patterns_in_them_mean_only_themselves() -> None:
    found = drafts(**{"a*": "nginx:1", "ab": "redis:1"})
    assert [dict(one.match)["names"] for one in found.drafts] == [("a[*]",), ("ab",)]


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u2028b", "- x: y"])
def test_words_of_others_bring_no_lines_of_their_own(name: str) -> None:
    body = {"kind": "ImagePolicy", "metadata": {"name": name}, "spec": SEMVER}
    ruling = of_flux(Thing("deploy", "p.yaml", 0, (), 3, body), None)
    text = drafted([ImageDraft("one", (), ruling.settings, (ruling.origin,), (name,))])
    assert text.splitlines() == text.split("\n")[:-1]
    assert text.isascii()
    assert len(parse_policies(text, "draft.yaml")) == 1
