"""`reconcile.yaml` as records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr, StrictBool, ValidationInfo, field_validator

from reconciler.config import templates
from reconciler.config.check import made
from reconciler.config.fields import (
    API_VERSION,
    Cpu,
    File,
    Flag,
    InnerPath,
    Line,
    Memory,
    Name,
    RepositoryRef,
    RepositoryUrl,
    Web,
    Written,
)
from reconciler.config.forges import Forge as Forge
from reconciler.config.forges import ForgeApp as ForgeApp
from reconciler.config.logins import WithToken
from reconciler.config.metrics import Metrics
from reconciler.config.paths import tidied
from reconciler.config.prices import PriceRules
from reconciler.config.registries import ImageIdentity, ImageRegistry
from reconciler.config.rendering import Rendering
from reconciler.model import Note

Grouping = Literal["application", "namespace", "workload", "all"]


class Repository(Written):
    """A deployment repository that is to be kept right."""

    url: RepositoryUrl = Field(description="Address to fetch from and push to: https, ssh, or a folder.")
    branch: Line | None = Field(
        default=None, description="Branch that is deployed. Without: the default one."
    )
    name: Name | None = Field(default=None, description="Short name for reports, instead of the address.")
    aliases: tuple[RepositoryUrl, ...] = Field(
        default=(), description="Other addresses of the same repository."
    )
    policies: InnerPath | None = Field(default=None, description="Folder in it where teams keep policies.")

    @property
    def shown(self) -> str:
        return self.name or self.url


class Nodes(Written):
    """The largest node of a cluster: what it has for pods, which is less than the machine's."""

    cpu: Cpu | None = Field(default=None, description="CPU that its largest node has for pods.")
    memory: Memory | None = Field(default=None, description="Memory that its largest node has for pods.")


class Cluster(Written):
    """A cluster that Argo CD deploys to."""

    name: Name = Field(description="Name as Argo CD and policies know it.")
    server: Web | None = Field(
        default=None, description="Address of its API server, as Applications name it."
    )
    metrics: Name | None = Field(
        default=None, description="Which metrics source knows it. Without it: the first."
    )
    metrics_labels: Mapping[Line, str] = Field(
        default={}, description="Labels that its series carry in that source."
    )
    kube_version: Line | None = Field(
        default=None, description="Kubernetes version that charts are rendered for."
    )
    api_versions: tuple[Line, ...] = Field(
        default=(), description="Further API versions that charts may ask for."
    )
    labels: Mapping[Line, str] = Field(default={}, description="Labels for Argo CD's cluster generator.")
    nodes: Nodes = Field(
        default_factory=Nodes, description="What the largest node has; no pod comes to ask for more."
    )


class ArgoCD(WithToken):
    """An Argo CD server; it is only read."""

    url: Web = Field(description="Address of the Argo CD server.")


class Unit(Written):
    """A folder or chart that no Application in a known repository deploys."""

    repository: RepositoryRef | None = Field(
        default=None, description="Address or name of its repository. Needed where there are several."
    )
    path: InnerPath = Field(description="Folder in the repository. Manifests below it belong to the unit.")
    namespace: Line | None = Field(default=None, description="Namespace for manifests that name none.")
    cluster: Name | None = Field(default=None, description="Cluster that it runs in.")
    value_files: tuple[Line, ...] = Field(default=(), description="Value files of a chart, in order.")
    release_name: Name | None = Field(default=None, description="Release name of a chart.")


class Proposals(Written):
    """How merge requests are cut and called."""

    group: Grouping | None = Field(
        default=None, description="What shares a merge request, where no policy says it."
    )
    branch: Annotated[str, AfterValidator(templates.branch)] = Field(
        default="reconcile/{class}/{group}", description="Branch. Must have {class} and {group} in it."
    )
    title: Annotated[str, AfterValidator(templates.title)] = Field(
        default="{type}({scope}): {subject}",
        description="Title: {class} {group} {type} {scope} {subject} {count}.",
    )
    message: Annotated[str, AfterValidator(templates.message)] = Field(
        default="{title}\n\n{body}", description="Commit message: as the title, and {title} {body}."
    )
    dashboard: Flag = Field(
        default=False, description="Keep a page on the forge: what is open, what waits, with boxes to tick."
    )
    dashboard_title: Line = Field(default="Reconciler", description="Title of that page.")


class Author(Written):
    """Who the commits are from."""

    name: Line = Field(default="Reconciler", description="Name in the commits.")
    email: Line = Field(default="reconciler@localhost", description="E-mail address in the commits.")

    @field_validator("name", "email")
    @classmethod
    def _no_brackets(cls, value: str) -> str:
        if re.search(r"[<>]", value):
            raise ValueError("'<' and '>' can't stand in an author")
        return value


