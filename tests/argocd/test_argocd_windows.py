"""Sync windows of an Application, as Argo CD's API tells them."""

from __future__ import annotations

import json

import pytest
from servers.argocd_api import ArgoServer

from reconciler.argocd import Access, ArgoCD, Servers
from reconciler.model import Reason, Refused, Secret

TOKEN = "argo-t0ken-for-tests"
NIGHT = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}
OFFICE = {"kind": "allow", "schedule": "0 9 * * 1-5", "duration": "8h"}
BY_HAND = {**NIGHT, "manualSync": True}


def app(name: str, namespace: str = "argocd", project: str = "default") -> dict:
    source = {"repoURL": "https://git.example.com/x", "path": name}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"project": project, "source": source},
    }


def client(argo: ArgoServer, token: str = TOKEN) -> ArgoCD:
    return ArgoCD(Access(argo.url, Secret(token)))


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ({"canSync": True}, ""),
        ({"canSync": True, "assignedWindows": [NIGHT]}, ""),
        ({"canSync": True, "assignedWindows": [OFFICE], "activeWindows": [OFFICE]}, ""),
        ({"canSync": False, "assignedWindows": [NIGHT], "activeWindows": [NIGHT]}, "denies syncs"),
        # canSync is about syncs by hand, which this window lets through
        ({"canSync": True, "assignedWindows": [BY_HAND], "activeWindows": [BY_HAND]}, "denies syncs"),
        (
            {"canSync": True, "assignedWindows": [{**OFFICE, "manualSync": True}]},
            "within `0 9 * * 1-5` for 8h",
        ),
        (
            {"canSync": False, "assignedWindows": [OFFICE, NIGHT], "activeWindows": [OFFICE, NIGHT]},
            "`0 22 * * *` for 8h denies",
        ),
        ({"canSync": False}, "can't be synced now"),
    ],
)
def test_what_is_merged_must_arrive_by_itself(argo: ArgoServer, windows: dict, expected: str) -> None:
    argo.applications, argo.windows = [app("web")], {"web": windows}
    said = client(argo).shut("web", "argocd", "default")
    assert isinstance(said, str)
    assert (expected in said) if expected else said == ""


def test_it_is_asked_with_namespace_and_project(argo: ArgoServer) -> None:
    argo.applications = [app("web", "team-a", "shop")]
    assert client(argo).shut("web", "team-a", "shop") == ""
    assert argo.asked[-1].query == {"appNamespace": ["team-a"], "project": ["shop"]}
    assert argo.asked[-1].path == "/api/v1/applications/web/syncwindows"


def test_an_application_that_it_does_not_know_has_no_windows_there(argo: ArgoServer) -> None:
    assert client(argo).shut("web", "argocd", "default") is None
    assert client(argo).shut("../../settings", "argocd", "default") is None
    assert len(argo.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"[]", b"null", b"{}", b"<html>", b'{"canSync": "yes"}', b'{"canSync": true, "activeWindows": {}}',
        b'{"canSync": true, "activeWindows": [1]}',
        b'{"canSync": true, "assignedWindows": [{"kind": {"a": 1}}]}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_no_permission(argo: ArgoServer, answer: bytes) -> None:
    argo.instead = lambda handler: handler.write(answer)  # type: ignore[attr-defined]
    said = client(argo).shut("web", "argocd", "default")
    assert isinstance(said, Refused)
    assert said.reason is Reason.SYNC_WINDOW
    assert "can't be asked whether it would sync" in said.detail


def test_words_of_a_window_stay_one_line(argo: ArgoServer) -> None:
    nasty = {"kind": "deny", "schedule": "\x1b[2J\n\n@all " + "x" * 5000, "duration": "1h"}
    body = json.dumps({"canSync": False, "activeWindows": [nasty]}).encode()
    argo.instead = lambda handler: handler.write(body)  # type: ignore[attr-defined]
    said = client(argo).shut("web", "argocd", "default")
    assert isinstance(said, str)
    assert said.isprintable()
    assert len(said) < 400


def test_a_wrong_token_is_no_permission_and_is_not_told(argo: ArgoServer) -> None:
    said = client(argo, "wr0ng-token").shut("web", "argocd", "default")
    assert isinstance(said, Refused)
    assert "wr0ng-token" not in said.detail


def test_each_server_is_asked_about_its_own(argo: ArgoServer, other_argo: ArgoServer) -> None:
    argo.applications, other_argo.applications = [app("web")], [app("api")]
    other_argo.windows = {"api": {"canSync": False, "activeWindows": [NIGHT]}}
    both = Servers([client(argo), client(other_argo)])
    assert both.shut("web", "argocd", "default") == ""
    assert "denies" in str(both.shut("api", "argocd", "default"))
    assert isinstance(both.shut("db", "argocd", "default"), Refused)
