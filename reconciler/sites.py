"""Repositories opened and looked at together: one may deploy what another holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from reconciler import gather
from reconciler.errors import Problem
from reconciler.job import Job, Site
from reconciler.model import ContainerRef, Discovery, Failure, Note, Workload
from reconciler.peers import Home, Peers, hidden
from reconciler.ports import Files, Past, Policies, Repository
from reconciler.source.estate import Estate, Land
from reconciler.source.overlaying import in_overlays
from reconciler.source.targets import is_meant


class _Opened(NamedTuple):
    """One repository, before it is looked at together with the others."""

    repository: Repository
    files: Files
    policies: Policies
    land: Land


def discovered(job: Job) -> tuple[list[Site], list[Failure], list[Note]]:
    """Every repository opened, then looked at together: one may deploy what another holds."""
    opened: list[_Opened] = []
    lost: list[Failure] = []
    advance = job.progress.step("Reading repositories", len(job.repositories))
    for repository in job.repositories:
        try:
            opened.append(_open(job, repository))
        except Problem as problem:
            lost.append(problem.failure)
        advance(1)
    sites: list[Site] = []
    failed: list[Failure] = []
    notes: list[Note] = []
    for one, estate in zip(opened, _surveyed(job, [one.land for one in opened]), strict=True):
        try:
            site, broken = _site(job, one, estate)
        except Problem as problem:
            lost.append(problem.failure)
        else:
            sites.append(site)
            failed += [*site.discovery.failures, *broken]
            notes += site.discovery.notes
    sites = _with_peers(sites, lost)
    return sites, [*lost, *failed], notes + _unmatched_everywhere(sites)


def _open(job: Job, repository: Repository) -> _Opened:
    files = repository.open()
    policies = job.policies(repository, files)
    return _Opened(repository, files, policies, files.land()._replace(mappings=policies.mappings))


def _surveyed(job: Job, lands: Sequence[Land]) -> Iterator[Estate]:
    """The estate around each repository: one for all, but where two are branches of the same."""
    whole = list({land.name: land for land in reversed(lands)}.values())[::-1]
    estate = job.survey(whole, job.progress)
    for land in lands:
        if land in whole:
            yield estate
        else:
            beside = [land if other.name == land.name else other for other in whole]
            yield job.survey(beside, job.progress)


def _unmatched_everywhere(sites: Sequence[Site]) -> list[Note]:
    """A policy of the operator's need not mean something in each repository, only in one."""
    told = dict.fromkeys(note for site in sites for note in site.unmatched)
    return [note for note in told if note.repository or all(note in site.unmatched for site in sites)]


def _site(job: Job, opened: _Opened, estate: Estate) -> tuple[Site, list[Failure]]:
    repository, files, policies, _ = opened
    discovery = estate.discoveries[repository.name]
    past = repository.past()
    chosen = _chosen(job, discovery, past)
    subjects, failed = gather.subjects(chosen, policies)
    on_top = {one.container.ref for one in subjects if one.policy.place == "overlay"}
    if on_top:
        estate = in_overlays(estate, on_top)
        chosen = _chosen(job, estate.discoveries[repository.name], past)
        subjects, failed = gather.subjects(chosen, policies)
    kept = tuple(one for one in subjects if _is_meant(job, one.workload, one.container.ref))
    site = Site(
        repository,
        files,
        policies,
        estate,
        chosen,
        past,
        gather.with_people(files, chosen, subjects, gather.told(discovery, past, job.now), job.now),
        kept,
        policies.unmatched(discovery.workloads),
    )
    return site, failed


def _with_peers(sites: Sequence[Site], lost: Sequence[Failure]) -> list[Site]:
    """Peers are looked for everywhere, whatever `only` leaves out. `lost` are repositories that failed."""
    everything = [site.estate.discoveries[site.repository.name] for site in sites]
    unread = [*lost, *(failure for found in everything for failure in found.failures)]
    peers = Peers(homes(sites), hidden(unread, [unit for found in everything for unit in found.units]))
    return [site._replace(subjects=tuple(gather.with_peers(site.subjects, peers))) for site in sites]


def _chosen(job: Job, discovery: Discovery, past: Past) -> Discovery:
    """Only the workloads of which `only` lets a container through."""
    wanted = [
        workload
        for workload in discovery.workloads
        if any(_is_meant(job, workload, container.ref) for container in workload.containers)
    ]
    return replace(discovery, workloads=tuple(wanted), notes=(*discovery.notes, *past.notes))


def _is_meant(job: Job, workload: Workload, ref: ContainerRef) -> bool:
    return not job.partial or is_meant(job.only, workload, ref)


def homes(sites: Sequence[Site]) -> list[Home]:
    return [Home(site.estate.discoveries[site.repository.name].workloads, site.policies) for site in sites]
