"""What to do about a server that answers, and lacks what owners are told by.

Without it every owner is a guess and nothing is lowered: right, and a riddle to whoever reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.connection import printable
from reconciler.usage.days import DAY
from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import POD_OWNER, Questions

_SHOWN: Final = 5
_RENAMED: Final = "exported_pod"
_HOUR: Final = 3600


def hints(server: Asked, questions: Questions, at: int) -> tuple[str, ...]:
    """One sentence each, for the operator."""
    label = questions.labels.state.pod
    # Now, or at least lately: nothing is wrong with labels where scrapes have stopped.
    for seconds in (0, DAY):
        if label != _RENAMED and _is_there(server, questions, _RENAMED, at, seconds):
            return (
                f"{POD_OWNER} has its pods under {_RENAMED}: set `labels: exported` for these metrics, or "
                "`honor_labels: true` where kube-state-metrics is scraped; until then owners are guessed "
                "from names, and nothing is lowered",
            )
        if _is_there(server, questions, label, at, seconds):
            return ()
    return (
        f"there is no {POD_OWNER} with a label {label}: is kube-state-metrics scraped? Until then owners "
        "are guessed from names, and nothing is lowered",
    )


def _is_there(server: Asked, questions: Questions, label: str, at: int, seconds: int) -> bool:
    """`seconds`: how far to look back, a look an hour."""
    told = questions.owners_told(label)
    query = f"last_over_time({told}[{seconds}s:{_HOUR}s])" if seconds else told
    return bool(len(server.instant(query, at).values))


def cluster_hints(clusters: Sequence[str], label: str) -> tuple[str, ...]:
    """Where a server has several clusters, and the settings tell none apart."""
    names = [name for name in clusters if name]
    if len(names) < 2:
        return ()
    some = ", ".join(map(printable, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
    return (
        f"it has {len(names)} clusters under the label {label} ({some}): name them under `clusters`, each "
        "with its `metricsLabels`; what two of them have under one name is kept until then",
    )
