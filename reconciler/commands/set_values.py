"""`reconcile set`: one value, set by hand, in the one line that owns it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from reconciler.commands.common import Config, Exit, progress_bars
from reconciler.errors import Misconfigured
from reconciler.model import Container, Discovery, Field, FileChange, NewValue, Proof, Reason
from reconciler.proposals.body_rendered import proof_words
from reconciler.proposals.group import others_on
from reconciler.quantity import BadQuantity, read
from reconciler.report.diffs import shown, unified
from reconciler.report.text import console, counted, print_diff
from reconciler.source.changing import change
from reconciler.source.overlaying import in_overlays
from reconciler.source.targets import Missed, find
from reconciler.source.wishes import new_values
from reconciler.source.within import within
from reconciler.wiring import survey_folder

_PAIRS = ((Field.CPU_REQUEST, Field.CPU_LIMIT), (Field.MEMORY_REQUEST, Field.MEMORY_LIMIT))


def set_values(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of manifests to change.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="[NAMESPACE/]KIND/NAME[/CONTAINER], as `deploy/web`.")
    ],
    wishes: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="cpu, memory (requests), limits.cpu, limits.memory, image: a reference, :TAG or @DIGEST; "
            "target.cpu, target.memory: of what scales it, in per cent.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only print the diff.")] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="Also change a line that other containers share.")
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option("--overlay", help="Set it on top, for this unit alone: in its last file, or a patch."),
    ] = False,
    derived: Annotated[
        bool, typer.Option("--derived", help="Let change what the chart works out from it.")
    ] = False,
    cluster: Annotated[str, typer.Option("--cluster", help="Only in this cluster.")] = "",
    unit: Annotated[str, typer.Option("--unit", help="Only in this unit, as scan names it.")] = "",
    config: Config = None,
) -> None:
    """Change values of one container in place, and print the diff.

    All or nothing: when one value can't be set safely, no file is touched and the exit code is 1.
    """
    with progress_bars() as bars:
        survey = survey_folder(folder, config, bars)
    wanted = _found(survey.found, target, cluster, unit)
    estate = survey.estate
    if overlay:
        estate = in_overlays(estate, {wanted.ref})
        wanted = _found(within(estate.only, survey.inside), target, cluster, unit)
    values = tuple(value for value in new_values(wanted, wishes) if not _is_so(value))
    _check_limits(wanted, values)
    if not shared:
        _check_alone(values)
    made, refused = change(estate, [values], [0] if derived else [])
    if refused:
        _refuse(values[0], f"{refused[0].detail} ({refused[0].reason})")
    changed = {path: one for (_, path), one in made.files.items()}
    if not dry_run:
        _write(survey.root, changed)
    _tell(changed, made.proofs[0])


def _found(discovery: Discovery, target: str, cluster: str, unit: str) -> Container:
    found = find(discovery, target, cluster=cluster, unit=unit)
    if isinstance(found, Missed):
        raise Misconfigured(target, str(found))
    return found.container


def _tell(changed: Mapping[str, FileChange], proofs: Sequence[Proof]) -> None:
    out = console()
    if not changed:
        out.print("Nothing to change: it is so already.")
        return
    print_diff(out, unified(changed.values()))
    for proof in proofs:
        out.print(Text(f"Proven: {shown(proof.unit)} {shown(proof_words(proof))}", style="green"))


def _check_alone(values: Sequence[NewValue]) -> None:
    for value in values:
        others = others_on(value.slot)
        if others > 0:
            what = "other workload" if value.slot.field.is_target else "other container"
            share = f"{counted(others, what)} {'share' if others > 1 else 'shares'} this line"
            _refuse(value, f"{share}: --shared changes it for all, --overlay sets it on top for this one")


def _is_so(value: NewValue) -> bool:
    """Whether the value in force is the same already, however it is written."""
    field, old = value.slot.field, value.slot.value
    if old is None or field is Field.IMAGE:
        return old == value.new
    try:
        return read(field, old) == read(field, value.new)
    except BadQuantity:
        return False


def _check_limits(container: Container, values: Sequence[NewValue]) -> None:
    """Kubernetes refuses a request above its limit, so this does."""
    wanted = {value.slot.field: value for value in values}
    for request, limit in _PAIRS:
        changed = wanted.get(request) or wanted.get(limit)
        texts = [
            wanted[field].new if field in wanted else container.slot(field).value
            for field in (request, limit)
        ]
        if changed is None or None in texts:
            continue
        try:
            low, high = (read(field, text or "") for field, text in zip((request, limit), texts, strict=True))
        except BadQuantity:
            continue
        if low > high:
            why = f"{request} of {texts[0]} would be above {limit} of {texts[1]}; set both"
            _refuse(changed, f"{why} ({Reason.LIMIT_BELOW})")


def _refuse(value: NewValue, why: str) -> None:
    where = f"{value.slot.place.path}:{value.slot.line}"
    console().print(f"Refused: {value.slot.field} at {shown(where)}: {shown(why)}.", style="red")
    raise typer.Exit(Exit.SOME_FAILED)


def _write(folder: Path, changed: Mapping[str, FileChange]) -> None:
    """Every new file is written whole beside the old one before the first one takes its place."""
    ready: list[tuple[Path, Path]] = []
    try:
        for path, change in changed.items():
            old = (folder / path).resolve()
            fresh = old.with_name(f".{old.name}.{os.getpid()}.new")
            ready += [(fresh, old)]
            _write_beside(fresh, old, change.after)
        for fresh, old in ready:
            os.replace(fresh, old)
    except OSError as error:
        raise Misconfigured(str(folder), f"{folder} can't be written: {error.strerror}.") from error
    finally:
        for fresh, _ in ready:
            fresh.unlink(missing_ok=True)


def _write_beside(fresh: Path, old: Path, content: bytes) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, old.stat().st_mode & 0o7777 if old.exists() else 0o644)
        file.flush()
        os.fsync(descriptor)
