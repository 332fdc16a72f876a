"""reconcile.yaml: what is refused, and how that is said; what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings_world import SMALL, load

from reconciler.config import (
    BadFile,
    Settings,
    TokenSource,
    repository_of,
)

NO_SETTINGS = "1:1: these are no settings: they are a mapping that begins with apiVersion: reconciler/v1"

CONTRACT = """
apiVersion: reconciler/v1
repositories:
  - {url: https://git.example.com/platform/deploy.git, branch: main}
forges:
  - {kind: gitlab, url: https://git.example.com, tokenFile: /run/secrets/forge/token}
metrics:
  - {name: main, kind: prometheus, url: http://prometheus:9090}
clusters:
  - {name: prod-eu, server: https://1.2.3.4:6443, metrics: main, metricsLabels: {cluster: prod-eu},
     kubeVersion: "1.31", apiVersions: [monitoring.coreos.com/v1], labels: {env: prod}}
argocd:
  - {url: https://argocd.example.com, tokenFile: /run/secrets/argocd/token}
units:
  - {repository: https://git.example.com/platform/deploy.git, path: charts/web,
     valueFiles: [values-prod.yaml], releaseName: web, namespace: prod, cluster: prod-eu}
policies: policies/
proposals: {group: application}
"""


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """Each as `line:column: message`."""
    with pytest.raises(BadFile) as caught:
        load(folder, text)
    prefix = f"{folder / 'reconcile.yaml'}:"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    assert len(lines) == len(caught.value.mistakes)
    return [line.removeprefix(prefix).strip() for line in lines]


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("polices: x", '3:1: unknown key "polices"; did you mean "policies"?'),
        ("forges: [{kind: gitlb, url: https://h}]",
         '3:17: forges[0].kind: expected local, github, gitlab or gitea, found "gitlb"; '
         'did you mean "gitlab"?'),
        ("forges: [{url: https://h}]", "3:10: forges[0].kind is missing"),
        ("forges: [{kind: gitlab}]", "3:10: a forge of kind gitlab needs url, like https://git.example.com"),
        ("forges: [{kind: gitlab, url: git.example.com}]",
         "3:30: forges[0].url: expected the address of a server, like https://git.example.com"),
        ("forges: [{kind: gitlab, url: https://h, token: abc}]",
         '3:41: "token" would put a secret into this file: name where it lies with tokenFile or tokenEnv'),
        ("forges: [{kind: gitlab, url: https://h, tokenFile: a, tokenEnv: B}]",
         "3:65: tokenFile and tokenEnv both name a token: remove one"),
        ("forges: [{kind: gitlab, url: https://h}, {kind: gitea, url: https://H}]",
         "3:42: this server is already forges[0]"),
        ("forges: [{kind: github, url: https://h, app: {keyFile: k}}]",
         "3:46: forges[0].app.id is missing"),
        ("forges: [{kind: github, url: https://h, app: {id: 1}}]",
         "3:46: name where the app's key lies, with keyFile or with keyEnv"),
        ("forges: [{kind: github, url: https://h, tokenFile: t, app: {id: 1, keyEnv: K}}]",
         "3:60: a forge is asked with a token or by an app, not both: remove one"),
        ("forges: [{kind: gitlab, url: https://h, app: {id: 1, keyEnv: K}}]",
         "3:46: a forge of kind gitlab has no apps: give it a token"),
        ("forges: [{kind: gitea, url: https://h, commits: forge}]",
         "3:49: a forge of kind gitea makes no commits of its own: write git"),
        ("forges: [{kind: gitea, url: https://h, patience: 7h}]",
         '3:50: forges[0].patience: expected at most 6h, found "7h"'),
        ("metrics: {name: main}", "3:10: metrics: expected a list, like [a, b], found a mapping"),
        ("metrics: [{kind: prometheus}]", "3:11: metrics of kind prometheus need url"),
        ("metrics: [{kind: recording, path: x, url: http://h}]",
         "3:43: metrics of kind recording have path, not url"),
        ("metrics: [{kind: recording, path: x}, {kind: recording, path: y}]",
         '3:39: the name "main" is taken by metrics[0]'),
        ("metrics: [{name: eu, kind: recording, path: x}]\nclusters: [{name: a, metrics: ue}]",
         '4:31: no metrics are called "ue"; known here: eu'),
        ("clusters: [{name: prod}]\nunits: [{path: a, cluster: prd}]",
         '4:28: no cluster is called "prd"; did you mean "prod"?'),
        ("clusters: [{name: a, labels: {tier: 1}}]",
         "3:37: clusters[0].labels.tier: expected text, found the number 1: put it in quotes"),
        ("units: [{path: ../x}]",
         "3:16: units[0].path: expected a path inside the repository, like apps/web, without '..', "
         'found "../x"'),
        ("units: [{path: x, repository: other}]",
         "3:31: it is none of repositories, by address, name or alias"),
        ("proposals: {group: app}",
         '3:20: proposals.group: expected application, namespace, workload or all, found "app"; '
         'did you mean "application"?'),
        ('proposals: {branch: "r/{class}"}',
         "3:21: proposals.branch: a branch needs {group} in it, or two merge requests would share it"),
        ('proposals: {branch: "r r/{class}/{group}"}',
         "3:21: proposals.branch: git takes no branch of that name; expected one like "
         "reconcile/{class}/{group}"),
        ('proposals: {title: "{sujet}"}',
         '3:20: proposals.title: the placeholder {sujet} is not known; did you mean "subject"?'),
        ('proposals: {title: "{subject.__class__}"}',
         "3:20: proposals.title: the placeholder {subject.__class__} is not known; "
         "known here: class, group, type, scope, subject, count"),
        ('proposals: {message: "{title} {"}',
         "3:22: proposals.message: a brace stands alone: placeholders are written {name}"),
        ("commits: {signOff: yes}", '3:20: commits.signOff: expected true or false, found "yes"'),
        ("commits: {signing: {format: pgp, key: x}}",
         '3:29: commits.signing.format: expected ssh or gpg, found "pgp"; did you mean "gpg"?'),
        ("commits: {trailers: {Reconcile-Key: x}}",
         "3:21: commits.trailers: trailers Reconcile-… and Signed-off-by are written by Reconciler itself"),
        ("network: {proxy: 'http://me:secret@proxy:3128'}",
         "3:18: network.proxy: a name or password in an address ends up in logs: "
         "the settings name a file for it"),
        ("policies: 7", "3:11: policies: expected a path, found the number 7"),
        ("forges: []\nforges: []", '4:1: the key "forges" is already on line 3: remove one of the two'),
        ("units: [{path: x]", "3:17: broken YAML: did not find expected ',' or '}'"),
        ("units: !!python/object:os.system []", "3:8: YAML tags have no meaning here: remove it"),
        ("units: *nothing", '3:8: the alias "*nothing" names nothing that is complete before it'),
        ("units: &a [*a]", '3:12: the alias "*a" names nothing that is complete before it'),
        ("? [a]\n: b", "3:3: a key must be a plain word"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_the_nearest_word(tmp_path, added, told):
    assert mistakes(tmp_path, SMALL + added + "\n") == [told]


def test_all_mistakes_are_told_at_once(tmp_path):
    text = "apiVersion: v1\nrepositories: [{url: 'ext::sh -c x'}]\nforges: 1\nx: 1\n"
    assert [line.partition(" ")[0] for line in mistakes(tmp_path, text)] == ["1:13:", "2:22:", "3:9:", "4:1:"]


def test_contradictions_are_told_beside_other_mistakes(tmp_path):
    text = SMALL + (
        "forges: [{kind: gitlab, url: https://h, tokenFile: a, tokenEnv: B, x: 1}]\n"
        "metrics: [{kind: recording, y: 1}, {kind: prometheus, url: http://h}]\n"
        "clusters: [{name: a, metrics: mian}, {name: a, z: 1}]\n"
        "units: [{path: x, cluster: b, namespace: 1}, {path: x, cluster: b, repository: other}]\n"
    )
    assert [line.partition(";")[0] for line in mistakes(tmp_path, text)] == [
        "3:65: tokenFile and tokenEnv both name a token: remove one",
        '3:68: unknown key "x"',
        "4:11: metrics of kind recording need path",
        '4:29: unknown key "y"',
        '4:36: the name "main" is taken by metrics[0]',
        '5:31: no metrics are called "mian"',
        '5:45: the name "a" is taken by clusters[0]',
        '5:48: unknown key "z"',
        "6:42: units[0].namespace: expected text, found the number 1: put it in quotes",
        '6:65: no cluster is called "b"',
        "6:80: it is none of repositories, by address, name or alias",
    ]


def test_nothing_is_said_that_an_entry_with_a_mistake_could_make_untrue(tmp_path):
    """The metrics, the cluster and the repository that are meant are there, only not right yet."""
    text = (
        "apiVersion: reconciler/v1\nrepositories: [{url: 1, name: deploy}]\n"
        "metrics: [{name: eu, kind: prometheus, url: h}]\nclusters: [{name: a, metrics: eu, server: 1}]\n"
        "units: [{path: x, cluster: a, repository: deploy}]\nforges: 1\n"
    )
    assert [line.partition(" ")[0] for line in mistakes(tmp_path, text)] == [
        "2:22:", "3:45:", "4:43:", "6:9:",
    ]  # fmt: skip


def test_a_name_is_offered_once(tmp_path):
    text = SMALL + "metrics: [{kind: recording, path: x}, {kind: recording, path: y}]\n"
    told = mistakes(tmp_path, text + "clusters: [{name: a, metrics: other}]\n")
    assert told[-1] == '4:31: no metrics are called "other"; known here: main'


def test_a_file_of_nothing_but_mistakes_is_cut_short(tmp_path):
    text = SMALL + "".join(f"{'x' * 30}{index}: 1\n" for index in range(1000))
    with pytest.raises(BadFile) as caught:
        load(tmp_path, text)
    assert len(caught.value.mistakes) == 1000
    assert str(caught.value).splitlines()[-1] == "and 960 more"
    assert len(str(caught.value)) < 15_000


@pytest.mark.parametrize(
    "word",
    ["ghp_hunter2hunter2", "glpat-hunter2", "$6$hunter2$x", "aB3dE6gH9jK2mN5pQ8sT", "0123456789abcdef" * 3,
     "postgres://me:hunter2@h/x", "-----BEGIN RSA PRIVATE KEY-----", "AKIAHUNTER2HUNTER2"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_not_repeated(tmp_path, word):
    for text in (
        f"proposals: {{group: '{word}'}}",
        f"'{word}': 1",
        f"units: [{{path: x, namespace: ['{word}']}}]",
    ):
        assert word not in "".join(mistakes(tmp_path, SMALL + text + "\n"))


def test_what_is_repeated_is_short_and_printable(tmp_path):
    for text in (f"? '{'k ' * 400}'\n: 1", f"clusters: [{{name: a, labels: {{? '{'k ' * 200}' : 1}}}}]"):
        (told,) = mistakes(tmp_path, SMALL + text + "\n")
        assert len(told) < 300
        assert "k k k k k" in told
        assert told.isprintable()


def test_settings_need_a_version_and_a_repository(tmp_path):
    assert mistakes(tmp_path, "policies: x\n") == [
        "1:1: apiVersion is missing",
        "1:1: repositories is missing",
    ]
    assert mistakes(tmp_path, "apiVersion: reconciler/v1\nrepositories: []\n") == [
        "2:15: repositories: expected at least one entry, like {url: https://HOST/PATH}"
    ]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "it is empty; settings are one YAML mapping"),
        (b"# nothing\n", "it is empty; settings are one YAML mapping"),
        (b"a: 1\n---\nb: 1\n", "it holds several documents; settings are one YAML mapping"),
        (b"- a\n", NO_SETTINGS), (b"hunter2 hunter2\n", NO_SETTINGS),
        (b"root:*:1:\nroot:*:1:\ndaemon:*:1:\n", NO_SETTINGS),
        (b"apiVersion: v1\nkind: Secret\nmetadata: {name: hunter2}\nstringData: {hunter2: a}\n", NO_SETTINGS),
        (b"a: 1\nb: \xff\n", "2:4: it is not UTF-8 text: save it as UTF-8"),
        ("a: ü\n".encode("utf-16"), "1:1: it is not UTF-8 text: save it as UTF-8"),
        (b"a: 1\nb: \x00\n", "broken YAML: control characters are not allowed"),
        (b"a: " + b"x" * (1 << 20), "it is larger than 1 MiB, so it is not read"),
        (b"[" * 100_000, "1:34: it is nested deeper than 32 levels"),
        (b"a: &a [" + b"1," * 500 + b"]\nb: &b [" + b"*a," * 500 + b"]\n",
         "2:122: it has more than 20000 values, counting what aliases repeat"),
    ],
)  # fmt: skip
def test_what_is_no_settings_file_at_all(tmp_path, raw, told):
    assert mistakes(tmp_path, raw) == [told]


@pytest.mark.parametrize(
    "text",
    [
        "forges: [{kind: gitlab, url: https://h, tokenEnv: 'hunter2 hunter2'}]",
        "forges: [{kind: gitlab, url: 'https://me:hunter2@h'}]",
        "forges: [{kind: gitlab, url: https://h, token: hunter2}]",
        "repositories: [{url: 'https://hunter2@h/x.git'}]",
        "repositories: [{url: https://h/x.git, aliases: ['https://me:hunter2@h/y']}]",
        "network: {proxy: 'http://me:hunter2@h'}",
        "argocd: [{url: 'https://me:hunter2@h'}]",
        "units: [{path: x, repository: 'https://me:hunter2@h'}]",
    ],
)
def test_a_secret_is_not_repeated_in_the_message(tmp_path, text):
    assert "hunter2" not in "".join(mistakes(tmp_path, f"apiVersion: reconciler/v1\n{text}\n"))


# ---------------------------------------------------------------------------------------------
# What is read
# ---------------------------------------------------------------------------------------------


def test_the_contract_is_read(tmp_path):
    settings = load(tmp_path, CONTRACT)
    assert settings.policies == tmp_path / "policies"
    assert settings.forges[0].token == TokenSource(Path("/run/secrets/forge/token"))
    assert settings.clusters[0].kube_version == "1.31"
    assert settings.clusters[0].metrics_labels == {"cluster": "prod-eu"}
    assert settings.units[0].value_files == ("values-prod.yaml",)
    assert repository_of(settings, settings.units[0]) is settings.repositories[0]
    assert (settings.path, settings.trusted, settings.notes) == (tmp_path / "reconcile.yaml", True, ())


def test_a_version_keeps_its_last_zero(tmp_path):
    settings = load(tmp_path, SMALL + "clusters: [{name: a, kubeVersion: 1.30}]\n")
    assert settings.clusters[0].kube_version == "1.30"


def test_a_section_that_is_all_comments_says_nothing(tmp_path):
    settings = load(tmp_path, SMALL + "forges:\n  # - kind: local\nproposals:\ncommits:\n")
    assert settings.forges == ()
    assert settings.proposals.branch == "reconcile/{class}/{group}"


def test_aliases_may_repeat(tmp_path):
    settings = load(tmp_path, SMALL + "clusters: [{name: a, labels: &l {env: p}}, {name: b, labels: *l}]\n")
    assert settings.clusters[1].labels == {"env": "p"}


def test_relative_paths_start_at_the_file(tmp_path):
    settings = load(
        tmp_path,
        "apiVersion: reconciler/v1\n"
        "repositories: [{url: ./deploy.git, name: deploy}, {url: git@git.example.com:a/b.git}]\n"
        "metrics: [{kind: recording, path: usage/}]\n"
        "commits: {signing: {format: ssh, key: id_ed25519}}\n"
        "cache: cache\nnetwork: {caBundle: ca.pem}\n"
        "units: [{repository: deploy, path: ./x//y/}, {repository: https://git.example.com/a/b, path: z}]\n",
    )
    assert settings.repositories[0].url == str(tmp_path / "deploy.git")
    assert settings.repositories[1].url == "git@git.example.com:a/b.git"
    assert settings.metrics[0].path == tmp_path / "usage"
    assert settings.commits.signing is not None
    assert settings.commits.signing.key == str(tmp_path / "id_ed25519")
    assert (settings.cache, settings.network.ca_bundle) == (tmp_path / "cache", tmp_path / "ca.pem")
    assert settings.units[0].path == "x/y"
    assert [repository_of(settings, unit) for unit in settings.units] == list(settings.repositories)


def test_settings_without_a_file():
    settings = Settings.for_clone("/srv/deploy", metrics="http://prometheus:9090")
    assert (settings.repositories[0].url, settings.repositories[0].branch) == ("/srv/deploy", None)
    assert settings.metrics[0].kind == "prometheus"
    assert settings.with_metrics("usage").metrics[0].path == Path("usage")
    assert settings.with_metrics("usage").trusted
    assert settings.path is None


def test_metrics_named_on_the_command_line_replace_all_others(tmp_path):
    settings = load(
        tmp_path,
        SMALL + "metrics: [{name: eu, kind: recording, path: x}]\nclusters: [{name: a, metrics: eu}]\n",
    )
    replaced = settings.with_metrics("usage")
    assert [(one.name, one.path) for one in replaced.metrics] == [("main", Path("usage"))]
    assert replaced.clusters[0].metrics is None
    assert replaced.path == settings.path


def test_settings_can_not_be_changed():
    settings = Settings.for_clone("/srv/deploy")
    with pytest.raises(ValueError, match="frozen"):
        settings.cache = Path("/")  # type: ignore[misc]
