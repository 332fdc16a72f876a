"""What came of a replay, on a terminal and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from reconciler.audit.records import Replayed, With
from reconciler.report.diffs import shown, unified
from reconciler.report.text import counted, print_diff, when


def print_replayed(out: Console, found: Replayed) -> None:
    claim, push = found.claim, found.claim.push
    name = claim.commit[:12] or claim.key or "the evidence"
    files = counted(len(found.files), "file")
    if not found.is_same:
        out.print(Text(shown(f"different: {name} is not what its evidence gives today"), style="bold red"))
    elif claim.commit:
        told = f"same: {name} is what its evidence gives, {files}, byte for byte"
        out.print(Text(shown(told), style="bold green"))
    else:
        out.print(Text(shown(f"made: what {name} gives, {files}"), style="bold"))
    for words in (*found.otherwise, *claim.notes):
        out.print(Text(f"  {shown(words)}"))
    moments = sorted({one.now for one in claim.evidence.values()})
    told = f"  evidence of {', '.join(when(at) for at in moments)}: " + ", ".join(
        name[:16] for name in sorted(claim.evidence)
    )
    out.print(Text(told, style="dim"))
    out.print(Text(shown(f"  on top of {claim.base[:12]}{f' as {push.title}' if push else ''}"), style="dim"))
    if found.then is not None:
        out.print(Text(shown(f"  then: {_with(found.then)}"), style="dim"))
    out.print(Text(shown(f"  now:  {_with(found.now)}"), style="dim"))
    if found.differences:
        out.print()
        out.print(Text("- as the commit has it, + as it was made now:", style="dim"))
    if found.differences or not claim.commit:
        print_diff(out, unified(found.differences or found.files))


def _with(one: With) -> str:
    rendered = f"rendered with {', '.join(one.renderers)}" if one.renderers else "nothing had to be rendered"
    return f"decided by reconcile {one.version}, {rendered}"


def replayed_row(found: Replayed) -> dict[str, Any]:
    claim = found.claim
    return {
        "commit": claim.commit,
        "base": claim.base,
        "key": claim.key,
        "same": found.is_same if claim.commit else None,
        "files": [one.path for one in found.files],
        "patch": unified(found.files),
        "difference": unified(found.differences),
        "otherwise": list(found.otherwise),
        "evidence": sorted(claim.evidence),
        "then": _with_row(found.then) if found.then else None,
        "now": _with_row(found.now),
        "notes": list(claim.notes),
    }


def _with_row(one: With) -> dict[str, Any]:
    return {"version": one.version, "renderers": list(one.renderers)}
