"""Argo CD, only ever read: its list of Applications, and what it renders of each."""

from reconciler.argocd.client import Access, ArgoCD
from reconciler.argocd.servers import Servers

__all__ = ["Access", "ArgoCD", "Servers"]
