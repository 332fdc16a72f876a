"""One run in a process of its own, which is killed right after its k-th write.

`python killed_run.py SETTINGS NOW K` ends with 137 when it was killed, else with 0. A write is
whatever others can see: a push, or a record of the local forge. The process ends as by `kill -9`:
nothing is cleaned up, nothing is flushed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from reconciler.commands.common import Bars, only_filter
from reconciler.forges.records import Records
from reconciler.git.mirror import Mirror
from reconciler.run import reconcile
from reconciler.wiring import Asked, job

KILLED = 137


def _killing(kind: type, name: str, left: list[int]) -> None:
    """After the write has happened, count it; the last one allowed is the end."""
    write = getattr(kind, name)

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        result = write(self, *arguments, **named)
        left[0] -= 1
        if left[0] == 0:
            os._exit(KILLED)
        return result

    setattr(kind, name, counted)


def main(settings: str, now: str, after: str) -> None:
    left = [int(after)]
    _killing(Mirror, "push", left)
    _killing(Records, "put", left)
    asked = Asked(Path(settings), None, True, int(now), only_filter(None), False, True)
    reconcile(job(asked, Bars(None)))


if __name__ == "__main__":
    main(*sys.argv[1:])
