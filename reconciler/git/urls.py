"""Addresses of repositories: which are accepted, and when two of them are the same place."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import Problem

_SCHEMES: Final = {"https": 443, "http": 80, "ssh": 22, "file": 0}
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]*::")  # `ext::sh -c ...` runs a program
_SCP: Final = re.compile(r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\s\[]+):(?P<path>.+)")
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]*@")


class Remote(NamedTuple):
    """An accepted address. `url` is what git is given; it carries no password."""

    url: str
    scheme: str  # https | http | ssh | file
    host: str
    port: int | None
    user: str
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_url(url: str) -> Remote:
    """The address, or a Problem that says why it is not accepted."""
    if not url or url.startswith("-") or re.search(r"[\x00-\x1f\x7f]", url):
        raise _refused(url, "it is empty, begins with '-' or holds control characters")
    if _HELPER.match(url):
        raise _refused(url, "'::' would have git run a program")
    if "://" in url:
        return _parse_full(url)
    scp = _SCP.fullmatch(url)
    if scp and "/" not in url.partition(":")[0]:
        return _checked(Remote(url, "ssh", _bare(scp["host"]).lower(), None, scp["user"] or "", scp["path"]))
    return Remote(os.path.abspath(url), "file", "", None, "", os.path.abspath(url))


def _parse_full(url: str) -> Remote:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(url, "its host or port can't be read") from None
    scheme = "ssh" if parts.scheme in ("git+ssh", "ssh+git") else parts.scheme
    if " " in url and scheme != "file":
        raise _refused(url, "it holds a space")
    if scheme not in _SCHEMES:
        raise _refused(url, f"{parts.scheme}:// is not among https, http, ssh and file")
    if parts.password is not None:
        raise _refused(url, "a password in an address ends up in logs; give a token to the forge instead")
    if parts.query or parts.fragment:
        raise _refused(url, "'?' and '#' have no place in it")
    if scheme == "file":
        return Remote(url, "file", "", None, "", parts.path)
    if not parts.hostname:
        raise _refused(url, "it names no host")
    user = parts.username or ""
    return _checked(Remote(_without_user(parts, scheme), scheme, parts.hostname, port, user, parts.path))


def _without_user(parts: SplitResult, scheme: str) -> str:
    """Over HTTP the user name goes into the header with the token; SSH needs it in the address."""
    place = parts.netloc if scheme == "ssh" else parts.netloc.rpartition("@")[2]
    return f"{scheme}://{place}{parts.path}"


def _checked(remote: Remote) -> Remote:
    if remote.host.startswith("-") or remote.user.startswith("-") or remote.path.lstrip("/").startswith("-"):
        raise _refused(remote.url, "a part of it begins with '-', which ssh would read as an option")
    return remote


def _bare(host: str) -> str:
    return host.strip("[]")


def _refused(url: str, why: str) -> Problem:
    shown = without_credentials(url)
    return Problem(
        shown,
        f"the repository address {shown!r} is not accepted: {why}. Write it as "
        "https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH or a path.",
        repository=shown,
    )


def without_credentials(url: str) -> str:
    """The address as it may be shown. A user name alone is kept where SSH needs it."""
    if url.startswith(("ssh://", "git+ssh://")):
        return re.sub(r"(?<=://)([^/@\s:]*):[^/\s]*@", r"\1@", url)
    return _CREDENTIALS.sub("", url)


def normalise_url(url: str) -> str:
    """A form that is equal for every way to write the address of one repository.

    `host/path` for a server, an absolute path for a folder. Never raises: what is no accepted
    address is equal only to itself.
    """
    try:
        remote = parse_url(without_credentials(url))
    except Problem:
        return without_credentials(url)
    path = remote.path.rstrip("/").removesuffix(".git").rstrip("/")
    if remote.scheme == "file":
        return os.path.realpath(path or "/")
    port = f":{remote.port}" if remote.port not in (None, _SCHEMES[remote.scheme]) else ""
    return f"{remote.host.lower()}{port}/{path.strip('/')}"
