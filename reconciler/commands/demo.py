"""`reconcile demo`: the whole way once, on a repository and a recording that it makes itself."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from reconciler.commands.common import Exit
from reconciler.demo import END, START, demo_files, record_story, settings_text, story
from reconciler.errors import Misconfigured
from reconciler.forges.local import LocalForge
from reconciler.git.commits import Author
from reconciler.git.create import create_bare
from reconciler.report.text import console, heading

Excerpt = Callable[[Sequence[str]], Sequence[str]]
_GAP = "…"


class Thread(NamedTuple):
    """What the demo follows from the first command to the last."""

    unit: str
    line: str
    container: str
    only: tuple[str, ...]
    branch: str


_RENDERED = Thread(
    "search-production",
    "charts/search/values-shared.yaml:5",
    "storefront/deploy/search/search",
    ("storefront/deploy/search", "cart", "recommendations"),
    "reconcile/savings/search-production",
)
# For machines without helm or kubectl: its kills, its limit and its request tell the most.
_PLAIN = Thread(
    "apps/storefront/recommendations",
    "apps/storefront/recommendations/deployment.yaml:26",
    "storefront/deploy/recommendations",
    ("recommendations", "storefront/deploy/web"),
    "reconcile/safety/apps-storefront-recommendations",
)
_UNITS = (_PLAIN.unit, _RENDERED.unit, "apps/storefront/cart/overlays/production")


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to build it, and keep it; else a temporary folder."),
    ] = None,
) -> None:
    """Show the main job end to end: scan, dry run, merge request, merge, and a run that changes nothing.

    Everything is embedded: a deployment repository with plain manifests, a chart and overlays, four
    weeks of recorded utilization, and a local forge. Nothing outside the folder is touched. Charts
    and overlays take helm and kubectl; without them the demo shows what is possible without.
    """
    if folder is None:
        with _temporary() as made:
            _show(made, kept=False)
        return
    if folder.exists() and any(folder.iterdir()):
        raise Misconfigured(str(folder), f"{folder} is not empty: name a new folder.", path=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    _show(folder.resolve(), kept=True)


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder of the same name each time, so that the same is printed; another while that is taken."""
    usual = Path(tempfile.gettempdir()) / "reconcile-demo"
    try:
        usual.mkdir(mode=0o700)
    except FileExistsError:
        with tempfile.TemporaryDirectory(prefix="reconcile-demo-") as made:
            yield Path(made)
        return
    try:
        yield usual
    finally:
        shutil.rmtree(usual, ignore_errors=True)


def build(folder: Path) -> None:
    """A bare repository, a recording and settings for both."""
    author = Author("Dana Developer", "dana@example.com")
    bare = folder / "deploy.git"
    create_bare(bare, demo_files(), branch="main", message="Everything we run", author=author, when=START)
    record_story(folder / "usage")
    text = settings_text(str(bare), "usage") + f"cache: {json.dumps(str(folder / 'cache'))}\n"
    (folder / "reconcile.yaml").write_text(text, encoding="utf-8")


def _show(folder: Path, *, kept: bool) -> None:
    _introduce(folder)
    shell = Shell(folder)
    thread = _look(shell)
    only = [word for each in thread.only for word in ("--only", each)]
    shell.type("What would change there, and is it proven?", "--dry-run", "--no-diff", *only)
    shell.type("How does such a number come about?", "explain", thread.container)
    shell.type(
        "Do it, for everything: branches are pushed, merge requests opened.", "run", "-q", excerpt=_ends
    )
    number = _request_of(folder, thread.branch)
    shell.type("One merge request, as its reviewer finds it.", "mr", "show", number)
    shell.type("The reviewer agrees.", "mr", "merge", number, "--now", str(END - 300))
    words = "The next run notes the merge, and removes the branch. The rest waits for its reviewer."
    shell.type(words, "run", "-q", excerpt=_ends)
    shell.type("And once more: nothing is written at all.", "run", "-q", excerpt=_ends)
    out = console()
    out.print()
    out.print("That was the whole way.", style="bold")
    if kept:
        out.print(Text(f"It is all in {folder}: cd there and try the commands above yourself."))
    else:
        out.print("`reconcile demo DIR` keeps it all in DIR, to try the commands yourself.")


