"""Runs one program on one private folder: a bare environment, no network, and an end to everything.

Whatever a chart or a kustomization makes the program do, it ends in time, answers in bounded
memory, sees no file and no variable that is not its own, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.rendering.walls import Popen, Walls, apart, start

_CHUNK: Final = 1 << 16
_MOST_ERRORS: Final = 1 << 16
# Nobody answers there. (Programs written in Go go past a proxy to reach this machine itself, which
# is what the walls are for.)
_NOWHERE: Final = "http://127.0.0.1:9"
_NOT_EXECUTED: Final = (126, 127)
_UNSHARE_SAYS: Final = b"unshare: failed to execute "
_OUT_OF_MEMORY: Final = (
    b"out of memory",
    b"cannot allocate memory",
    b"stack exceeds",
    b"failed to create new OS thread",
)


class Limits(NamedTuple):
    """What one render may use."""

    seconds: float = 30.0
    output: int = 32 << 20  # bytes of manifests
    memory: int = 2 << 30
    file: int = 64 << 20  # of any file that the program writes


class Ran(NamedTuple):
    status: int
    out: bytes
    err: bytes  # the first of it


def run(
    words: Sequence[str], tree: Path, limits: Limits, walls: Walls, programs: Sequence[Path]
) -> Ran | Refused:
    """The program's answer, or why there is none. `programs` are all that may be started."""
    deadline = time.monotonic() + limits.seconds
    try:
        process = start(walls, tree, programs, lambda: _begin([*apart(walls), *words], tree, limits))
    except OSError as error:
        return _not_started(words[0], error)
    try:
        _limit(process.pid, limits)
        return _collect(process, limits, deadline)
    finally:
        _end(process)


def environment(tree: Path, limits: Limits) -> Mapping[str, str]:
    """All that the program knows of its surroundings: its own folder."""
    home = tree / "home"
    names = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / "config",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_DATA_HOME": home / "data",
        "HELM_CONFIG_HOME": home / "config",
        "HELM_CACHE_HOME": home / "cache",
        "HELM_DATA_HOME": home / "data",
        "HELM_PLUGINS": home / "no-plugins",
        "HELM_REGISTRY_CONFIG": home / "no-registries.json",
        "HELM_REPOSITORY_CONFIG": home / "no-repositories.yaml",
        "HELM_REPOSITORY_CACHE": home / "cache",
        "KUBECONFIG": home / "no-cluster",
        "TMPDIR": tree / "tmp",
        "PATH": tree / "bin",
    }
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
    # A render is over before most garbage is worth collecting; near the limit it is collected.
    memory = {"GOGC": "400", "GOMEMLIMIT": str(limits.memory * 3 // 4)}
    return {name: str(path) for name, path in names.items()} | proxies | memory | {"LC_ALL": "C"}


def _begin(words: Sequence[str], tree: Path, limits: Limits) -> Popen:
    return subprocess.Popen(  # noqa: S603 - no shell; the words are ours, the hostile ones are values of flags
        list(words),
        cwd=tree,
        env=dict(environment(tree, limits)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _not_started(program: str, error: OSError) -> Refused:
    if error.errno == errno.E2BIG:
        return Refused(Reason.RENDER_LIMIT, "its parameters are too long for a command")
    name = os.path.basename(program)
    return Refused(Reason.MISSING_TOOL, f"{name} can't be started: {error.strerror or error}")


def _limit(pid: int, limits: Limits) -> None:
    """Set from outside, just after the start, so that nothing has to run between fork and exec."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    seconds = int(limits.seconds * 2) + 1
    wanted = {
        resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_AS: limits.memory + (4 << 30),  # Go reserves far more than it uses
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_NOFILE: 512,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in wanted.items():
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            # Gone already; or the limits of this process are lower, and hold for its children, too.
            resource.prlimit(pid, what, (most, most))


def _collect(process: Popen, limits: Limits, deadline: float) -> Ran | Refused:
    """Both pipes, read as they fill, each with its own end."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                return _too_long(limits)
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.data is out:
                    out += chunk
                else:
                    err += chunk[: _MOST_ERRORS - len(err)]
            if len(out) > limits.output:
                return Refused(Reason.RENDER_LIMIT, f"it renders to more than {limits.output >> 20} MiB")
    try:
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return _too_long(limits)
    return _judged(Ran(status, bytes(out), bytes(err)), limits)


def _judged(ran: Ran, limits: Limits) -> Ran | Refused:
    if ran.status in _NOT_EXECUTED and ran.err.startswith(_UNSHARE_SAYS):
        program, _, why = ran.err.removeprefix(_UNSHARE_SAYS).decode("utf-8", "replace").partition(": ")
        return Refused(Reason.MISSING_TOOL, f"{os.path.basename(program)} can't be started: {why.strip()}")
    if ran.status == -signal.SIGXCPU or ran.status == -signal.SIGKILL:
        return _too_long(limits)
    if ran.status and any(words in ran.err for words in _OUT_OF_MEMORY):
        return Refused(
            Reason.RENDER_LIMIT, f"rendering it takes more than {limits.memory >> 20} MiB of memory"
        )
    return ran


def _too_long(limits: Limits) -> Refused:
    return Refused(Reason.RENDER_LIMIT, f"rendering it takes longer than {limits.seconds:g} s")


def _end(process: Popen) -> None:
    """The program and all that it started; nothing of a render outlives it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
