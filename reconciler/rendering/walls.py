"""What of this system can be put between a renderer and the rest of it, beyond its own flags.

Two walls, each only where the kernel has it and neither needing any right:
Landlock, so that the program reads its own folder and system libraries and nothing else, and opens
no TCP connection; and a network namespace without any interface, so that it reaches no network at
all, not even this machine's own.

A Landlock domain belongs to the thread that asked for it, and to the processes that it starts. So
a thread of its own is made for every start: it locks itself in, starts the program and ends. The
rest of this process stays free, and nothing has to run between fork and exec.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

# The same numbers on every architecture.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_NO_NEW_PRIVILEGES: Final = 38
_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_FOLDER: Final = 1 << 3
# All rights on files that a version of Landlock knows, by that version; a later one adds to them.
_KNOWN: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_KNOWN_LATEST: Final = (1 << 16) - 1
_WITH_NETWORK: Final = 4
_BIND_AND_CONNECT: Final = 3

# What programs that are not linked statically need to start; nothing in there is anyone's secret.
_LIBRARIES: Final = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store",
    "/etc/ld.so.cache", "/etc/ld.so.conf",
)  # fmt: skip


Popen = subprocess.Popen[bytes]


class Walls(NamedTuple):
    """What was found on this machine."""

    landlock: int  # its version; 0: there is none
    unshare: str  # the program that makes a network namespace; "": there is none, or it may not

    @property
    def without_network(self) -> bool:
        """Whether the kernel itself keeps a renderer from TCP connections."""
        return bool(self.unshare) or self.landlock >= _WITH_NETWORK


NO_WALLS: Final = Walls(0, "")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def find_walls(search: str | None = None) -> Walls:
    """Which walls hold here, tried out; `search` is a PATH."""
    if not sys.platform.startswith("linux"):
        return NO_WALLS
    return Walls(_landlock_version(), _working_unshare(search))


def apart(walls: Walls) -> list[str]:
    """The words before a command that give it a network namespace of its own."""
    return [walls.unshare, "--user", "--net", "--ipc", "--"] if walls.unshare else []


def start(walls: Walls, tree: Path, programs: Sequence[Path], begin: Callable[[], Popen]) -> Popen:
    """What `begin` starts, locked in: it may write below `tree` and run `programs`."""
    if not walls.landlock:
        return begin()
    outcome: list[Popen | OSError] = []

    def locked() -> None:
        try:
            _lock_in(walls, tree, programs)
            outcome.append(begin())
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=locked, name="render")
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _landlock_version() -> int:
    return max(0, _system_call(_CREATE_RULESET, None, 0, 1))


def _working_unshare(search: str | None) -> str:
    found, harmless = shutil.which("unshare", path=search), shutil.which("true", path=search)
    if not found or not harmless:
        return ""
    words = [*apart(Walls(0, found)), harmless]
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found if done.returncode == 0 else ""


def _lock_in(walls: Walls, tree: Path, programs: Sequence[Path]) -> None:
    """Nothing of this thread comes out again."""
    known = _KNOWN.get(walls.landlock, _KNOWN_LATEST)
    ruleset = _Ruleset(known, _BIND_AND_CONNECT if walls.landlock >= _WITH_NETWORK else 0)
    size = ctypes.sizeof(ruleset) if ruleset.network else ctypes.sizeof(ctypes.c_uint64)
    handle = _checked(_system_call(_CREATE_RULESET, ctypes.byref(ruleset), size, 0))
    try:
        for path, rights in _allowed(walls, tree, programs, known):
            _allow(handle, path, rights & known)
        _checked(_system_call_prctl(_NO_NEW_PRIVILEGES, 1))
        _checked(_system_call(_RESTRICT_SELF, handle, 0))
    finally:
        os.close(handle)


def _allowed(walls: Walls, tree: Path, programs: Sequence[Path], known: int) -> list[tuple[str, int]]:
    run = [str(program) for program in programs] + ([walls.unshare] if walls.unshare else [])
    return [
        (str(tree), known & ~_EXECUTE),
        ("/dev/null", _READ_FILE | _WRITE_FILE),
        *((path, _EXECUTE | _READ_FILE) for path in run),
        *((path, _EXECUTE | _READ_FILE | _READ_FOLDER) for path in _LIBRARIES if os.path.exists(path)),
    ]


def _allow(ruleset: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= ~_READ_FOLDER
        rule = _Beneath(rights, handle)
        _checked(_system_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(handle)


def _system_call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return int(library.syscall(ctypes.c_long(number), *words))


def _system_call_prctl(option: int, value: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    return int(library.prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
