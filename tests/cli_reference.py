"""Writes docs/cli.md from the command line itself: `python tests/cli_reference.py > docs/cli.md`."""

from __future__ import annotations

import re
from typing import Any

import typer

from reconciler.cli import app

HEAD = """\
# Command line

Written from the commands themselves (`python tests/cli_reference.py > docs/cli.md`); a test compares.

`reconcile` alone means `reconcile run`, so `reconcile --dry-run` is `reconcile run --dry-run`. Output
is coloured and fitted to a terminal, and plain when piped; `NO_COLOR` is obeyed. Progress goes to
standard error, and only when work takes longer than a second. `reconcile --install-completion`
teaches your shell the words.

## Exit codes

| code | meaning |
| ---: | --- |
| 0 | done; a kept value, or a file that is not ours, is never a failure |
| 1 | some targets failed: a missing branch, a policy conflict, a broken manifest; or `set` refused |
| 2 | settings or usage, or nothing could be tried |
| 3 | a bug; `RECONCILE_DEBUG=1` prints the details for the report |
| 4 | changes pending, only with `--detailed-exitcode` |
| 130 | interrupted |

A failed target (1) beats pending changes (4).

## Environment

| variable | meaning |
| --- | --- |
| `RECONCILE_CONFIG` | the settings file, when `--config` is not given |
| `RECONCILE_DEBUG` | print the whole traceback of a bug |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | proxies, for every connection, Git included |
| `XDG_CACHE_HOME` | where mirrors are kept, when the settings don't say |
| `NO_COLOR` | no colours |
"""


def reference() -> str:
    top: Any = typer.main.get_command(app)
    parts = [HEAD]
    for name, command in top.commands.items():
        if hasattr(command, "commands"):
            parts += [_section(f"{name} {inner}", each) for inner, each in command.commands.items()]
        else:
            parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = " ".join(["reconcile", name, *(_metavar(each) for each in arguments), "[OPTIONS]"])
    rows = [f"| `{_metavar(each)}` | {_cell(each.help)} |" for each in arguments]
    rows += [f"| {_names(each)} | {_cell(each.help)} |" for each in options]
    table = "\n".join(["| argument or option | meaning |", "| --- | --- |", *rows]) + "\n" if rows else ""
    return f"## `{words}`\n\n{_text(command.help)}\n\n{table}"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    kind = option.metavar or "TEXT"
    return f"{names} `{kind}`".replace("|", "\\|")


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _text(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text.strip())


if __name__ == "__main__":
    print(reference(), end="")
