"""Logins that clouds hand out to whom they know: Amazon's ECR, Google's and Azure's registries.

Each cloud's own library finds who this program is; here is only what becomes of it.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from reconciler.errors import Misconfigured
from reconciler.images.registry.documents import mapping, moment, read_json
from reconciler.images.registry.endpoints import Pushed
from reconciler.images.registry.logins import Login, LoginOf, login_of
from reconciler.images.registry.wire import UnreachableError, Wire
from reconciler.model import Secret, Whose

_GOOGLE: Final = "https://www.googleapis.com/auth/devstorage.read_only"
GOOGLE_READS: Final = "https://www.googleapis.com/auth/cloud-platform.read-only"
_ARTIFACTS: Final = "https://artifactregistry.googleapis.com"
_AZURE: Final = "https://containerregistry.azure.net/.default"
_AZURE_USER: Final = "00000000-0000-0000-0000-000000000000"
_MOST: Final = 1 << 20
_KEPT: Final = 600  # seconds; all of them live for an hour at least


def kept(ask: LoginOf, clock: Callable[[], float] = time.monotonic) -> LoginOf:
    """Asked once in a while, however many images there are."""
    turn = threading.Lock()
    found: list[tuple[Login | None, float]] = []

    def login() -> Login | None:
        with turn:
            if not found or clock() > found[-1][1]:
                found[:] = [(ask(), clock() + _KEPT)]
            return found[-1][0]

    return login


def amazon(region: str, endpoint: str | None = None) -> Login:
    """ECR gives a password for twelve hours."""
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        raise _missing("aws", "botocore") from None
    session: Any = botocore.session.Session()
    try:
        client = session.create_client("ecr", region_name=region, endpoint_url=endpoint)
        said = client.get_authorization_token()
        packed = said["authorizationData"][0]["authorizationToken"]
        return login_of(base64.b64decode(packed).decode())
    except botocore.exceptions.NoCredentialsError:
        raise _nobody("Amazon", "a role for the pod, or AWS_ACCESS_KEY_ID and its kin") from None
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise UnreachableError(f"ECR gives no login: {type(error).__name__}", Whose.YOURS) from None
    except (KeyError, IndexError, TypeError, ValueError):
        raise UnreachableError("ECR answers in a way that is no login") from None


def google(scope: str = _GOOGLE) -> Login:
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests
    except ImportError:
        raise _missing("google", "google-auth") from None
    try:
        credentials, _ = google.auth.default(scopes=[scope])
        credentials.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.GoogleAuthError:
        raise _nobody("Google", "a workload identity or GOOGLE_APPLICATION_CREDENTIALS") from None
    return Login("oauth2accesstoken", Secret(str(credentials.token)))


def amazon_pushed(region: str, host: str, endpoint: str | None = None) -> Pushed:
    """ECR tells when an image was pushed to whoever may ask for `ecr:DescribeImages`."""
    account = host.partition(".")[0]
    asked = {"registryId": account} if account.isdigit() else {}

    @cache
    def client() -> Any:
        import botocore.session

        session: Any = botocore.session.Session()
        return session.create_client("ecr", region_name=region, endpoint_url=endpoint)

    def pushed(repository: str, tag: str, digest: str) -> int | None:
        import botocore.exceptions

        try:
            found = client().describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}], **asked)
            detail = found["imageDetails"][0]
            return int(detail["imagePushedAt"].timestamp()) if detail["imageDigest"] == digest else None
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UnreachableError(f"ECR tells no times: {type(error).__name__}", Whose.YOURS) from None
        except (KeyError, IndexError, TypeError, AttributeError):
            return None

    return pushed


def google_pushed(wire: Wire, host: str, login: LoginOf, api: str = _ARTIFACTS) -> Pushed:
    """Artifact Registry tells when an image was uploaded, at one host for all of its registries."""
    location = host.partition(".")[0].removesuffix("-docker")

    def pushed(repository: str, tag: str, digest: str) -> int | None:
        project, _, rest = repository.partition("/")
        mine, _, name = rest.partition("/")
        if not name or not host.endswith("-docker.pkg.dev"):
            return None
        path = f"/v1/projects/{project}/locations/{location}/repositories/{mine}/dockerImages/"
        url = f"{api}{path}{quote(f'{name}@{digest}', safe='@:')}"
        key = login()
        token = {"Authorization": f"Bearer {key.password.reveal()}"} if key is not None else {}
        answer = wire.ask("GET", url, token, _MOST)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise UnreachableError(f"Artifact Registry tells no times (it answers with {answer.status})")
        found = mapping(read_json(answer.body)).get("uploadTime")
        return moment(found) if isinstance(found, str) else None

    return pushed


def azure(wire: Wire, api: str, token: Callable[[], str] | None = None) -> Login:
    """A token of the directory is exchanged for one of the registry."""
    service = api.partition("//")[2].partition("/")[0]
    form = {"grant_type": "access_token", "service": service, "access_token": (token or _directory)()}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = wire.ask("POST", f"{api}/oauth2/exchange", kind, _MOST, urlencode(form).encode())
    try:
        said = json.loads(answer.body) if answer.status == 200 else {}
    except (ValueError, RecursionError):
        said = {}
    found = said.get("refresh_token") if isinstance(said, dict) else None
    if not isinstance(found, str) or not found:
        words = f"{service} takes no token of the directory (it answers with {answer.status})"
        raise UnreachableError(words, Whose.YOURS)
    return Login(_AZURE_USER, Secret(found))


def _directory() -> str:
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential
    except ImportError:
        raise _missing("azure", "azure-identity") from None
    try:
        return str(DefaultAzureCredential().get_token(_AZURE).token)
    except (ClientAuthenticationError, CredentialUnavailableError):
        raise _nobody("Azure", "a workload identity, or AZURE_CLIENT_ID and its kin") from None


def _missing(extra: str, package: str) -> Misconfigured:
    words = f"identity: {extra} needs {package}: install it with pip install 'reconciler[{extra}]'"
    return Misconfigured("settings", words)


def _nobody(cloud: str, ways: str) -> Misconfigured:
    return Misconfigured("settings", f"no identity for {cloud} is found here: give this program {ways}")
