"""What to do about a server that answers, and lacks what owners are told by.

Without it every owner is a guess and nothing is lowered: right, and a riddle to whoever reads it.
"""

from __future__ import annotations

from typing import Final

from reconciler.usage.days import DAY
from reconciler.usage.prometheus.limits import Asked
from reconciler.usage.prometheus.promql import POD_OWNER, Questions

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
