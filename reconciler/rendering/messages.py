"""A program's complaint as one line of ours: bounded, without our paths, without secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.rendering import plain

_LONGEST: Final = 400
_HIDDEN: Final = "***"
_SECRET_KEY: Final = re.compile(
    r"pass|pwd|secret|token|key|cred|cert|private|auth|salt|dsn|connection|webhook|license", re.IGNORECASE
)
_SHORTEST_SECRET: Final = 3
_SHORTEST_LONG: Final = 16  # a value this long is hidden whatever its key is called
_WORDS: Final = frozenset({"true", "false", "null", "none"})
_ADVICE: Final = re.compile(
    r"Use --debug flag to render out invalid YAML|"
    r"You may need to run .helm dependency build. to fetch missing dependencies:|"
    r"an error occurred while checking for chart dependencies\.|^Error: |^error: ",
    re.IGNORECASE,
)
_CHATTER: Final = re.compile(
    r"^(?:level=|time=|WARNING|# Warning|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |coalesce\.go|walk\.go)"
)
_USERINFO: Final = re.compile(r"(?<=://)(?!git@)[^\s/@]+@")
_TEMPORARY: Final = re.compile(r"/?(?:[\w.-]+/)*(?:kustomize-(?:helm-)?\d+|reconcile-render-\w+)/?")

# What a program says, and what that means here; the first that is found holds.
_MEANINGS: Final = (
    ("missing in charts/ directory", Reason.MISSING_DEPENDENCY),
    ("found in requirements.yaml, but missing", Reason.MISSING_DEPENDENCY),
    ("external plugins disabled", Reason.PLUGIN),
    ("unable to load external plugin", Reason.PLUGIN),
    ("enable-alpha-plugins", Reason.PLUGIN),
    ("enable-exec", Reason.PLUGIN),
    ("unable to find plugin root", Reason.PLUGIN),
    ("no 'git' program on path", Reason.REMOTE_BASE),
    ("unable to run: 'helm pull", Reason.REMOTE_BASE),
    ("dial tcp", Reason.REMOTE_BASE),
    ("proxyconnect", Reason.REMOTE_BASE),
)


def refusal(err: bytes, tree: Path, values: Iterable[bytes], texts: Iterable[str] = ()) -> Refused:
    """The reason and the program's own words; `values` and `texts` may hold what must not be said."""
    text = err.decode("utf-8", "replace")
    reason = next((reason for words, reason in _MEANINGS if words in text), Reason.RENDER_FAILED)
    return Refused(reason, one_line(text, tree, secrets(values, texts)))


def one_line(text: str, tree: Path, hidden: Collection[str] = ()) -> str:
    # Hidden first: cut or folded text could no longer be recognized.
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    lines = [line for line in text.splitlines() if not _CHATTER.match(line)]
    said = " ".join(_ADVICE.sub("", line) for line in lines or text.splitlines()[:1])
    said = _TEMPORARY.sub("", said.replace(f"{tree}/", "").replace(str(tree), "."))
    said = _USERINFO.sub(f"{_HIDDEN}@", said)
    said = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    if len(said) > _LONGEST:
        # What went wrong in the end stands at the end; what was being done, at the beginning.
        said = f"{said[: _LONGEST // 2]} … {said[-_LONGEST // 2 :]}"
    return said or "the program failed without a word"


def secrets(values: Iterable[bytes], texts: Iterable[str] = ()) -> set[str]:
    """Texts that must not be repeated: what stands under a telling key, and whatever is long."""
    found = {text for text in texts if len(text) >= _SHORTEST_SECRET}
    for data in values:
        try:
            read = plain.documents(data)
        except plain.UnreadableError:
            found.update(_torn(data))
            continue
        found.update(text for keys, leaf in plain.leaves(read) for text in _hidden(keys, leaf))
    encoded = {base64.b64encode(text.encode("utf-8", "replace")).decode() for text in found}
    return found | encoded


def _hidden(keys: plain.Keys, leaf: str) -> Iterable[str]:
    telling = any(_SECRET_KEY.search(key) for key in keys)
    least = _SHORTEST_SECRET if telling else _SHORTEST_LONG
    for text in {leaf, *leaf.splitlines()}:
        shown = text.strip()
        if len(shown) >= least and shown.lower() not in _WORDS:
            yield shown


def _torn(data: bytes) -> Iterable[str]:
    """Of text that is no YAML: every word that could be a value."""
    return (word for word in data.decode("utf-8", "replace").split() if len(word) >= _SHORTEST_LONG // 2)
