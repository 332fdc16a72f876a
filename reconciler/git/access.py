"""How git is let near a server: the environment of every git process.

Nothing of the machine's own Git configuration applies, nothing may be asked or run, and
only the transport in use is allowed. The token travels in a variable of that environment:
never in an address, an argument, a log or a file.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.git.urls import Remote
from reconciler.model import Note, Secret

# Variables that the operator sets for this very purpose. Every other GIT_* of the surroundings
# (a hook's GIT_DIR, GIT_SSL_NO_VERIFY, tracing that prints headers, ...) is withheld.
_KEPT: Final = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_EXEC_PATH", "GIT_SSL_CAINFO")

_ALWAYS: Final = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("http.followRedirects", "false"),  # a redirect must not carry the token elsewhere
    ("http.sslVerify", "true"),
    ("http.lowSpeedLimit", "1"),  # a server that sends nothing for two minutes is gone
    ("http.lowSpeedTime", "120"),
    ("gc.auto", "0"),
    ("gc.autoDetach", "false"),
    ("maintenance.auto", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.gpgSign", "false"),
    ("advice.detachedHead", "false"),
)
# Fetched objects are not fsck'ed: nothing is ever checked out, names are checked where they are
# used, and old repositories with harmless flaws in their history must stay usable.


class Access(NamedTuple):
    """What opens a repository. Without a proxy here, the environment's hold, as everywhere."""

    token: Secret | None = None
    username: str = "x-access-token"  # GitHub asks for this one; GitLab and Gitea take any
    ca_bundle: Path | None = None
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    proxy: str = ""  # may hold credentials; NO_PROXY still says where it is not used
    timeout: int = 600  # seconds that one git command may take


def environment(remote: Remote, access: Access, given: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of a git process, `given` the surroundings'."""
    added = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # set and empty: also no SSH_ASKPASS
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
    }
    pairs = [*_ALWAYS, (f"protocol.{remote.scheme}.allow", "always")]
    if remote.scheme == "ssh":
        added |= _ssh(access, given)
    if remote.scheme in ("https", "http"):
        pairs += _http(remote, access)
        added |= _proxy(given)
    if access.ca_bundle is not None:
        added["GIT_SSL_CAINFO"] = str(access.ca_bundle)
    added["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        added[f"GIT_CONFIG_KEY_{number}"] = key
        added[f"GIT_CONFIG_VALUE_{number}"] = value
    return added


def withheld(added: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """The variables of the surroundings that git must not see."""
    return sorted(
        name for name in given if name.startswith("GIT_") and name not in _KEPT and name not in added
    )


def _http(remote: Remote, access: Access) -> list[tuple[str, str]]:
    pairs = [("http.proxy", access.proxy)] if access.proxy else []
    if access.token is not None:
        basic = _basic(access.token, remote.user or access.username)
        pairs.append((f"http.{remote.origin}/.extraHeader", f"Authorization: Basic {basic}"))
    return pairs


def _basic(token: Secret, username: str) -> str:
    return base64.b64encode(f"{username}:{token.reveal()}".encode()).decode("ascii")


def _proxy(given: Mapping[str, str]) -> dict[str, str]:
    """curl reads only the small `http_proxy`; other tools, and our users, also write it large."""
    large = given.get("HTTP_PROXY", "")
    inside_cgi = "REQUEST_METHOD" in given  # there HTTP_PROXY is a request's header
    return {"http_proxy": large} if large and not inside_cgi and "http_proxy" not in given else {}


def _ssh(access: Access, given: Mapping[str, str]) -> dict[str, str]:
    """The ssh command, unless the operator has set one and names no key here."""
    named = access.ssh_key is not None or access.known_hosts is not None
    if not named and ("GIT_SSH_COMMAND" in given or "GIT_SSH" in given):
        return {}
    words = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
    words += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ForwardAgent=no"]
    if access.ssh_key is not None:
        words += ["-i", str(access.ssh_key), "-o", "IdentitiesOnly=yes"]
    if access.known_hosts is not None:
        words += ["-o", f'UserKnownHostsFile="{access.known_hosts}"', "-o", "StrictHostKeyChecking=yes"]
    return {"GIT_SSH_COMMAND": shlex.join(words), "GIT_SSH_VARIANT": "ssh"}


def scrubbed(text: str, remote: Remote, access: Access) -> str:
    """Text of a server or of git as it may be shown: no secrets, no control characters."""
    if access.token is not None:
        for secret in (access.token.reveal(), _basic(access.token, remote.user or access.username)):
            text = text.replace(secret, "***") if secret else text
    text = re.sub(r"(?<=://)[^/\s]*@", "***@", text)
    text = re.sub(r"(?i)(authorization:\s*\w+\s+)\S+", r"\1***", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", " ", text)


def cautions(remote: Remote, access: Access) -> tuple[Note, ...]:
    """What the operator should know about this address although it works."""
    if remote.scheme == "http" and access.token is not None and not remote.is_loopback:
        detail = "the token travels unencrypted over http; use https where the server offers it"
        return (Note("plain-http", detail, repository=remote.url),)
    return ()
