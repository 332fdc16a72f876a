"""Signatures of commits, made by ssh-keygen or gpg as git itself would have them made."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.errors import Problem
from reconciler.model import Whose

_PATIENCE: Final = 60
_KINDS: Final = ("ssh", "gpg")


class Signing(NamedTuple):
    """Which key signs. `key` is a file (ssh: private, or public with an agent) or a GPG key id."""

    kind: str  # ssh | gpg
    key: str
    gpg_home: Path | None = None


def sign(content: str, signing: Signing) -> str:
    """The armoured signature of a commit's text."""
    if signing.kind not in _KINDS:
        raise Problem("signing", f"commits can be signed with ssh or gpg, not with {signing.kind!r}.")
    if not signing.key or signing.key.startswith("-"):
        raise Problem("signing", f"{signing.key!r} can't be a signing key: name a key file or a GPG key id.")
    command = _ssh(signing) if signing.kind == "ssh" else _gpg(signing)
    try:
        ran = subprocess.run(  # noqa: S603  # an argument list, and the key can't be an option
            command,
            input=content.encode(),
            capture_output=True,
            timeout=_PATIENCE,
            start_new_session=True,  # no terminal to ask for a passphrase on
            check=False,
        )
    except FileNotFoundError:
        raise _failed(signing, f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise _failed(signing, f"{command[0]} did not answer within {_PATIENCE} s") from None
    if ran.returncode != 0 or b"-----BEGIN" not in ran.stdout:
        said = " ".join(ran.stderr.decode(errors="replace").split())
        raise _failed(signing, said[:300] or f"{command[0]} ended with status {ran.returncode}")
    return ran.stdout.decode("ascii")


def _ssh(signing: Signing) -> list[str]:
    return ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", signing.key]


def _gpg(signing: Signing) -> list[str]:
    home = ["--homedir", str(signing.gpg_home)] if signing.gpg_home else []
    return ["gpg", *home, "--batch", "--no-tty", "--armor", "--local-user", signing.key, "--detach-sign"]


def _failed(signing: Signing, why: str) -> Problem:
    return Problem(
        "signing",
        f"the commit can't be signed: {why}. Check that the key {signing.key!r} exists, is readable and has "
        "no passphrase (or is held by an agent).",
        whose=Whose.YOURS,
    )
