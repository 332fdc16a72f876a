"""Git over smart HTTP: the real thing, `git http-backend`."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from .records import Protection, Right, Role

if TYPE_CHECKING:
    from .repository import Repository
    from .serving import Answer, Asked, Emulator

PATH = re.compile(r"/(?P<repository>.+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack|HEAD)")
HOOK = """#!/bin/sh
# Branches that this user may not push to, or not by force.
case " $EMULATOR_CLOSED " in *" $1 "*) echo "$1 is protected" >&2; exit 1 ;; esac
case " $EMULATOR_UNFORCED " in *" $1 "*)
  zero=0000000000000000000000000000000000000000
  [ "$3" = $zero ] && { echo "$1 is protected and can't be deleted" >&2; exit 1; }
  [ "$2" = $zero ] || git merge-base --is-ancestor "$2" "$3" || { echo "$1: no force pushes" >&2; exit 1; }
  ;;
esac
exit 0
"""


def claims(path: str) -> bool:
    return PATH.fullmatch(path) is not None


def serve(emulator: Emulator, asked: Asked) -> Answer:
    from .serving import Answer

    match = PATH.fullmatch(asked.path)
    repository = emulator.store.repositories.get(match["repository"])
    writes = "git-receive-pack" in (match["rest"], *asked.query.get("service", []))
    token = emulator.store.holder(asked.credential)
    if token is None and (writes or repository is None or repository.private):
        return Answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="git"'})
    if repository is None or not emulator.store.may(token, repository, Role.READ, Right.READ):
        return Answer(404, b"repository not found")
    if writes and not emulator.store.may(token, repository, Role.WRITE, Right.PUSH):
        return Answer(403, b"you may not push here")
    _hook(repository)
    role = repository.role(token.user) if token else Role.READ
    surroundings = {
        **_surroundings(repository, role),
        "REMOTE_USER": token.user.login if token else "",
        "REQUEST_METHOD": asked.method,
        "PATH_INFO": f"/{repository.bare.name}/{match['rest']}",
        "QUERY_STRING": asked.query_text,
        "CONTENT_TYPE": asked.headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
    }
    with emulator.store.turn:
        repository.settle()
    command = ["git", "http-backend"]
    ran = subprocess.run(command, input=asked.body, env=surroundings, capture_output=True, check=False)
    if writes and asked.method == "POST":
        with emulator.store.turn:
            repository.settle(token.user if token else None)
    head, _, content = ran.stdout.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    return Answer(int(lines.pop("Status", "200").split()[0]), content, lines)


def _surroundings(repository: Repository, role: Role) -> dict[str, str]:
    rules: dict[str, Protection] = repository.protected
    return {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(repository.bare.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(repository.bare.parent),
        "EMULATOR_CLOSED": " ".join(f"refs/heads/{name}" for name, rule in rules.items() if role < rule.push),
        "EMULATOR_UNFORCED": " ".join(f"refs/heads/{name}" for name, rule in rules.items() if not rule.force),
    }


def _hook(repository: Repository) -> None:
    hook = repository.bare / "hooks" / "update"
    if repository.protected and not hook.exists():
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
