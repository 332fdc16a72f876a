"""Who asks a metrics server, and that nobody else learns the secret."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64decode
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import sick as server
from servers.sick import Handler, Sick, fails, says, vector

from reconciler.config.tokens import TokenSource
from reconciler.errors import Misconfigured
from reconciler.model import Secret, Whose
from reconciler.usage.prometheus import auth, sigv4
from reconciler.usage.prometheus.wire import Access, Kind, UnansweredError, Wire

NOW = 1_700_000_000
ONE = says(vector(({}, NOW, "1")))
TOKEN = "t0ken-for-metrics"


@pytest.fixture
def sick() -> Iterator[Sick]:
    running, stop = server.start()
    yield running
    stop()


@pytest.fixture
def cloud() -> Iterator[Sick]:
    running, stop = server.start()
    yield running
    stop()


@pytest.fixture(autouse=True)
def _nobody_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NETRC",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "IDENTITY_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def wire(sick: Sick, who: auth.Auth | None, **how: object) -> Wire:
    return Wire(Access(sick.url, who, **{"seconds": 20.0, **how}), lambda _: None)


def wants(header: str, value: str, name: str = "authorization"):
    def way(handler: Handler) -> None:
        known = handler.asked.headers.get(name) == header
        (ONE if known else fails(401, f"who is {handler.asked.headers.get(name)}?", value))(handler)

    return way


def authorization(sick: Sick) -> list[str | None]:
    return [each.headers.get("authorization") for each in sick.asked]


# -- tokens and passwords --------------------------------------------------------------------------


def test_a_token_that_rotates_is_read_again(sick: Sick, tmp_path: Path):
    file = tmp_path / "token"
    source = TokenSource(file, None)
    asked = wire(sick, auth.of(token=lambda: source.read({})))
    sick.does(ONE)
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        asked.instant("up", NOW)
    assert authorization(sick) == ["Bearer first", "Bearer second"]


def test_a_token_is_asked_for_once_more_when_it_is_refused(sick: Sick):
    tokens = iter(["old", "new", "newer"])
    asked = wire(sick, auth.of(token=lambda: Secret(next(tokens))))
    sick.does(wants("Bearer new", ""))
    assert len(asked.instant("up", NOW).values) == 1
    assert authorization(sick) == ["Bearer old", "Bearer new"]


def test_a_token_that_stays_refused_is_told_without_the_token(sick: Sick):
    asked = wire(sick, auth.of(token=lambda: Secret(TOKEN)))
    sick.does(wants("Bearer another", ""))
    with pytest.raises(UnansweredError) as caught:
        asked.instant("up", NOW)
    assert (caught.value.kind, caught.value.whose) == (Kind.DENIED, Whose.YOURS)
    assert "who is Bearer ***?; name a valid token" in caught.value.words
    assert len(sick.asked) == 2
    for told in (caught.value.words, repr(caught.value), repr(asked), repr(caught.value.__context__)):
        assert TOKEN not in told
    assert all(TOKEN not in each.line for each in sick.asked)


def test_a_token_that_can_not_be_read_is_told(sick: Sick, tmp_path: Path):
    source = TokenSource(tmp_path / "missing", None)
    with pytest.raises(UnansweredError, match="can't be asked: the token file") as caught:
        wire(sick, auth.of(token=lambda: source.read({}))).instant("up", NOW)
    assert caught.value.kind is Kind.DENIED
    assert not sick.asked


def test_what_a_server_repeats_of_a_secret_is_left_out_everywhere(sick: Sick):
    asked = wire(sick, auth.of(username="me", password=lambda: Secret("pässword"),
                               headers={"X-Key": lambda: Secret("k3y-of-ours")}))  # fmt: skip
    sick.does(fails(400, "pässword k3y-of-ours"), says(vector(warnings=["pässword k3y-of-ours"])))
    for _ in range(2):
        with pytest.raises(UnansweredError, match=r"\*\*\* \*\*\*"):
            asked.instant("up", NOW)


def test_a_user_with_a_password(sick: Sick):
    sick.does(ONE)
    wire(sick, auth.of(username="me", password=lambda: Secret("pä:ss"))).instant("up", NOW)
    kind, _, pair = (authorization(sick)[0] or "").partition(" ")
    assert (kind, b64decode(pair).decode()) == ("Basic", "me:pä:ss")


def test_headers_beside_a_token(sick: Sick):
    sick.does(ONE)
    who = auth.of(token=lambda: Secret(TOKEN), headers={"X-Key": lambda: Secret("abc")})
    asked = wire(sick, who, headers={"X-Scope-OrgID": "b"})
    asked.instant("up", NOW)
    seen = sick.asked[0].headers
    assert (seen["x-key"], seen["x-scope-orgid"], seen["authorization"]) == ("abc", "b", f"Bearer {TOKEN}")
    sick.does(says({"status": "success", "data": []}))
    asked.labels("job")
    assert (sick.asked[1].headers["x-key"], sick.asked[1].headers["authorization"]) == (
        "abc",
        f"Bearer {TOKEN}",
    )


@pytest.mark.parametrize("who", [None, auth.Bearer(lambda: Secret(TOKEN))])
def test_what_lies_in_netrc_is_nobodys_business(sick: Sick, tmp_path: Path, who):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password s3cret\ndefault login a password b\n")
    netrc.chmod(0o600)
    sick.does(ONE, says({"status": "success", "data": []}))
    asked = wire(sick, who)
    asked.instant("up", NOW)
    asked.labels("job")
    assert authorization(sick) == [f"Bearer {TOKEN}" if who else None] * 2


def test_a_token_does_not_follow_a_redirect(sick: Sick, cloud: Sick):
    sick.does(says("", 307, Location=f"{cloud.url}/api/v1/query"))
    asked = wire(sick, auth.of(token=lambda: Secret(TOKEN)))
    with pytest.raises(UnansweredError, match="leads on to"):
        asked.instant("up", NOW)
    with pytest.raises(UnansweredError, match="leads on to"):
        asked.labels("job")
    assert not cloud.asked


def test_a_login_over_plain_http_is_mentioned():
    def notes(url: str, who: auth.Auth | None) -> int:
        return len(Wire(Access(url, who)).cautions())

    who = auth.Bearer(lambda: Secret(TOKEN))
    assert notes("http://m.example.com", who) == 1
    assert [notes(url, who) for url in ("https://m.example.com", "http://localhost:1")] == [0, 0]
    assert notes("http://m.example.com", None) == 0


def test_nobody_in_particular():
    assert auth.of() is None


# -- Amazon ----------------------------------------------------------------------------------------

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
DOCUMENTED = 1_440_938_160  # 2015-08-30 12:36:00 UTC


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)  # fmt: skip
def test_signatures_are_those_that_amazon_documents(method, path, signature):
    question = sigv4.Question(method, f"https://example.amazonaws.com{path}", b"")
    found = sigv4.headers(question, sigv4.Signer(*KEYS, None, "us-east-1", "service"), DOCUMENTED)
    assert found == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                         f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=12), max_size=4),
    st.binary(max_size=40),
    st.one_of(st.none(), st.just("session-token")),
    st.sampled_from(["", ":8443"]),
)
def test_signatures_are_those_of_amazons_own_library(parameters, body, token, port):
    query = urlencode(parameters).replace("+", "%20")
    url = f"https://aps.example.com{port}/workspaces/ws-1/api/v1/query" + (f"?{query}" if query else "")
    theirs = AWSRequest("POST", url, data=body)
    SigV4Auth(Credentials(*KEYS, token), "aps", "eu-central-1").add_auth(theirs)
    when = time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    seconds = timegm(when)
    signer = sigv4.Signer(*KEYS, token, "eu-central-1", "aps")
    ours = sigv4.headers(sigv4.Question("POST", url, body), signer, seconds)
    assert ours == {name: theirs.headers[name] for name in ours}


def test_amazons_identity_is_found_and_signs(sick: Sick, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")
    sick.does(ONE, says({"status": "success", "data": []}))
    asked = wire(sick, auth.of(identity="aws", region="eu-central-1"))
    asked.instant("up", NOW)
    asked.labels("job", ['up{a="b c"}'])
    for seen in sick.asked:
        day = time.strftime("%Y%m%d", time.gmtime())
        wanted = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{day}/eu-central-1/aps/aws4_request, "
        assert seen.headers["authorization"].startswith(wanted)
        assert seen.headers["x-amz-security-token"] == "a-session"
    assert "+" not in sick.asked[1].line


def test_without_an_identity_nothing_is_asked(sick: Sick):
    asked = wire(sick, auth.of(identity="aws", region="eu-central-1"))
    with pytest.raises(UnansweredError, match="no identity for Amazon is found here") as caught:
        asked.instant("up", NOW)
    assert caught.value.kind is Kind.DENIED
    assert not sick.asked


# -- Google and Azure ------------------------------------------------------------------------------


def token_says(*tokens: str, seconds: int = 3600):
    left = list(tokens)

    def way(handler: Handler) -> None:
        token = left.pop(0) if len(left) > 1 else left[0]
        found = {"access_token": token, "token_type": "Bearer", "expires_in": seconds,
                 "expires_on": str(int(time.time()) + seconds), "resource": "x"}  # fmt: skip
        says(found)(handler)

    return way


@pytest.fixture
def google(cloud: Sick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sick:
    """A service account whose tokens come from here."""
    key = tmp_path / "account.key"
    words = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)]
    subprocess.run(words, check=True, capture_output=True)
    account = {"type": "service_account", "client_email": "a@b", "private_key": key.read_text(),
               "private_key_id": "1", "project_id": "p", "token_uri": f"{cloud.url}/token"}  # fmt: skip
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    return cloud


@pytest.fixture
def azure(cloud: Sick, monkeypatch: pytest.MonkeyPatch) -> Sick:
    """A managed identity whose tokens come from here."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "known")
    return cloud