class Signing(Written):
    """How commits are signed."""

    format: Literal["ssh", "gpg"] = Field(description="Kind of the key.")
    key: Line = Field(description="Path of the private SSH key, or the id of the GPG key.")

    @field_validator("key")
    @classmethod
    def _from_settings(cls, value: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base")
        if info.data.get("format") != "ssh":
            return value
        path = Path(value).expanduser()
        return str(tidied(base / path) if base else path)


class Commits(Written):
    """What the commits carry."""

    author: Author = Field(default=Author(), description="Who the commits are from.")
    sign_off: Flag = Field(default=False, description="Add a Signed-off-by trailer of the author.")
    trailers: Mapping[Line, Annotated[str, AfterValidator(templates.trailer)]] = Field(
        default={}, description="Further trailers, e.g. a ticket, with the placeholders of a title."
    )
    signing: Signing | None = Field(default=None, description="Sign the commits. Without it: unsigned.")

    @field_validator("trailers")
    @classmethod
    def _trailer_names(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name):
                raise ValueError("the name of a trailer has letters, digits and '-'")
            if name.lower().startswith("reconcile-") or name.lower() == "signed-off-by":
                raise ValueError("trailers Reconcile-… and Signed-off-by are written by Reconciler itself")
        return value


class Network(Written):
    """How servers are reached, Git included."""

    ca_bundle: File | None = Field(default=None, description="PEM file of certificate authorities to trust.")
    proxy: Web | None = Field(
        default=None, description="Proxy for HTTP and HTTPS. Without it: HTTPS_PROXY and kin."
    )
    ssh_key: File | None = Field(default=None, description="Private key for Git over SSH.")
    known_hosts: File | None = Field(default=None, description="Host keys to expect for Git over SSH.")


class Settings(Written):
    """Everything an operator decides. Built from a file, or for a single clone without one."""

    api_version: Literal["reconciler/v1"] = Field(description="Version of this file's format.")
    repositories: tuple[Repository, ...] = Field(description="The deployment repositories.")
    forges: tuple[Forge, ...] = Field(default=(), description="Servers where merge requests are opened.")
    metrics: tuple[Metrics, ...] = Field(default=(), description="Sources of utilization.")
    clusters: tuple[Cluster, ...] = Field(
        default=(), description="Clusters. Without them: one, called nothing."
    )
    argocd: tuple[ArgoCD, ...] = Field(default=(), description="Argo CD servers, read only.", alias="argocd")
    units: tuple[Unit, ...] = Field(default=(), description="Folders and charts that no Application deploys.")
    applications: File | None = Field(
        default=None,
        description="File with what `argocd app list -o json` says. Without: those in the repositories.",
    )
    rendering: Rendering = Field(default=Rendering(), description="How charts and overlays are rendered.")
    registries: tuple[ImageRegistry, ...] = Field(
        default=(), description="Registries of images: whom to ask, where, and as whom."
    )
    image_keys: Mapping[Name, File] = Field(
        default={}, description="Public keys that sign images, each by the name that policies have for it."
    )
    image_identities: Mapping[Name, ImageIdentity] = Field(
        default={},
        description="Who may sign images without a key, each by the name that policies have for it.",
    )
    public_registries: StrictBool = Field(
        default=True, description="Whether well-known public registries may be asked without being named."
    )
    policies: File | None = Field(
        default=None, description="Folder of policies, or one file. Without: balanced."
    )
    prices: PriceRules = Field(
        default=(), description="What an hour costs. Without: list prices of public clouds, said to be such."
    )
    proposals: Proposals = Field(default=Proposals(), description="How merge requests are cut and called.")
    commits: Commits = Field(default=Commits(), description="What the commits carry.")
    cache: File | None = Field(
        default=None, description="Folder for what may be lost: mirrors, parsed files, renders and charts."
    )
    network: Network = Field(default=Network(), description="How servers are reached.")

    _path: Path | None = PrivateAttr(None)
    _trusted: bool = PrivateAttr(True)
    _notes: tuple[Note, ...] = PrivateAttr(())

    @property
    def path(self) -> Path | None:
        """The file they come from."""
        return self._path

    @property
    def trusted(self) -> bool:
        """False when nobody named the file and it may be a stranger's: good for dry runs only."""
        return self._trusted

    @property
    def notes(self) -> tuple[Note, ...]:
        return self._notes

    def read_from(self, path: Path, *, trusted: bool, notes: Sequence[Note]) -> Settings:
        copy = self.model_copy()
        copy._path, copy._trusted, copy._notes = path, trusted, tuple(notes)
        return copy

    @classmethod
    def for_clone(cls, url: str | Path, *, branch: str | None = None, metrics: str | None = None) -> Settings:
        """Settings for one repository without a file. `metrics` is an address or a recording's folder."""
        repository = made(Repository, {"url": str(url), "branch": branch}, "the clone's address")
        found = cls.model_validate({"apiVersion": API_VERSION, "repositories": [repository]})
        return found.with_metrics(metrics) if metrics else found

    @classmethod
    def for_metrics(cls, source: str) -> Settings:
        """Settings that know one source of utilization and nothing else."""
        return cls.model_validate({"apiVersion": API_VERSION, "repositories": []}).with_metrics(source)

    def with_metrics(self, source: str) -> Settings:
        """The same, reading all utilization from that address or folder instead."""
        return self.model_copy(
            update={
                "metrics": (made(Metrics, metrics_entry(source), "--metrics"),),
                "clusters": tuple(one.model_copy(update={"metrics": None}) for one in self.clusters),
            }
        )


def metrics_entry(source: str) -> dict[str, str]:
    """`--metrics URL|FOLDER` as an entry of `metrics`."""
    if source.startswith(("http://", "https://")):
        return {"name": "main", "kind": "prometheus", "url": source}
    return {"name": "main", "kind": "recording", "path": source}