def _introduce(folder: Path) -> None:
    out = console()
    workloads = dict(story())
    words = f"A deployment repository of {len(workloads)} workloads, and four weeks of recorded utilization."
    out.print(Text(words, style="bold"))
    for name in ("storefront/search", "storefront/cart", "storefront/recommendations"):
        out.print(Text.assemble((f"  {name:<28}", "bold"), workloads[name]))
    out.print(Text(f"  and {len(workloads) - 3} more, each with a story of its own", style="dim"))
    build(folder)


def _look(shell: Shell) -> Thread:
    """Shows where values live, and finds out what can be followed on this machine."""
    out = console()
    out.print()
    heading(out, "Which line sets each value? What is rendered is traced back to its source.")
    shell.run("git", "clone", "--quiet", "deploy.git", "deploy")
    found = shell.run("reconcile", "scan", "deploy", excerpt=_units)
    if any("missing-tool" in line for line in found):
        out.print()
        words = (
            "helm and kubectl render charts and overlays. Not both are on PATH, so what needs them is kept "
            "(missing-tool), and we go on with plain manifests."
        )
        out.print(words, style="yellow")
        thread = _PLAIN
        asked = "And the other way round: whom does a line feed?"
    else:
        thread = _RENDERED
        asked = "And the other way round: whom does that shared line feed?"
    shell.type(asked, "why", f"deploy/{thread.line}")
    return thread


def _request_of(folder: Path, branch: str) -> str:
    """The number of the open merge request from a branch."""
    requests = LocalForge(folder / "deploy.git", user=getpass.getuser(), clock=lambda: END).mine("")
    return str(next(request.number for request in requests if request.branch.startswith(branch)))


class Shell:
    """Commands as a person would type them in the demo's folder, and what they print."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def type(self, words: str, *arguments: str, excerpt: Excerpt | None = None) -> None:
        out = console()
        out.print()
        heading(out, words)
        self.run("reconcile", *arguments, excerpt=excerpt)

    def run(self, program: str, *arguments: str, excerpt: Excerpt | None = None) -> Sequence[str]:
        """All lines that it printed, if only an excerpt is shown; else it prints by itself."""
        out = console()
        out.print(Text(f"$ {program} {' '.join(arguments)}", style="bold cyan"))
        out.file.flush()
        # Named, the settings are trusted also where the folder lies in somebody's work tree.
        environment = {**os.environ, "RECONCILE_CONFIG": str(self._folder / "reconcile.yaml")}
        words = [sys.executable, "-m", "reconciler"] if program == "reconcile" else [program]
        if excerpt is not None:
            environment["PYTHONIOENCODING"] = "utf-8"
            environment |= {"FORCE_COLOR": "1"} if out.is_terminal else {}
        ran = subprocess.run(  # noqa: S603
            [*words, *arguments],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE if excerpt else None,
            check=False,
        )
        lines = (ran.stdout or b"").decode().splitlines()
        ended_well = ran.returncode == Exit.DONE
        for line in excerpt(lines) if excerpt and ended_well else lines:
            out.print(Text.from_ansi(line), style="dim" if line.startswith(_GAP) else "")
        if not ended_well:
            raise typer.Exit(ran.returncode)
        return lines


def _units(lines: Sequence[str]) -> list[str]:
    """Of a scan the units that the demo is about, what could not be rendered, and the last line."""
    found: list[str] = []
    heads = [number for number, line in enumerate(lines) if _is_head(line)]
    for begin, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        told = Text.from_ansi(lines[begin]).plain
        kept = "  missing-tool: " in told
        if told.partition("  ")[0] in _UNITS or kept or end == len(lines):
            found += lines[begin:end]
        else:
            found.append(_GAP)
    return [line for line, _ in groupby(found)]


def _is_head(line: str) -> bool:
    """Whether a line of a tree begins a new one."""
    return not Text.from_ansi(line).plain.startswith(("├", "│", "└", " "))


def _ends(lines: Sequence[str]) -> list[str]:
    """Of a run the first merge requests and the last ones, without their addresses, and the verdict."""
    first, last = 4, 4
    found = [line for line in lines if not Text.from_ansi(line).plain.startswith(" " * 10)]
    if len(found) <= first + last:
        return found
    return [*found[:first], f"{_GAP} {len(found) - first - last} more", *found[-last:]]
