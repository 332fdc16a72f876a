"""The section `rendering`, and the file of Applications."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from settings_world import SMALL, load

from reconciler.config import BadFile, TokenSource
from reconciler.errors import Misconfigured
from reconciler.model import Refused
from reconciler.rendering.kustomize import read_options


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadFile) as caught:
        load(folder, SMALL + text)
    return [one.message for one in caught.value.mistakes]


def test_without_it_nothing_is_named_or_fetched(tmp_path):
    for text in ("", "rendering:\n", "rendering: {hosts: , registries: }\n"):
        found = load(tmp_path, SMALL + text)
        assert found.applications is None
        assert (found.rendering.programs, found.rendering.hosts, found.rendering.registries) == ({}, (), ())
        assert (found.rendering.build_options, found.rendering.timeout) == ((), 30)
        assert found.rendering.cache_size == 256 << 20


def test_all_of_it(tmp_path):
    found = load(
        tmp_path,
        SMALL + "applications: apps.json\n"
        "rendering:\n"
        "  helm: tools/helm\n  kubectl: /opt/kubectl\n"
        "  hosts: [Charts.example.com, 'r.example.com:5000', '*.example.org', '[::1]:8080']\n"
        "  registries:\n"
        "    - {host: Charts.example.com, username: robot$ci, passwordFile: secrets/p}\n"
        "    - {host: 'r.example.com:5000', passwordEnv: TOKEN}\n"
        "  buildOptions: --enable-helm  --load-restrictor LoadRestrictionsNone\n"
        "  timeout: 2m\n  cacheSize: 1Gi\n",
    )
    rendering = found.rendering
    assert found.applications == tmp_path / "apps.json"
    assert rendering.programs == {"helm": tmp_path / "tools" / "helm", "kubectl": Path("/opt/kubectl")}
    assert rendering.hosts == ("charts.example.com", "r.example.com:5000", "*.example.org", "[::1]:8080")
    assert [(one.host, one.username, one.password) for one in rendering.registries] == [
        ("charts.example.com", "robot$ci", TokenSource(tmp_path / "secrets" / "p", None, "password")),
        ("r.example.com:5000", None, TokenSource(None, "TOKEN", "password")),
    ]
    assert rendering.build_options == ("--enable-helm", "--load-restrictor", "LoadRestrictionsNone")
    assert (rendering.timeout, rendering.cache_size) == (120, 1 << 30)


@pytest.mark.parametrize(
    "host",
    [
        "https://charts.example.com",
        "charts.example.com/stable",
        "*",
        "*.",
        "a.*.com",
        "me@h",
        "h:x",
        "",
        "a b",
    ],
)
def test_what_is_no_host(tmp_path, host):
    (said,) = wrong(tmp_path, f"rendering: {{hosts: ['{host}']}}\n")
    assert said.startswith("rendering.hosts[0]: expected a host like charts.example.com")


def test_logins_name_one_host_and_where_the_password_lies(tmp_path):
    text = (
        "rendering:\n  registries:\n"
        "    - {host: a.example.com, username: u}\n"
        "    - {host: b.example.com, passwordFile: p, passwordEnv: P}\n"
        "    - {host: c.example.com, passwordEnv: P}\n"
        "    - {host: C.example.com, passwordEnv: P}\n"
    )
    assert wrong(tmp_path, text) == [
        "a login needs passwordFile or passwordEnv",
        "passwordFile and passwordEnv both name a password: remove one",
        "this host is already rendering.registries[2]",
    ]
    assert wrong(tmp_path, "rendering: {registries: [{host: '*.example.com', passwordEnv: P}]}\n") == [
        "rendering.registries[0].host: expected a host like charts.example.com or charts.example.com:8443"
    ]


def test_a_password_never_stands_there_and_is_never_told(tmp_path):
    assert wrong(tmp_path, "rendering: {registries: [{host: h, password: hunter2}]}\n") == [
        "a login needs passwordFile or passwordEnv",
        '"password" would put a secret into this file: name where it lies with passwordFile or passwordEnv',
    ]
    for entry in ("host: 'me:hunter2@h', passwordEnv: P", "host: h, passwordEnv: hunter2 x"):
        assert "hunter2" not in "".join(wrong(tmp_path, f"rendering: {{registries: [{{{entry}}}]}}\n"))


def test_a_password_that_is_not_there_is_told_as_one(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Misconfigured, match=r"the password file .* is empty: put the password into it"):
        TokenSource(tmp_path / "empty", None, "password").read({})


# ---------------------------------------------------------------------------------------------
# Build options
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--env A=B", "the option --env is none that rendering allows: it knows --enable-helm"),
        ("--mount type=bind", "the option --mount is none that rendering allows"),
        ("--output x", "the option --output is none"),
        ("helm", "the option helm is none"),
        ("-e A=B", "the option -e is none"),
        (
            "--load-restrictor anything",
            "--load-restrictor is LoadRestrictionsNone or LoadRestrictionsRootOnly",
        ),
        ("--helm-kube-version", "--helm-kube-version needs a value"),
        ("--enable-helm=perhaps", "--enable-helm is true or false"),
        ("[--enable-helm]", "expected text, as kustomize.buildOptions of Argo CD has it"),
    ],
)
def test_options_that_are_not_allowed(tmp_path, line, said):
    (told,) = wrong(tmp_path, f"rendering: {{buildOptions: {line}}}\n")
    assert told.startswith(f"rendering.buildOptions: {said}")


def test_settings_take_what_rendering_takes(tmp_path):
    """Two places read them, the settings to tell a mistake with its line; they may not differ."""
    words = [
        "--enable-helm", "--enable_helm", "--enable-helm=false", "--enable-helm=x", "--enable-alpha-plugins",
        "--enable-exec", "--network", "--load-restrictor", "--load-restrictor=none", "LoadRestrictionsNone",
        "--helm-kube-version=1.31", "--helm-api-versions", "a/v1,b/v1", "--helm-command", "helm",
        "--env", "-x",
    ]  # fmt: skip
    counted = {True: 0, False: 0}
    for line in [" ".join(few) for size in (1, 2) for few in itertools.permutations(words, size)]:
        try:
            load(tmp_path, f"{SMALL}rendering: {{buildOptions: '{line}'}}\n")
            taken = True
        except BadFile:
            taken = False
        assert taken is not isinstance(read_options(line.split()), Refused), line
        counted[taken] += 1
    assert min(counted.values()) > 30


@pytest.mark.parametrize(
    "text", ["timeout: 0s", "timeout: 2h", "timeout: 30", "cacheSize: -1", "cacheSize: much"]
)
def test_bounds_that_are_none(tmp_path, text):
    assert len(wrong(tmp_path, f"rendering: {{{text}}}\n")) == 1


# ---------------------------------------------------------------------------------------------
# A stranger's
# ---------------------------------------------------------------------------------------------


def test_a_stranger_names_no_program_and_nobody_to_ask(tmp_path):
    found = load(
        tmp_path,
        SMALL + "rendering:\n  helm: ./helm\n  kubectl: ./kubectl\n  kustomize: ./kustomize\n"
        "  hosts: [169.254.169.254]\n  registries: [{host: evil.example.com, passwordFile: /etc/token}]\n"
        "  timeout: 1h\n  cacheSize: 900Gi\n  buildOptions: --enable-helm\n",
        trusted=False,
    )
    rendering = found.rendering
    assert (rendering.programs, rendering.hosts, rendering.registries) == ({}, (), ())
    assert (rendering.timeout, rendering.cache_size) == (30, 256 << 20)
    assert rendering.build_options == ("--enable-helm",)
    assert [(note.line, note.detail.split()[0]) for note in found.notes] == [
        (4, "helm"), (5, "kubectl"), (6, "kustomize"), (7, "hosts"), (8, "registries"), (9, "timeout"),
        (10, "cacheSize"),
    ]  # fmt: skip


def test_a_strangers_applications_lie_beside_the_file(tmp_path):
    load(tmp_path, SMALL + "applications: apps.json\n", trusted=False)
    with pytest.raises(BadFile, match="leads out of the folder that the settings came with"):
        load(tmp_path, SMALL + "applications: ../apps.json\n", trusted=False)
