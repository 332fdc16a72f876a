"""Runs one git command, bounded in time, and tells its failures in words of the user."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.errors import Problem
from reconciler.git.access import Access, environment, scrubbed, withheld
from reconciler.git.urls import Remote
from reconciler.model import Whose

OLDEST_GIT: Final = (2, 32)  # older ones ignore the configuration in the environment
_TIMED_OUT: Final = -1000
_GRACE: Final = 5  # seconds for git to remove its temporary files


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def timed_out(self) -> bool:
        return self.status == _TIMED_OUT


def git_version() -> tuple[int, ...]:
    """The version of the installed git; a Problem when there is none, or an unusable one."""
    command, missing = _git_python()
    try:
        found = tuple(command().version_info)
    except missing:
        raise Problem("git", "git can't be started: install Git 2.32 or newer, or correct PATH.") from None
    if found < OLDEST_GIT:
        have = ".".join(map(str, found))
        raise Problem("git", f"Git {have} is too old: install Git 2.32 or newer.")
    return found


def _git_python() -> tuple[type, type[Exception]]:
    """GitPython looks for git when it is imported; a machine without git learns it here, in words."""
    try:
        from git.cmd import Git
        from git.exc import GitCommandNotFound
    except ImportError as error:
        if "git" not in str(error).lower():
            raise
        raise Problem("git", "git is not found: install Git 2.32 or newer, or correct PATH.") from None
    return Git, GitCommandNotFound


def run(
    arguments: Sequence[str],
    remote: Remote,
    access: Access,
    *,
    folder: Path,
    hold: int | None = None,
) -> Ran:
    """One git command on the bare repository in `folder`.

    `hold` is a descriptor of a lock: the child keeps it too, so that a git that outlives a
    killed run is still waited for.
    """
    added = environment(remote, access, os.environ)
    command = ["git", f"--git-dir={folder}", *arguments]
    unset = [word for name in withheld(added, os.environ) for word in ("-u", name)]
    if unset:  # GitPython can add variables, not take them away
        command = ["env", *unset, *command]
    return _bounded(command, added, access.timeout, folder, hold)


def _bounded(
    command: Sequence[str], added: Mapping[str, str], timeout: int, folder: Path, hold: int | None
) -> Ran:
    wrapper, missing = _git_python()
    try:
        started = wrapper(folder).execute(
            list(command),
            as_process=True,
            shell=False,
            env=added,
            start_new_session=True,
            pass_fds=() if hold is None else (hold,),
        )
    except missing:
        raise Problem("git", "git can't be started: install Git 2.32 or newer, or correct PATH.") from None
    except OSError as error:
        text = f"git could not be started: {error.strerror or error}."
        raise Problem("git", text, whose=Whose.OURS) from None
    process: subprocess.Popen[bytes] = started.proc
    try:
        out, err = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        _end(process)
        out, err = process.communicate()
        status = _TIMED_OUT
    finally:
        _end(process)
    return Ran(status, out.decode(errors="replace"), err.decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and the transports it started: they share a process group of their own."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(_GRACE)


SHA256: Final = (
    "the repository has SHA-256 ids, which can't be read here: use one with SHA-1 ids, made with `git init "
    "--object-format=sha1`"
)


class _Meaning(NamedTuple):
    pattern: str
    whose: Whose
    words: str  # {host} {reason}


_REFUSED: Final = _Meaning(
    r"Authentication failed|could not read (Username|Password)|error: 401|HTTP 401"
    r"|Permission denied \(|Invalid username or|HTTP Basic: Access denied",
    Whose.YOURS,
    "{host} did not accept the credentials: check the forge's token, that it has not run out, and that "
    "it may read and write repositories (over SSH: the key).",
)
_NO_LOGIN: Final = (
    "{host} asks for a login, and nothing was shown to it: name its forge with a token under `forges` in the "
    "settings, by the address that the repository's begins with."
)

_MEANINGS: Final = (
    _Meaning(
        r"Host key verification failed",
        Whose.YOURS,
        "the SSH host key of {host} is not known: add it to a known_hosts file after checking it.",
    ),
    _Meaning(
        r"407 from proxy|HTTP code 407|error: 407",
        Whose.YOURS,
        "the proxy asks for credentials: put them into HTTPS_PROXY.",
    ),
    _Meaning(
        r"from proxy after CONNECT|CONNECT tunnel failed|resolve proxy|Proxy CONNECT",
        Whose.THEIRS,
        "the proxy could not connect to {host}: check HTTPS_PROXY and NO_PROXY ({reason}).",
    ),
    _REFUSED,
    _Meaning(
        r"error: 403|HTTP 403|Permission to .* denied|not allowed to push|insufficient permission for"
        r"|You are not allowed",
        Whose.YOURS,
        "{host} knows the credentials but forbids this: give the token write access to this repository "
        "({reason}).",
    ),
    _Meaning(
        r"unable to update url base from redirection|error: 30[12378]",
        Whose.YOURS,
        "{host} answers with a redirect, which is not followed so that the token stays where it belongs: "
        "write the repository's final address in settings (it often ends in .git).",
    ),
    _Meaning(
        r"SSL certificate|certificate verif|certificate problem|server certificate|unable to get local issuer"
        r"|CAfile|signer not found|error setting certificate",
        Whose.YOURS,
        "the certificate of {host} is not trusted: name the authority's file as caBundle ({reason}).",
    ),
    _Meaning(
        r"Could not resolve host|Name or service not known|Temporary failure in name resolution",
        Whose.THEIRS,
        "the name {host} is not found in DNS: check the address, or try again later.",
    ),
    _Meaning(
        r"Connection refused|Failed to connect|Couldn't connect|Connection timed out|No route to host"
        r"|Network is unreachable|Operation timed out|Connection reset|Empty reply",
        Whose.THEIRS,
        "{host} can't be reached: check the address, network policies and proxies, or try again later "
        "({reason}).",
    ),
    _Meaning(
        r"No space left on device|Disk quota exceeded",
        Whose.YOURS,
        "the disk is full: make room in the cache folder, or on the server ({reason}).",
    ),
    _Meaning(
        r"mismatched algorithms|unknown object format|extension found:\s*objectformat",
        Whose.YOURS,
        SHA256 + ".",
    ),
    _Meaning(
        r"dubious ownership|safe\.directory",
        Whose.YOURS,
        "the repository's folder belongs to another user, and git refuses that: run as its owner, or use a "
        "server's address.",
    ),
    _Meaning(
        r"not found|does not appear to be a git repository|error: 404|HTTP 404|does not exist"
        r"|No such file or directory|Could not read from remote repository",
        Whose.YOURS,
        "there is no such repository, or the credentials may not see it: check the address and the token's "
        "scope ({reason}).",
    ),
    _Meaning(
        r"error: 429|error: 5\d\d|HTTP 5\d\d|RPC failed|early EOF|unexpected disconnect|hung up unexpectedly"
        r"|transfer closed|Operation too slow",
        Whose.THEIRS,
        "{host} broke off: try again later ({reason}).",
    ),
)


def explained(doing: str, remote: Remote, access: Access, ran: Ran) -> Problem:
    """The failure of a git command as one sentence: whose fault, and what to do."""
    shown = remote.url
    host = remote.host or remote.path
    if ran.timed_out:
        text = f"{doing} took longer than {access.timeout} s and was stopped: {host} is slow; try later."
        return Problem(shown, text, whose=Whose.THEIRS, repository=shown)
    said = scrubbed(ran.err, remote, access)
    meaning = next((each for each in _MEANINGS if re.search(each.pattern, said, re.IGNORECASE)), None)
    if meaning is None:
        text = f"{doing} failed: {_reason(said) or f'git ended with status {ran.status}'}."
        return Problem(shown, text, whose=Whose.THEIRS, repository=shown)
    words = _NO_LOGIN if meaning is _REFUSED and _lacks_login(remote, access) else meaning.words
    words = words.format(host=host, reason=_reason(said))
    return Problem(shown, f"{doing} failed: {words}", whose=meaning.whose, repository=shown)


def _lacks_login(remote: Remote, access: Access) -> bool:
    return remote.scheme in ("http", "https") and access.token is None


_DAMAGE: Final = re.compile(
    r"corrupt|bad object|loose object|packfile|\bpack\b.*(bad|truncated)|unable to read|inflate|index file"
    r"|\.lock'|not a git repository:|missing (blob|tree|commit|necessary)|invalid sha1|not a valid object",
    re.IGNORECASE,
)


def may_be_damage(ran: Ran) -> bool:
    """Whether the copy on this machine may be the cause, so that it is worth making it anew."""
    if ran.timed_out:
        return False
    known = any(re.search(each.pattern, ran.err, re.IGNORECASE) for each in _MEANINGS)
    return not known or bool(_DAMAGE.search(ran.err))


def _reason(said: str) -> str:
    """The line in which git says why, without its prefix."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "remote: error:"))]
    chosen = (telling or lines or [""])[0]
    for prefix in ("remote:", "fatal:", "error:", "ERROR:"):
        chosen = chosen.removeprefix(prefix).strip()
    return chosen[:300].rstrip(".")
