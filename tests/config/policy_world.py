"""Policies as text, and a workload that they may be about."""

from __future__ import annotations

from reconciler.config import PolicyBook, parse_policies
from reconciler.model import Container, ContainerRef, Failure, Policy, Workload


def policy(name: str, rest: str = "") -> str:
    return f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: {name}}}\n{rest}\n"


def workload(
    name: str = "web",
    *,
    kind: str = "Deployment",
    namespace: str = "shop",
    cluster: str = "",
    path: str = "apps/web/web.yaml",
    repository: str = "deploy",
    labels: tuple[tuple[str, str], ...] = (("tier", "web"),),
) -> Workload:
    return Workload(
        unit="apps/web", cluster=cluster, namespace=namespace, kind=kind, name=name, repository=repository,
        path=path, line=1, replicas=1, labels=labels, annotations=(), scalers=(), containers=(),
    )  # fmt: skip


def container(of: Workload) -> Container:
    return Container(ContainerRef(of.cluster, of.namespace, of.kind, of.name, "app"), False, False, ())


def book(*texts: str, teams: tuple[str, ...] = (), group: str | None = None) -> PolicyBook:
    operator = [one for index, text in enumerate(texts) for one in parse_policies(text, f"p{index}.yaml")]
    own = [
        one for index, text in enumerate(teams) for one in parse_policies(text, f"t{index}.yaml", "deploy")
    ]
    return PolicyBook(operator, group=group).with_teams(own)


def resolve(found: PolicyBook, of: Workload | None = None) -> Policy:
    target = of or workload()
    answer = found.resolve(target, container(target))
    assert isinstance(answer, Policy), answer
    return answer


def failure(found: PolicyBook, of: Workload | None = None) -> Failure:
    target = of or workload()
    answer = found.resolve(target, container(target))
    assert isinstance(answer, Failure), answer
    return answer
