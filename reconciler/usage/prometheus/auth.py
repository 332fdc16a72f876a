"""How we show who asks. Each request is signed anew, so that a token that rotates is read again."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, Final, Protocol

import requests
from requests.auth import AuthBase

from reconciler.errors import Misconfigured
from reconciler.model import Secret
from reconciler.usage.prometheus import sigv4

AskSecret = Callable[[], Secret]

_AZURE: Final = "https://prometheus.monitor.azure.com/.default"
_GOOGLE: Final = "https://www.googleapis.com/auth/monitoring.read"
_EARLY: Final = 120  # seconds before its end from which on a token is not used any more


class Auth(AuthBase):
    """Nobody, and what everybody can do. It is always set: without one, requests reads ~/.netrc."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._seen: tuple[str, ...] = ()

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r

    def renew(self) -> None:
        """The server did not take it: whatever is kept is asked for again."""

    def clean(self, text: str) -> str:
        """Words of others without what is secret."""
        for secret in self._seen:
            text = text.replace(secret, "***")
        return text

    def _remember(self, *secrets: str) -> None:
        """The last few: an answer may still repeat the one before."""
        with self._turn:
            fresh = tuple(each for each in secrets if each and each not in self._seen)
            self._seen = (*fresh, *self._seen)[:8]


class Bearer(Auth):
    """A token, asked for at each request."""

    def __init__(self, ask: AskSecret) -> None:
        super().__init__()
        self._ask = ask

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._ask().reveal()
        self._remember(token)
        r.headers["Authorization"] = f"Bearer {token}"
        return r


class Basic(Auth):
    """A user and a password."""

    def __init__(self, username: str, ask: AskSecret) -> None:
        super().__init__()
        self._username = username
        self._ask = ask

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        password = self._ask().reveal()
        pair = base64.b64encode(f"{self._username}:{password}".encode()).decode()
        self._remember(pair, password)
        r.headers["Authorization"] = f"Basic {pair}"
        return r


class WithHeaders(Auth):
    """Headers that hold a secret, beside another way to show who asks."""

    def __init__(self, headers: Mapping[str, AskSecret], beside: Auth | None = None) -> None:
        super().__init__()
        self._headers = dict(headers)
        self._beside = beside or Auth()

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        for name, ask in self._headers.items():
            secret = ask().reveal()
            self._remember(secret)
            r.headers[name] = secret
        self._beside(r)
        return r

    def renew(self) -> None:
        self._beside.renew()

    def clean(self, text: str) -> str:
        return self._beside.clean(super().clean(text))


def of(
    *,
    token: AskSecret | None = None,
    username: str | None = None,
    password: AskSecret | None = None,
    identity: str | None = None,
    region: str | None = None,
    headers: Mapping[str, AskSecret] | None = None,
) -> Auth | None:
    """What the settings say; None where nobody in particular asks. Misconfigured: an extra is missing."""
    found: Auth | None = None
    if identity == "aws":
        found = Amazon(region or "")
    elif identity is not None:
        found = {"google": Google, "azure": Azure}[identity]()
    elif username is not None and password is not None:
        found = Basic(username, password)
    elif token is not None:
        found = Bearer(token)
    return WithHeaders(headers, found) if headers else found


class _Kept(Auth):
    """A token that a cloud hands out for a while."""

    def __init__(self) -> None:
        super().__init__()
        self._token = ""
        self._ends = 0.0
        self._asking = threading.Lock()

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._asking:
            if not self._token or time.time() > self._ends - _EARLY:
                self._token, self._ends = self._fetch()
                self._remember(self._token)
            token = self._token
        r.headers["Authorization"] = f"Bearer {token}"
        return r

    def renew(self) -> None:
        with self._asking:
            self._token = ""

    def _fetch(self) -> tuple[str, float]:
        """A token, and the Unix time of its end."""
        raise AssertionError


class Google(_Kept):
    """The identity that Google's libraries find: a workload's, a service account's, a person's."""

    def __init__(self) -> None:
        super().__init__()
        try:
            import google.auth
            import google.auth.exceptions
            import google.auth.transport.requests
        except ImportError:
            raise _missing("google", "google-auth") from None
        self._google = google.auth
        self._credentials: Any = None

    def _fetch(self) -> tuple[str, float]:
        try:
            if self._credentials is None:
                self._credentials, _ = self._google.default(scopes=[_GOOGLE])
            self._credentials.refresh(self._google.transport.requests.Request())
        except self._google.exceptions.GoogleAuthError:
            raise _nobody("Google", "a workload identity or GOOGLE_APPLICATION_CREDENTIALS") from None
        expiry = self._credentials.expiry
        # Google writes it in UTC, without saying so.
        ends = time.time() + 600 if expiry is None else expiry.replace(tzinfo=UTC).timestamp()
        return str(self._credentials.token), ends


class Azure(_Kept):
    """The identity that Azure's libraries find: a workload's, a managed one, a person's."""

    def __init__(self) -> None:
        super().__init__()
        try:
            from azure.core.exceptions import ClientAuthenticationError
            from azure.identity import CredentialUnavailableError, DefaultAzureCredential
        except ImportError:
            raise _missing("azure", "azure-identity") from None
        self._failures = (ClientAuthenticationError, CredentialUnavailableError)
        self._make = DefaultAzureCredential
        self._credentials: Any = None

    def _fetch(self) -> tuple[str, float]:
        try:
            if self._credentials is None:
                self._credentials = self._make()
            found = self._credentials.get_token(_AZURE)
        except self._failures:
            raise _nobody("Azure", "a workload identity, or AZURE_CLIENT_ID and its kin") from None
        return str(found.token), float(found.expires_on)


class Keys(Protocol):
    """What botocore calls frozen credentials."""

    access_key: str
    secret_key: str
    token: str | None


class Amazon(Auth):
    """Requests signed as Amazon's services want them (SigV4)."""

    def __init__(
        self,
        region: str,
        service: str = "aps",
        find: Callable[[], Keys | None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._region = region
        self._service = service
        self._find = find or _botocore()
        self._now = now

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        keys = self._find()
        if keys is None:
            raise _nobody("Amazon", "a role for the pod, or AWS_ACCESS_KEY_ID and its kin")
        self._remember(keys.secret_key, keys.token or "")
        path, mark, query = (r.url or "").partition("?")
        r.url = path + mark + query.replace("+", "%20")  # Amazon takes a plus sign for what it is
        body = r.body.encode() if isinstance(r.body, str) else r.body if isinstance(r.body, bytes) else b""
        signed = sigv4.headers(
            sigv4.Question(r.method or "GET", r.url, body),
            sigv4.Signer(keys.access_key, keys.secret_key, keys.token, self._region, self._service),
            self._now(),
        )
        r.headers.update(signed)
        return r


def _botocore() -> Callable[[], Keys | None]:
    try:
        import botocore.session
    except ImportError:
        raise _missing("aws", "botocore") from None
    session: Any = botocore.session.Session()
    turn = threading.Lock()

    def find() -> Keys | None:
        with turn:
            found = session.get_credentials()
            keys: Keys | None = found.get_frozen_credentials() if found is not None else None
            return keys

    return find


def _missing(extra: str, package: str) -> Misconfigured:
    words = f"identity: {extra} needs {package}: install it with pip install 'reconciler[{extra}]'"
    return Misconfigured("settings", words)


def _nobody(cloud: str, ways: str) -> Misconfigured:
    return Misconfigured("settings", f"no identity for {cloud} is found here: give this program {ways}")
