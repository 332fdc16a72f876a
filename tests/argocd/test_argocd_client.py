"""What is asked of Argo CD, and what becomes of every kind of answer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from servers.argocd_api import ArgoServer
from servers.authority import Authority
from servers.git_http import command_lines
from servers.proxy import Proxy

from reconciler.argocd import Access, ArgoCD, Servers
from reconciler.errors import Misconfigured, Problem
from reconciler.model import Reason, Refused, Secret, Whose
from reconciler.source.applications import exported

TOKEN = "argo-t0ken-for-tests"


def app(name: str, namespace: str = "argocd", **spec: object) -> dict:
    metadata = {"name": name, "namespace": namespace, "annotations": {"a": "b"}, "uid": "1"}
    whole = {"project": "default", "source": {"repoURL": "https://git.example.com/x", "path": name}, **spec}
    return {"metadata": metadata, "spec": whole, "status": {"sync": {"status": "Synced"}}}


def client(argo: ArgoServer, token: str | None = TOKEN, **more: object) -> ArgoCD:
    return ArgoCD(Access(argo.url, Secret(token) if token else None, **more))


def refused(found: object) -> str:
    assert isinstance(found, Refused)
    assert found.reason is Reason.NOT_COMPARED
    assert TOKEN not in found.detail
    assert "\n" not in found.detail
    return found.detail


def trouble(server: ArgoCD) -> Problem:
    with pytest.raises(Problem) as caught:
        server.applications()
    assert TOKEN not in str(caught.value)
    return caught.value


# -- the list of Applications ----------------------------------------------------------------------


def test_the_list_is_what_argocd_app_list_prints(argo: ArgoServer) -> None:
    argo.applications = [app("web"), app("db", "team-a", project="data")]
    found = exported(Servers([client(argo)]).applications())
    assert isinstance(found, list)
    assert [each["metadata"]["name"] for each in found] == ["web", "db"]
    assert [each["spec"] for each in found] == [each["spec"] for each in argo.applications]
    assert found[1]["metadata"] == {"name": "db", "namespace": "team-a", "annotations": {"a": "b"}}
    assert "status" not in found[0]  # it is what makes lists large, and nobody reads it


def test_no_applications_are_an_empty_list(argo: ArgoServer) -> None:
    assert exported(Servers([client(argo)]).applications()) == []


def test_several_servers_are_one_list(argo: ArgoServer, other_argo: ArgoServer) -> None:
    argo.applications, other_argo.applications = [app("web")], [app("db")]
    found = exported(Servers([client(argo), client(other_argo)]).applications())
    assert isinstance(found, list)
    assert [each["metadata"]["name"] for each in found] == ["web", "db"]


def test_a_root_path_belongs_to_the_address(argo: ArgoServer) -> None:
    trouble(ArgoCD(Access(f"{argo.url}/argo/", Secret(TOKEN))))
    assert argo.asked[0].path == "/argo/api/v1/applications"


def test_a_list_that_is_none_is_a_failure(argo: ArgoServer) -> None:
    answers = [[], "x", {"items": {}}, {"items": [1]}, {"items": [{"metadata": {}, "spec": {}}]}, None]
    answers += [{"items": [{"metadata": {"name": "a"}}]}]
    for answer in answers:
        argo.instead = lambda handler, answer=answer: handler.write(json.dumps(answer).encode())
        assert trouble(client(argo)).failure.whose is Whose.THEIRS, answer


# -- what it renders -------------------------------------------------------------------------------


def test_the_manifests_of_an_application(argo: ArgoServer) -> None:
    argo.applications = [app("web", "team-a", project="shop")]
    argo.rendered = {"web": [{"kind": "Service"}, {"kind": "Deployment"}]}
    found = client(argo).manifests("web", "team-a", "shop", [(0, "abc")])
    assert found == ('{"kind":"Service"}', '{"kind":"Deployment"}')
    assert argo.asked[0].path == "/api/v1/applications/web/manifests"
    assert argo.asked[0].query == {"appNamespace": ["team-a"], "project": ["shop"], "revision": ["abc"]}


def test_each_of_several_sources_at_its_commit(argo: ArgoServer) -> None:
    argo.applications, argo.rendered = [app("web")], {"web": []}
    assert client(argo).manifests("web", "", "", [(1, "abc"), (3, "def")]) == ()
    assert argo.asked[0].query == {"sourcePositions": ["1", "3"], "revisions": ["abc", "def"]}


@pytest.mark.parametrize("name", ["../../session", "a/b", "a?x=1", "", "A", "a b", "x" * 300, "a\nb"])
def test_what_can_be_no_name_is_not_asked_for(argo: ArgoServer, name: str) -> None:
    assert "name" in refused(client(argo).manifests(name, "", ""))
    assert not argo.asked


@pytest.mark.parametrize("answer", [[], {"manifests": {"a": 1}}, {"manifests": [1]}, 3, "x", None])
def test_manifests_that_are_none(argo: ArgoServer, answer: object) -> None:
    argo.instead = lambda handler: handler.write(json.dumps(answer).encode())
    assert "no list of manifests" in refused(client(argo).manifests("web", "", ""))


def test_what_fails_to_render_is_told_in_argo_cds_words(argo: ArgoServer) -> None:
    argo.applications = [app("web")]
    words = refused(client(argo).manifests("web", "", "default"))
    assert "500: error generating manifests: helm template failed exit status 1" in words


def test_an_application_that_is_not_there(argo: ArgoServer) -> None:
    assert "404" in refused(client(argo).manifests("web", "argocd", "default"))
    assert "applications, get" in refused(client(argo).manifests("web", "argocd", ""))


def test_of_several_servers_the_one_that_has_it_is_asked(argo: ArgoServer, other_argo: ArgoServer) -> None:
    argo.applications = [app("web"), app("both"), app("near", "a")]
    other_argo.applications = [app("db"), app("both"), app("near", "b")]
    argo.rendered = other_argo.rendered = {"db": [{"kind": "Service"}], "near": []}
    servers = Servers([client(argo), client(other_argo)])
    assert servers.manifests("db", "", "default") == ('{"kind":"Service"}',)
    assert "several" in refused(servers.manifests("both", "argocd", "default"))
    assert "no Argo CD server" in refused(servers.manifests("gone", "argocd", "default"))
    assert servers.manifests("near", "b", "default") == ()
    assert [len([one for one in each.asked if "fields" in one.query]) for each in (argo, other_argo)] == [
        1,
        1,
    ]


# -- tokens ----------------------------------------------------------------------------------------


def test_the_token_goes_into_a_header_and_nowhere_else(argo: ArgoServer) -> None:
    client(argo).applications()
    assert argo.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in argo.asked[0].line
    assert TOKEN.encode() not in command_lines()


def test_a_wrong_token_or_none(argo: ArgoServer) -> None:
    for token, words in (("other", "does not take the token"), (None, "wants a token")):
        found = trouble(client(argo, token)).failure
        assert (found.whose, words in found.error) == (Whose.YOURS, True)
        assert words in refused(client(argo, token).manifests("web", "", ""))


def test_a_redirect_is_not_followed(argo: ArgoServer, other_argo: ArgoServer) -> None:
    def redirect(handler) -> None:
        handler.send_response(307)
        handler.send_header("Location", f"{other_argo.url}{handler.path}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    argo.instead = redirect
    found = trouble(client(argo)).failure
    assert f"leads on to {other_argo.url}/api/v1/applications:" in found.error
    assert not other_argo.asked


def test_words_of_the_server_hold_no_secret_and_nothing_for_a_terminal(argo: ArgoServer) -> None:
    message = f"bad {TOKEN}\x1b[31m\nhttps://me:pass@git.example.com/x failed\u202e" + "x" * 5000
    body = json.dumps({"error": message, "code": 2, "message": message}).encode()
    argo.instead = lambda handler: handler.write(body, 500)
    words = refused(client(argo).manifests("web", "", ""))
    assert "bad *** [31m https://***@git.example.com/x failed" in words
    assert len(words) < 600


def test_a_token_over_plain_http_is_worth_a_caution(argo: ArgoServer) -> None:
    assert client(argo).cautions() == ()  # this machine itself
    assert ArgoCD(Access("https://argocd.example.com", Secret(TOKEN))).cautions() == ()
    (note,) = Servers([ArgoCD(Access("http://argocd.example.com", Secret(TOKEN)))]).cautions()
    assert note.what == "plain-http"


# -- the way there ---------------------------------------------------------------------------------


def test_https_with_the_bundle_of_the_settings(tls_argo: ArgoServer, authority: Authority) -> None:
    tls_argo.applications = [app("web")]
    assert len(client(tls_argo, ca_bundle=authority.bundle).applications()) == 1


def test_a_certificate_that_nobody_vouches_for(tls_argo: ArgoServer) -> None:
    assert "certificate" in trouble(client(tls_argo)).failure.error
    assert not tls_argo.asked


def test_a_bundle_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("bad.pem", "gone.pem"):
        with pytest.raises(Misconfigured, match="CA bundle"):
            ArgoCD(Access("https://argocd.example.com", ca_bundle=tmp_path / name))


def test_through_a_proxy(tls_argo: ArgoServer, authority: Authority, proxy_server: Proxy) -> None:
    client(tls_argo, ca_bundle=authority.bundle, proxy=proxy_server.url).applications()
    assert proxy_server.asked == [f"CONNECT {tls_argo.url.removeprefix('https://')}"]
    assert all("authorization" not in headers for headers in proxy_server.headers)


def test_no_proxy_holds(argo: ArgoServer, proxy_server: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client(argo, proxy=proxy_server.url).applications()
    assert not proxy_server.asked


# -- servers that misbehave ------------------------------------------------------------------------


def test_nobody_there_is_their_fault_and_asked_only_three_times(argo: ArgoServer) -> None:
    argo.instead = lambda handler: handler.connection.close()
    server = client(argo)
    assert trouble(server).failure.whose is Whose.THEIRS
    asked = len(argo.asked)
    for _ in range(5):
        refused(server.manifests("web", "", ""))
    assert len(argo.asked) == asked + 3


def test_an_answer_in_between_starts_the_count_anew(argo: ArgoServer) -> None:
    server = client(argo)
    for _ in range(3):
        argo.instead = lambda handler: handler.connection.close()
        refused(server.manifests("web", "", ""))
        argo.instead = lambda handler: handler.write(b"{}")
        assert server.manifests("web", "", "") == ()


def test_a_web_page_instead_of_json(argo: ArgoServer) -> None:
    argo.instead = lambda handler: handler.write(b"<!doctype html><html>", kind="text/html")
    assert "web page" in trouble(client(argo)).failure.error


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"items": [' + b"1" * 5000])
def test_what_is_no_json(argo: ArgoServer, body: bytes) -> None:
    argo.instead = lambda handler: handler.write(body)
    assert "no JSON" in trouble(client(argo)).failure.error


def _head(handler, *lines: str) -> None:
    handler.close_connection = True
    handler.wfile.write("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode())


def test_an_answer_that_breaks_off(argo: ArgoServer) -> None:
    def broken(handler) -> None:
        _head(handler, "Content-Length: 100")
        handler.wfile.write(b'{"items": []}')

    argo.instead = broken
    assert "breaks off" in trouble(client(argo)).failure.error


def test_more_than_anyone_should_send(argo: ArgoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.argocd.client._MOST_MANIFESTS", 1 << 20)

    def endless(handler) -> None:
        _head(handler)
        for _ in range(200):
            handler.wfile.write(b" " * 65536)

    argo.instead = endless
    assert "more than 1 MiB" in refused(client(argo).manifests("web", "", ""))


@pytest.mark.parametrize("part", ["nothing", "headers", "body"])
def test_a_slow_server_is_cut_off(argo: ArgoServer, part: str) -> None:
    """A byte every now and then is in time by the clock of any socket."""

    def slow(handler) -> None:
        if part == "body":
            _head(handler, "Content-Length: 1000")
        elif part == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(40):
            time.sleep(0.05)
            if part != "nothing":
                handler.wfile.write(b" ")
                handler.wfile.flush()

    argo.instead = slow
    began = time.monotonic()
    assert "takes too long" in refused(client(argo, seconds=0.3).manifests("web", "", ""))
    assert time.monotonic() - began < 1.5


def test_statuses_say_whose_it_is(argo: ArgoServer) -> None:
    for status, whose in ((400, Whose.YOURS), (404, Whose.YOURS), (429, Whose.THEIRS), (503, Whose.THEIRS)):
        argo.instead = lambda handler, status=status: handler.write(b"upstream", status, "text/plain")
        found = trouble(client(argo)).failure
        assert (found.whose, str(status) in found.error) == (whose, True)
