"""What GitHub publishes about its API, and whether an exchange keeps to it: both ways, every time."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from pathlib import Path

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from .serving import Answer, Asked

SPECS = Path(__file__).parents[2] / ".venv" / "specs"  # .ci/specs puts them there
_REST = "/api/v3"
_HOST = "https://api.github.com"


@cache
def published() -> OpenAPI:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about its next version
        found = json.loads((SPECS / "github.json").read_text())
        # What it gets wrong of itself: a check that runs has no conclusion yet.
        found["components"]["schemas"]["check-run"]["properties"]["conclusion"]["enum"].append(None)
        return OpenAPI.from_dict(found, config=Config(spec_validator_cls=None))


def check(asked: Asked, answer: Answer) -> None:
    """Raises where the request or the answer is not what GitHub's description allows."""
    if not asked.path.startswith(_REST) or answer.status in (401, 403) or answer.status >= 500:
        return  # what any path may be answered with is not repeated for each
    form = (asked.method, re.sub(r"[0-9a-f]{40}|\d+", "0", asked.path), asked.query_text, answer.status)
    seen = (*form, _form(asked.json), _form(answer.body))
    if seen in _FINE:
        return
    request = _Request(asked)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if answer.status not in (404, 422):
                published().validate_request(request)
            published().validate_response(request, _Response(answer))
    except OpenAPIError as error:
        where = f"{asked.method} {asked.path} -> {answer.status}"
        raise AssertionError(f"{where}: {_said(error)}") from error
    _FINE.add(seen)


_FINE: set[object] = set()  # forms of exchanges that were looked at already: it takes its time
_WORD = re.compile(r"[A-Za-z_-]{0,24}")


def _form(value: object) -> object:
    """Which keys there are, what types their values have, and every word that may be one of a few."""
    if isinstance(value, dict):
        return frozenset((key, _form(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return frozenset(_form(inner) for inner in value)
    return value if isinstance(value, str) and _WORD.fullmatch(value) else type(value)


def _said(error: BaseException) -> str:
    inner = error.__cause__ or error.__context__
    told = "; ".join(
        f"{list(each.path)}: {each.message[:300]}" for each in getattr(inner, "schema_errors", [])
    )
    return f"{type(error).__name__} {told or inner}"


class _Request:
    """As openapi-core wants to see one."""

    def __init__(self, asked: Asked) -> None:
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(asked.query), header=Headers({"Content-Type": "application/json"})
        )
        self.host_url = _HOST
        self.path = asked.path.removeprefix(_REST)
        self.full_url_pattern = _HOST + self.path
        self.method = asked.method.lower()
        self.body = asked.body or None
        self.content_type = "application/json"


class _Response:
    def __init__(self, answer: Answer) -> None:
        self.data = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.status_code = answer.status
        self.content_type = "application/json"
        self.headers = Headers({"Content-Type": "application/json"})
