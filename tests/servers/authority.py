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


class Client(NamedTuple):
    certificate: Path
    key: Path


def client(authority: Authority, folder: Path) -> Client:
    """A certificate of somebody that the authority vouches for."""
    home = authority.bundle.parent
    _key(folder, "client")
    _openssl(folder, "req -new -key client.key -out client.csr -subj /CN=Reader")
    signing = f"-CA {home / 'ca.pem'} -CAkey {home / 'ca.key'} -CAcreateserial -days 2"
    _openssl(folder, f"x509 -req -in client.csr {signing} -out client.pem")
    return Client(folder / "client.pem", folder / "client.key")


def wanting_certificates(authority: Authority) -> ssl.SSLContext:
    """A server of the authority's that speaks with nobody without a certificate."""
    home = authority.bundle.parent
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.pem", home / "server.key")
    context.load_verify_locations(authority.bundle)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _key(folder: Path, name: str) -> None:
    _openssl(folder, f"ecparam -name prime256v1 -genkey -noout -out {name}.key")


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
