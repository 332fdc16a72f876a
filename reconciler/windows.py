"""Whether Argo CD would sync what a merge request changes: as it says itself, else as its AppProjects in
the repositories do."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.job import Job
from reconciler.model import ContainerRef, Proposal, Refused
from reconciler.source.deployers import deployers
from reconciler.source.estate import Estate
from reconciler.source.syncwindows import shut
from reconciler.source.units import Deployed


class Windows:
    """Of one run. Each Application is asked about once, and nobody where there are no windows."""

    def __init__(self, job: Job, estate: Estate) -> None:
        self._job = job
        self._estate = estate
        self._answers: dict[Deployed, str] = {}
        self._deployers: Mapping[ContainerRef, tuple[Deployed, ...]] | None = None

    def shut(self, proposal: Proposal) -> str:
        """Why it would not be synced now; "" where it would, or where no Application deploys it."""
        if self._job.syncs is None and not self._estate.projects:
            return ""
        if self._deployers is None:
            self._deployers = deployers(self._estate)
        refs = {ref for change in proposal.changes for value in change.values for ref in value.slot.consumers}
        apps = dict.fromkeys(app for ref in sorted(refs) for app in self._deployers.get(ref, ()))
        return next((why for app in apps if (why := self._of(app))), "")

    def _of(self, app: Deployed) -> str:
        if app not in self._answers:
            self._answers[app] = self._asked(app)
        return self._answers[app]

    def _asked(self, app: Deployed) -> str:
        said = self._job.syncs(app.name, app.namespace, app.project) if self._job.syncs else None
        if isinstance(said, Refused):
            return said.detail
        return shut(self._estate.projects, app, self._job.now) if said is None else said
