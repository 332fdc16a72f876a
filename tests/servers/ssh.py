"""A real sshd on the loopback interface, for one user with one key."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class SshServer(NamedTuple):
    url: str  # ssh://user@127.0.0.1:port
    key: Path
    known_hosts: Path


def find_sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def start(folder: Path):
    """The running server and what ends it."""
    port = _free_port()
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    kind, key, _ = (folder / "host.pub").read_text().split(" ", 2)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "config").write_text(_config(folder, port))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([str(find_sshd()), "-D", "-e", "-f", str(folder / "config")], stderr=log)
    _wait_for(port, server, folder / "log")
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}"

    def stop() -> None:
        server.terminate()
        server.wait(10)

    return SshServer(url, folder / "user", folder / "known_hosts"), stop


def _config(folder: Path, port: int) -> str:
    return f"""\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder / "host"}
PidFile none
AuthorizedKeysFile {folder / "authorized"}
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if server.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    server.kill()
    server.wait()
    raise RuntimeError(f"sshd did not start: {log.read_text()}")
