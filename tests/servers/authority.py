"""A certificate authority of our own, and a server certificate for localhost."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Authority(NamedTuple):
    bundle: Path
    context: ssl.SSLContext


def make(folder: Path) -> Authority:
    _key(folder, "ca")
    _openssl(folder, "req -x509 -new -key ca.key -out ca.pem -days 2 -subj /CN=TestAuthority")
    _key(folder, "server")
    _openssl(folder, "req -new -key server.key -out server.csr -subj /CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
    _openssl(folder, f"x509 -req -in server.csr {signing} -out server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Authority(folder / "ca.pem", context)


def _key(folder: Path, name: str) -> None:
    _openssl(folder, f"ecparam -name prime256v1 -genkey -noout -out {name}.key")


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
