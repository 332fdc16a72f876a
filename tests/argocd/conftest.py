"""Argo CD's API on loopback, over HTTP and HTTPS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers import argocd_api
from servers.authority import Authority

TOKEN = "argo-t0ken-for-tests"


@pytest.fixture
def argo() -> Iterator[argocd_api.ArgoServer]:
    running, stop = argocd_api.start(TOKEN)
    yield running
    stop()


@pytest.fixture
def other_argo() -> Iterator[argocd_api.ArgoServer]:
    running, stop = argocd_api.start(TOKEN)
    yield running
    stop()


@pytest.fixture
def tls_argo(authority: Authority) -> Iterator[argocd_api.ArgoServer]:
    """With a certificate that only `authority.bundle` vouches for."""
    running, stop = argocd_api.start(TOKEN, host="localhost", tls=authority.context)
    yield running
    stop()