@pytest.mark.parametrize("name", ["google", "azure"])
def test_a_clouds_token_is_kept_until_it_is_refused(sick: Sick, name, request: pytest.FixtureRequest):
    cloud = request.getfixturevalue(name)
    cloud.does(token_says("first", "second"))
    asked = wire(sick, auth.of(identity=name))
    sick.does(ONE)
    asked.instant("up", NOW)
    asked.instant("up", NOW)
    assert authorization(sick) == ["Bearer first"] * 2
    before = len(cloud.asked)
    if name == "google":  # Azure's library keeps a token for as long as Azure said
        sick.does(wants("Bearer second", ""))
        asked.instant("up", NOW)
        assert authorization(sick)[2:] == ["Bearer first", "Bearer second"]
        assert len(cloud.asked) == before + 1


def test_google_is_asked_for_no_more_than_reading(sick: Sick, google: Sick):
    google.does(token_says("a"))
    sick.does(ONE)
    wire(sick, auth.of(identity="google")).instant("up", NOW)
    claims = google.asked[0].form["assertion"][0].split(".")[1]
    scope = json.loads(b64decode(claims + "=="))["scope"]
    assert scope == "https://www.googleapis.com/auth/monitoring.read"


def test_azure_is_asked_for_the_metrics_audience(sick: Sick, azure: Sick):
    azure.does(token_says("a"))
    sick.does(ONE)
    wire(sick, auth.of(identity="azure")).instant("up", NOW)
    assert azure.asked[-1].form["resource"] == ["https://prometheus.monitor.azure.com"]


def test_a_token_near_its_end_is_not_used_any_more(sick: Sick, google: Sick):
    google.does(token_says("first", "second", seconds=60))
    asked = wire(sick, auth.of(identity="google"))
    sick.does(ONE)
    asked.instant("up", NOW)
    asked.instant("up", NOW)
    assert authorization(sick) == ["Bearer first", "Bearer second"]


def test_a_cloud_that_gives_no_token_is_told(sick: Sick, google: Sick):
    google.does(says({"error": "invalid_grant"}, 400))
    with pytest.raises(UnansweredError, match="no identity for Google is found here") as caught:
        wire(sick, auth.of(identity="google")).instant("up", NOW)
    assert caught.value.kind is Kind.DENIED


@pytest.mark.parametrize(
    ("identity", "module"),
    [("google", "google.auth"), ("azure", "azure.identity"), ("aws", "botocore.session")],
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, identity, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Misconfigured, match=rf"pip install 'reconciler\[{identity}\]'"):
        auth.of(identity=identity, region="a")
