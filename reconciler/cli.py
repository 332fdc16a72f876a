"""The command line: which command, and how everything ends. The only catch-all is here."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.commands import (
    backtest,
    demo,
    doctor,
    explain,
    images,
    importing,
    init,
    log,
    mr,
    record,
    replay,
    run,
    scan,
    schema,
    set_values,
    usage,
    why,
)
from reconciler.commands.common import Exit, errors_console
from reconciler.errors import Problem
from reconciler.report.diffs import shown_lines

_DEFAULT = "run"
_TOP = ("--help", "-h", "--version", "--install-completion", "--show-completion")
_HELP = """Keep a deployment-config repository right.

Reads live utilization, works out new resource requests (and image tags, where a policy wants that),
finds the exact line in Git that owns each value, changes only those bytes, proves it, and opens merge
requests.

**reconcile --dry-run** shows what it would do in the clone you stand in;
**reconcile** alone means **reconcile run**. New here? **reconcile demo**.
"""

app = typer.Typer(
    name="reconcile",
    help=_HELP,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C, or the cluster ends the pod."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconcile {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("run")(run.run)
app.command("scan")(scan.scan)
app.command("set")(set_values.set_values)
app.command("why")(why.why)
app.command("explain")(explain.explain)
app.command("log")(log.log)
app.command("replay")(replay.replay_commit)
app.command("usage")(usage.usage)
app.command("record")(record.record)
app.command("backtest")(backtest.backtest)
app.command("init")(init.init)
app.command("import")(importing.import_policies)
app.command("schema")(schema.schema)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(mr.app, name="mr")
app.add_typer(images.app, name="images")


def main() -> None:
    """The console script: run the command line and leave with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    code = ended(sys.argv[1:])
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError:  # nobody reads it any more, or the disk is full: said above, or wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = code or Exit.SOME_FAILED
    raise SystemExit(code)


def ended(arguments: Sequence[str]) -> int:
    """The exit code of a command line. Whatever happens, no traceback reaches a user."""
    try:
        app(args=with_command(arguments), prog_name="reconcile")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else Exit.DONE
    except Problem as problem:
        _say(str(problem))
        return Exit.MISUSED
    except Interrupted:
        _say("interrupted; what was written is whole, and the next run goes on from there.")
        return Exit.INTERRUPTED
    except OSError as error:
        if not _is_output(error):
            _say(_bug(error))
            return Exit.BUG
        _say(f"what was to be printed can't be written: {error.strerror}.")
        return Exit.SOME_FAILED
    except Exception as error:  # noqa: BLE001 - the only catch-all there is
        _say(_bug(error))
        return Exit.BUG
    return Exit.DONE


def with_command(arguments: Sequence[str]) -> list[str]:
    """Without a command `run` is meant: `reconcile --dry-run` is `reconcile run --dry-run`."""
    words = list(arguments)
    completing = any(name.startswith("_RECONCILE_COMPLETE") for name in os.environ)
    if completing or (words and (not words[0].startswith("-") or words[0].partition("=")[0] in _TOP)):
        return words
    return [_DEFAULT, *words]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted


def _is_output(error: OSError) -> bool:
    """Whether it is our own output that is full, closed or no longer read."""
    return error.filename is None and error.errno in (errno.ENOSPC, errno.EPIPE, errno.EBADF, errno.EIO)


def _bug(error: Exception) -> str:
    """One line that a bug report can begin with; the whole traceback only for those who ask."""
    if os.environ.get("RECONCILE_DEBUG"):
        return "".join(traceback.format_exception(error))
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"
    told = " ".join(str(error).split())[:200]
    return (
        f"this is a bug in reconcile ({type(error).__name__} at {where}: {told}). Nothing is half-written. "
        "Please report it; RECONCILE_DEBUG=1 prints the details."
    )


def _say(words: str) -> None:
    errors_console().print(f"reconcile: {shown_lines(words)}", style="red")
