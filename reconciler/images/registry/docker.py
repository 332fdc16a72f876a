"""Logins as docker keeps them: its config.json, pull secrets, and credential helpers."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from reconciler.errors import Misconfigured
from reconciler.images.reference import DOCKER_HUB
from reconciler.images.registry.logins import Login, login_of
from reconciler.model import Secret

_MOST: Final = 1 << 20
_SECONDS: Final = 20
_HELPER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HUB: Final = "https://index.docker.io/v1/"
_NOBODY: Final = "<token>"  # the user that a helper names for a token of an identity
_HUB_KEYS: Final = (_HUB, "index.docker.io", "docker.io", "registry-1.docker.io")


def from_config(path: Path, prefix: str) -> Login | None:
    """The login that the file has for these images: the longest name that fits, as the kubelet has it."""
    said = _read(path)
    host = prefix.partition("/")[0]
    helpers = said.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    if isinstance(helper, str):
        return from_helper(helper, host)
    listed = said.get("auths")
    logins = listed if isinstance(listed, dict) else {}
    names = [name for name in logins if _is_for(name, prefix)]
    for name in sorted(names, key=lambda name: (-len(_bare(name)), name)):
        found = _login(logins[name], path)
        if found is not None:
            return found
    store = said.get("credsStore")
    return from_helper(store, host) if isinstance(store, str) and store else None


def from_helper(name: str, host: str) -> Login | None:
    """What `docker-credential-NAME get` says; None when it knows nobody."""
    program = shutil.which(f"docker-credential-{name}") if _HELPER.fullmatch(name) else None
    if program is None:
        raise Misconfigured(
            "settings", f"docker-credential-{name[:80]}, the helper for {host}, is not on PATH."
        )
    address = _HUB if host == DOCKER_HUB else host
    try:
        ended = subprocess.run(  # noqa: S603 - a program of the operator's choice, and no shell
            [program, "get"], input=address.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(name, f"takes longer than {_SECONDS} seconds") from None
    except OSError as error:
        raise _failed(name, f"can't be run: {error.strerror}") from None
    if ended.returncode:
        if b"not found" in ended.stdout:  # that is how they say so
            return None
        raise _failed(name, f"fails for {host} (exit {ended.returncode})")
    said = _object(ended.stdout[:_MOST])
    user, secret = said.get("Username"), said.get("Secret")
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        raise _failed(name, "answers in a way that is no login")
    return Login("" if user == _NOBODY else user, Secret(secret))


def _failed(name: str, what: str) -> Misconfigured:
    return Misconfigured("settings", f"docker-credential-{name} {what}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as opened:
            raw = opened.read(_MOST + 1)
    except OSError as error:
        words = f"docker's configuration can't be read: {error.strerror or 'unknown error'}."
        raise Misconfigured("settings", words, path=str(path)) from None
    found = _object(raw)
    if not found and raw.strip() != b"{}":
        raise Misconfigured("settings", "it is no config.json of docker.", path=str(path))
    return found


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bare(name: str) -> str:
    """Old versions write whole addresses: https://registry.example.com/v1/."""
    if name in _HUB_KEYS:
        return DOCKER_HUB
    bare = name.removeprefix("https://").removeprefix("http://")
    return re.sub(r"/v[12]/?$", "", bare).rstrip("/")


def _is_for(name: str, prefix: str) -> bool:
    return f"{prefix}/".startswith(f"{_bare(name)}/")


def _login(said: Any, path: Path) -> Login | None:
    if not isinstance(said, dict):
        return None
    packed, token = said.get("auth"), said.get("identitytoken")
    if isinstance(token, str) and token:
        return Login("", Secret(token))
    if isinstance(packed, str) and packed:
        return _unpacked(packed, path)
    user, password = said.get("username"), said.get("password")
    if isinstance(user, str) and isinstance(password, str) and user and password:
        return Login(user, Secret(password))
    return None


def _unpacked(packed: str, path: Path) -> Login:
    try:
        return login_of(base64.b64decode(packed, validate=True).decode().rstrip("\0"))
    except (binascii.Error, ValueError):
        words = "a login in it is no user:password in base64."
        raise Misconfigured("settings", words, path=str(path)) from None
