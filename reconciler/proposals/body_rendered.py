"""What comes out different when the files are rendered anew: the proof, and the fields before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconciler.model import Change, Proof
from reconciler.proposals.body_fit import Section
from reconciler.proposals.markdown import code, fenced, prose
from reconciler.proposals.surface import Surface

MOST_UNITS: Final = 60
MOST_FIELDS: Final = 60
_MOST_FOLLOWING: Final = 20  # copies and the like, of all units


def proofs(changes: Sequence[Change], weight: int) -> Section:
    """What the renders before and after showed, once a unit."""
    told = list(dict.fromkeys(proof for change in changes for proof in change.proofs))
    if not told:
        return Section("the proofs", weight, "")
    lines = tuple(f"- {code(proof.unit)} {prose(proof_words(proof))}" for proof in told[:MOST_UNITS])
    more = "- … and {n} more units, alike"
    missing = len(told) - len(lines)
    return Section("the proofs", weight, "**Proven by rendering**\n", lines, "", more, missing)


def proof_words(proof: Proof) -> str:
    """What a render before and one after the edit differ in, and what that was made with."""
    fields = "1 field" if len(proof.changed) == 1 else f"{len(proof.changed)} fields"
    told = [f"renders the same but for {fields}: {_listed(proof.changed)}"]
    if proof.copies:
        told.append(f"copies of the version follow: {_listed(proof.copies)}")
    if proof.derived:
        told.append(f"the chart works out from it, as the policy allows: {_listed(proof.derived)}")
    if proof.carried:
        told.append(f"set besides, so that the rest stays: {_listed(proof.carried)}")
    if proof.noise:
        told.append(f"set aside: {proof.noise} that differ in any two renders")
    return "; ".join(told) + f" ({proof.renderer})"


def _listed(words: Sequence[str], most: int = 6) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def difference(changes: Sequence[Change], surface: Surface, weight: int) -> Section:
    """The fields of what is deployed, before and after. The files themselves are the request's own diff."""
    lines = _fields(changes)
    if not lines:
        return Section("the rendered difference", weight, "")
    block = fenced("diff", lines)
    rendered = any(change.proofs for change in changes)
    words = f"What changes in the {'rendered ' if rendered else ''}manifests"
    text = (
        f"<details><summary>{words}</summary>\n\n{block}\n\n</details>"
        if surface.details
        else f"**{words}**\n\n{block}"
    )
    return Section("the rendered difference", weight, text)


def _fields(changes: Sequence[Change]) -> list[str]:
    lines: list[str] = []
    told = left = 0
    whose = ""
    for change in changes:
        if told >= MOST_FIELDS:
            left += len(change.values)
            continue
        for slot, new in change.values:
            for ref in slot.consumers[: MOST_FIELDS - told]:
                if str(ref) != whose:
                    whose = str(ref)
                    lines.append(f"  {whose}")
                lines += [f"-   {slot.field}: {slot.value}"] if slot.value is not None else []
                lines.append(f"+   {slot.field}: {new}")
            told += len(slot.consumers)
    if left:
        lines.append(f"  … and {left:,} more values")
    return [*lines, *_following(changes)]


def _following(changes: Iterable[Change]) -> Iterator[str]:
    """What goes along because a chart makes it so."""
    seen: dict[str, None] = {}
    for change in changes:
        for proof in change.proofs:
            for one in (*proof.copies, *proof.derived):
                seen.setdefault(f"{proof.unit}: {one}")
            if len(seen) >= _MOST_FOLLOWING:
                break
    if seen:
        yield "  what follows from it"
        yield from (f"!   {one}" for one in list(seen)[:_MOST_FOLLOWING])
