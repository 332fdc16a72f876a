"""A first `reconcile.yaml` for a repository, to be read and changed by a person."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

# Read as text by YAML 1.1 and 1.2 alike, wherever it stands on a line.
_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9/._@-]*(?::[A-Za-z0-9/._@-]+)*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_KINDS: Final = {
    "github": "github",
    "gitlab": "gitlab",
    "gitea": "gitea",
    "forgejo": "gitea",
    "codeberg": "gitea",
}


class FolderFacts(NamedTuple):
    """What was found in the repository, as far as the starter can use it."""

    workloads: int = 0
    without_namespace: tuple[str, ...] = ()  # folders with manifests that name no namespace
    recording: str = ""  # a folder with recorded utilization


def starter_settings(repository_url: str, branch: str | None, facts: FolderFacts) -> str:
    """Commented settings that load as they are. Credentials in the address are left out."""
    parts = [_head(facts), _repository(_public(repository_url), branch), _forge(_public(repository_url))]
    parts += [_metrics(facts.recording), _units(facts.without_namespace), _TAIL]
    return "\n".join(parts)


def _head(facts: FolderFacts) -> str:
    count = "1 workload was" if facts.workloads == 1 else f"{facts.workloads} workloads were"
    seen = f" {count} found in it." if facts.workloads else ""
    return f"""\
# Settings of Reconciler for this repository.{seen}
#
# Try it now, without changing anything:   reconcile --dry-run
#
# Found inside a Git work tree and not named, this file is good for dry runs only, and its token
# keys are ignored, so that nobody's clone can send your token anywhere. To open merge requests,
# name it:                                 reconcile --config reconcile.yaml
apiVersion: reconciler/v1
"""


def _repository(url: str, branch: str | None) -> str:
    pinned = f"    branch: {scalar(branch)}\n" if branch else "    # branch: main\n"
    return f"""\
# The deployment repositories that are to be kept right, each with the branch that is deployed.
repositories:
  - url: {scalar(url)}
{pinned}\
    # policies: policies/     # a folder in the repository where teams keep policies of their own
"""


def _forge(url: str) -> str:
    parts = urlsplit(url if "://" in url else "")
    host = parts.hostname or _scp_host(url)
    if not host:
        return """\
# Where merge requests are opened. A local forge keeps them as records beside the repository.
forges:
  - kind: local
"""
    kind = next((kind for word, kind in _KINDS.items() if word in host), None)
    web = parts.scheme in ("http", "https")
    server = f"{parts.scheme}://{parts.netloc}" if web else f"https://{host}"  # of SSH the port says nothing
    lines = [
        f"- kind: {kind or 'gitlab'}                        # local, github, gitlab or gitea",
        f"  url: {scalar(server)}",
        "  tokenEnv: RECONCILE_TOKEN           # or tokenFile: /run/secrets/forge/token",
    ]
    text = "\n".join(f"  {line}" for line in lines) if kind else "\n".join(f"#   {line}" for line in lines)
    return f"""\
# Where merge requests are opened. The token also authenticates Git to the same host.
{"forges:" if kind else "# forges:"}
{text}
"""


def _metrics(recording: str) -> str:
    if recording:
        return f"""\
# Where utilization is read: this recording, or a server that speaks PromQL.
metrics:
  - {{name: main, kind: recording, path: {scalar(recording)}}}
  # - {{name: main, kind: prometheus, url: "http://prometheus:9090"}}
"""
    return """\
# Where utilization is read. Without it every value is kept, with the reason no-metrics.
# metrics:
#   - {name: main, kind: prometheus, url: "http://prometheus:9090"}
#   - {name: main, kind: recording, path: usage/}
"""


def _units(folders: tuple[str, ...]) -> str:
    shown = folders[:20]
    if not shown:
        return """\
# Folders whose manifests name no namespace: say which one they are deployed to.
# units:
#   - {path: apps/web, namespace: web}
"""
    lines = "\n".join(f"#   - {{path: {scalar(folder)}, namespace: NAMESPACE}}" for folder in shown)
    return f"""\
# The manifests in these folders name no namespace: say which one they are deployed to, so that
# their utilization can be found.
# units:
{lines}
"""


_TAIL: Final = """\
# Charts and overlays are rendered by the helm and kubectl on PATH. Nothing is fetched for it but
# from hosts that are named here.
# rendering:
#   hosts: [charts.example.com]
#   buildOptions: --enable-helm         # kustomize.buildOptions of Argo CD

# Policies say how much room to leave and how far to go. Without any, `balanced` holds for
# everything: merge requests are proposed, and never merged, by Reconciler.
# policies: policies/

# What an hour of a core and of a GiB costs. Without it list prices of public clouds are assumed, and
# said to be; where OpenCost's series are beside the others, just `prices: opencost`.
# prices:
#   - {currency: EUR, cpuHour: 0.0281, gibHour: 0.0038}

# What shares a merge request: application (a folder), namespace, workload or all.
proposals:
  group: application
"""


def scalar(text: str) -> str:
    """The text as a YAML scalar: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def _public(url: str) -> str:
    """The address without the name and password that a remote of Git may carry."""
    if "://" not in url:
        return url
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    kept = f"{user.partition(':')[0]}@" if at and "ssh" in scheme else ""
    return f"{scheme}://{kept}{host}{slash}{path}"


def _scp_host(url: str) -> str:
    found = re.fullmatch(r"(?:[^@/:\s]+@)?([^@/:\s\[]+):(?!:).+", url)
    return found[1] if found else ""
