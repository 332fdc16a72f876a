"""What a kustomization means by a name that leads off this repository, read as kustomize reads it."""

from __future__ import annotations

import posixpath
import re
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from reconciler.model import Reason, Refused

_FORCED: Final = re.compile(r"git::", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(https|http|ssh|file)://", re.IGNORECASE)
_FOREIGN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|:)")
_USER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)@")
_GITHUB: Final = re.compile(r"github\.com[/:]", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PATH: Final = re.compile(r"[^\s\x00-\x1f\x7f\\]*")
_REVISION: Final = re.compile(r"[A-Za-z0-9_@+][^\s\x00-\x1f\x7f~^:?*\[\\]{0,249}")
_MANIFEST: Final = re.compile(r"\.(?:ya?ml|json)", re.IGNORECASE)
_LONGEST: Final = 2_000
_SHOWN: Final = 120


class RemoteBase(NamedTuple):
    """A folder of a Git repository."""

    url: str
    folder: str
    revision: str  # "" is the default branch


class RemoteFile(NamedTuple):
    """One file of manifests on a web server."""

    url: str


Remote = RemoteBase | RemoteFile


def may_be_remote(name: str) -> bool:
    """Cheaply: whether it is worth a closer look."""
    return ":" in name or "@" in name or _GITHUB.match(name) is not None


def remote(name: str) -> Remote | Refused | None:
    """What lies elsewhere; None for a path of this repository."""
    if name.startswith("/") or "\n" in name:
        return None
    bare, _, query = name.partition("?")
    rest = bare[5:] if _FORCED.match(bare) else bare
    found = _SCHEME.match(rest)
    scheme = found[1].lower() if found else ""
    rest = rest[found.end() :] if found else rest
    if not scheme and _FOREIGN.match(rest):
        return _refused(name, "is no https, http or ssh address")
    user = _USER.match(rest)
    after = rest[user.end() :] if user else rest
    github = _GITHUB.match(after) is not None
    if not scheme and user is None and not github:
        return None
    if scheme == "file":
        return _refused(name, "leads to this machine")
    if len(name) > _LONGEST or not _PATH.fullmatch(name):
        return _refused(name, "has characters that no address has")
    return _parsed(name, _Parts(scheme, user[1] if user else "", after, github), query)


class _Parts(NamedTuple):
    scheme: str
    user: str
    rest: str  # host and path
    github: bool


def _parsed(name: str, parts: _Parts, query: str) -> Remote | Refused:
    rest = parts.rest
    at = rest.find("/")
    colon = rest.find(":")
    is_scp = not parts.scheme and colon > 0 and (at == -1 or colon < at)
    at = colon if is_scp else at
    host, path = rest[: max(at, 0)], rest[at + 1 :]
    if not _HOST.fullmatch(host):
        return _refused(name, "names no host, or holds a password")
    if not parts.scheme and not is_scp and not parts.github:
        return _refused(name, "would be a path of this machine to Git")
    revision = _revision(query)
    if revision and (not _REVISION.fullmatch(revision) or ".." in revision):
        return _refused(name, "names a revision that can be none")
    if parts.scheme in ("http", "https") and not revision and _is_file(path):
        return RemoteFile(f"{parts.scheme}://{host}/{path}{f'?{query}' if query else ''}")
    split = _split(path)
    if split is None:
        return _refused(name, "names no repository")
    repository, folder = split
    folder = posixpath.normpath(folder.strip("/") or ".")
    if folder.startswith("..") or "/../" in f"/{repository}/" or repository.startswith("-"):
        return _refused(name, "leads out of its repository")
    return RemoteBase(_address(parts, host, repository), "" if folder == "." else folder, revision)


def _address(parts: _Parts, host: str, repository: str) -> str:
    """As Git is given it. Whoever is to enter over http is known from the settings, not from here."""
    over_ssh = parts.scheme == "ssh" or (parts.user and not parts.scheme)
    if parts.github:
        return (
            f"git@github.com:{repository}" if over_ssh or parts.user else f"https://github.com/{repository}"
        )
    if not parts.scheme:
        return f"{parts.user}@{host}:{repository}"
    user = f"{parts.user}@" if over_ssh and parts.user else ""
    return f"{parts.scheme}://{user}{host}/{repository}"


def _split(path: str) -> tuple[str, str] | None:
    """The repository, and the folder in it: by `_git/`, by `//`, by `.git`, else after two names."""
    marked = path.find("_git/")
    if marked >= 0:
        name, _, folder = path[marked + 5 :].partition("/")
        return (f"{path[: marked + 5]}{name}", folder) if name else None
    if "//" in path:
        head, _, folder = path.partition("//")
        return (head, folder) if head else None
    suffix = path.find(".git")
    if suffix > 0:
        return path[: suffix + 4], path[suffix + 4 :]
    names = path.split("/")
    return ("/".join(names[:2]), "/".join(names[2:])) if len(names) >= 2 and all(names[:2]) else None


def _is_file(path: str) -> bool:
    """Whether it is fetched as it is. A repository's own marks say that it is none."""
    marked = "_git/" in path or "//" in path or ".git/" in path
    return not marked and _MANIFEST.fullmatch(posixpath.splitext(path)[1]) is not None


def _revision(query: str) -> str:
    try:
        found = parse_qs(query, max_num_fields=20)
    except ValueError:
        return ""
    return next((found[key][0] for key in ("ref", "version") if found.get(key)), "")


def shown(name: str) -> str:
    """Without a password or a token that stands in an address."""
    bare = re.sub(r"(?<=://)(?!git@)[^\s/@]+@", "***@", " ".join(name.split()))
    head, mark, query = bare.partition("?")
    revision = _revision(query)
    return repr((f"{head}?ref={revision}" if mark and revision else head)[:_SHOWN])


def _refused(name: str, why: str) -> Refused:
    return Refused(Reason.REMOTE_BASE, f"{shown(name)} {why}")
