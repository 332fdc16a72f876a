"""`reconcile schema`: the JSON Schemas of what is read and printed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.commands.common import print_json
from reconciler.config import policy_schema, settings_schema
from reconciler.report import schemas


class Wanted(StrEnum):
    SETTINGS = "settings"
    POLICY = "policy"
    SCAN = "scan"
    RUN = "run"
    USAGE = "usage"
    BACKTEST = "backtest"
    LOG = "log"
    REPLAY = "replay"


_SCHEMAS = {
    Wanted.SETTINGS: settings_schema,
    Wanted.POLICY: policy_schema,
    Wanted.SCAN: schemas.scan,
    Wanted.RUN: schemas.run,
    Wanted.USAGE: schemas.usage,
    Wanted.BACKTEST: schemas.backtest,
    Wanted.LOG: schemas.log,
    Wanted.REPLAY: schemas.replay,
}


def schema(
    wanted: Annotated[
        Wanted,
        typer.Argument(metavar="settings|policy|scan|run|usage|backtest|log|replay", help="Which schema."),
    ],
) -> None:
    """Print a JSON Schema: of settings or policies for your editor, of what is printed for your scripts.

    For an editor with the YAML language server, begin a file with
    `# yaml-language-server: $schema=PATH` after `reconcile schema policy > PATH`.
    """
    print_json(_SCHEMAS[wanted]())
