"""What to do about a server that answers, and lacks what owners are told by.

Without it every owner is a guess and nothing is lowered: right, and a riddle to whoever reads it.
"""

from __future__ import annotations

from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import POD_OWNER, Questions

_RENAMED = "exported_pod"


def hints(server: Asked, questions: Questions, at: int) -> tuple[str, ...]:
    """One sentence each, for the operator."""
    label = questions.labels.state.pod
    if label != _RENAMED and _is_there(server, questions, _RENAMED, at):
        return (
            f"{POD_OWNER} has its pods under {_RENAMED}: set `labels: exported` for these metrics, or "
            "`honor_labels: true` where kube-state-metrics is scraped; until then owners are guessed from "
            "names, and nothing is lowered",
        )
    if not _is_there(server, questions, label, at):
        return (
            f"there is no {POD_OWNER} with a label {label}: is kube-state-metrics scraped? Until then owners "
            "are guessed from names, and nothing is lowered",
        )
    return ()


def _is_there(server: Asked, questions: Questions, label: str, at: int) -> bool:
    return bool(len(server.instant(questions.owners_told(label), at).values))
