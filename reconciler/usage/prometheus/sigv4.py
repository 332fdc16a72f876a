"""Signature Version 4 of Amazon's services, for one request."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Question(NamedTuple):
    method: str
    url: str
    body: bytes


class Signer(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None
    region: str
    service: str


def headers(question: Question, signer: Signer, now: float) -> dict[str, str]:
    """What is to be added to the request. The host, the time and the token are signed with it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = {"host": _host(question.url), "x-amz-date": stamp}
    if signer.token:
        signed["x-amz-security-token"] = signer.token
    scope = f"{stamp[:8]}/{signer.region}/{signer.service}/aws4_request"
    names = ";".join(sorted(signed))
    told = _hash(_canonical(question, signed, names).encode())
    text = "\n".join((_ALGORITHM, stamp, scope, told))
    signature = hmac.new(_key(signer, stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"{_ALGORITHM} Credential={signer.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    sent = {"X-Amz-Date": stamp, "Authorization": authorization}
    return sent | ({"X-Amz-Security-Token": signer.token} if signer.token else {})


def _canonical(question: Question, signed: dict[str, str], names: str) -> str:
    parts = urlsplit(question.url)
    # All services but S3 want the path as it is sent encoded once more.
    path = quote(quote(unquote(parts.path or "/"), safe="/-_.~"), safe="/-_.~")
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    lines = [f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "\n".join((question.method, path, query, *lines, "", names, _hash(question.body)))


def _host(url: str) -> str:
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}[parts.scheme]
    return (parts.hostname or "") + (f":{parts.port}" if parts.port not in (None, usual) else "")


def _key(signer: Signer, day: str) -> bytes:
    key = f"AWS4{signer.secret_key}".encode()
    for word in (day, signer.region, signer.service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
