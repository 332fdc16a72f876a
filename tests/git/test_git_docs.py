"""What docs/git.md and docs/local-forge.md say about files is what the code writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from reconciler.forges.records import Record
from reconciler.git.message import message, trailers

DOCS = Path(__file__).resolve().parents[2] / "docs"


def block(name: str, kind: str, number: int = 0) -> str:
    return re.findall(rf"^```{kind}\n(.*?)^```", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)[number]


def test_the_record_in_the_docs_is_a_record() -> None:
    shown = json.loads(block("local-forge.md", "json"))
    assert Record.model_validate(shown).model_dump(mode="json") == shown


def test_the_commit_message_in_the_docs_is_one_of_ours() -> None:
    text = block("git.md", "")
    subject, body, _ = text.split("\n\n", 2)
    assert message(subject, body, trailers(text)) == text
    assert list(trailers(text)) == [
        "Reconcile-Key", "Reconcile-Plan", "Reconcile-Policy", "Reconcile-Evidence", "Reconcile-Schema",
        "Reconcile-Files",
    ]  # fmt: skip


def test_the_ledger_line_in_the_docs_is_canonical() -> None:
    line = block("git.md", "json").strip()
    assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line
    assert set(json.loads(line)) == {"at", "event", "key", "facts"}
