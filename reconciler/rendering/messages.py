"""A program's complaint as one line of ours: bounded, without our paths, without secrets."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from reconciler.model import Reason, Refused
from reconciler.rendering import plain
from reconciler.rendering.tree import PREFIX

_LONGEST: Final = 400
_HIDDEN: Final = "***"
_SECRET_KEY: Final = re.compile(
    r"pass|pwd|secret|token|key|cred|cert|private|auth|salt|dsn|connection|webhook|license", re.IGNORECASE
)
_SHORTEST_SECRET: Final = 3
_SHORTEST_LONG: Final = 16  # a value this long is hidden whatever its key is called
_LONGEST_FILE: Final = 1 << 16
_CODE: Final = (".yaml", ".yml", ".json", ".tpl", ".md")  # looked through as such, or nothing but words
_LISTS: Final = ("resources", "bases", "components")
_PATH: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
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
# How Kubernetes' own log begins a line: level and day, time, process, place in its source.
_KLOG: Final = re.compile(r"^[IWEF]\d{4}\s+[\d:.]+\s+(?:\d+\s+)?[^\s\]]+\]\s*")
_KLOG_CHATTER: Final = re.compile(r"^[IW]\d{4}\s+\d\d:")
_PAIR: Final = re.compile(r"""\s*(?:-\s+|export\s+)?["']?([\w.-]++)["']?\s*[=:]\s*(\S.*)""")
_SECRETS_DATA: Final = re.compile(r"\b(?:stringData|data)\s*:")
_WORD: Final = re.compile(r"[^\s{}\[\],:'\"]++(?![\"']?\s*:)")
_USERINFO: Final = re.compile(r"(?<=://)(?!git@)[^\s/@]+@")
# Tried once a word, and without ways back: a chart may make the message as long as it likes.
_TEMPORARY: Final = re.compile(
    r"(?<![\w./-])/*(?:[\w.-]++/)*(?:kustomize-(?:helm-)?\d+|reconcile-render-\w+)(?:/|(?![\w.-]))"
)

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


def refusal(
    err: bytes, tree: Path, values: Iterable[bytes], texts: Iterable[str] = (), said: Collection[str] = ()
) -> Refused:
    """The reason and the program's own words; `values` and `texts` may hold what must not be told.

    `said` is no secret wherever it stands.
    """
    text = err.decode("utf-8", "replace")
    reason = next((reason for words, reason in _MEANINGS if words in text), Reason.RENDER_FAILED)
    return Refused(reason, one_line(text, tree, secrets(values, texts).difference(said)))


def one_line(text: str, tree: Path, hidden: Collection[str] = ()) -> str:
    # Hidden first: cut or folded text could no longer be recognized.
    for secret in sorted(_perhaps_in(text, hidden), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    told = [line for line in text.splitlines() if not _CHATTER.match(line) and not _KLOG_CHATTER.match(line)]
    said = " ".join(_ADVICE.sub("", _KLOG.sub("", line)) for line in told or text.splitlines()[:1])
    for folder in (tree, *tree.parents[:2]):
        if folder == tree or folder.name.startswith(PREFIX):
            said = said.replace(f"{folder}/", "").replace(str(folder), ".")
    said = _TEMPORARY.sub("", said)
    said = _USERINFO.sub(f"{_HIDDEN}@", said)
    said = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    if len(said) > _LONGEST:
        # What went wrong in the end stands at the end; what was being done, at the beginning.
        said = f"{said[: _LONGEST // 2]} … {said[-_LONGEST // 2 :]}"
    return said or "the program failed without a word"


def _perhaps_in(text: str, hidden: Collection[str]) -> list[str]:
    """Those whose first and last few characters are there: of a large chart's values hardly any."""
    sizes = (_SHORTEST_LONG, _SHORTEST_LONG // 2, _SHORTEST_SECRET)
    seen = {size: {text[at : at + size] for at in range(len(text) - size + 1)} for size in sizes}
    found = []
    for one in hidden:
        size = next((size for size in sizes if size <= len(one)), 0)
        if not size or (one[:size] in seen[size] and one[-size:] in seen[size]):
            found.append(one)
    return found


def telling(files: Mapping[str, bytes]) -> Iterable[str]:
    """Lines of files that hold a secret by their name, such as `password.txt` or `tls.key`."""
    for path, data in files.items():
        name = path.rpartition("/")[2]
        if _SECRET_KEY.search(name) and not name.endswith(_CODE) and len(data) <= _LONGEST_FILE:
            yield from _lines(data.decode("utf-8", "replace"), _SHORTEST_SECRET)


def entries(kustomization: bytes) -> set[str]:
    """The files and folders that a kustomization lists: without them nobody could tell which is missing."""
    try:
        (body,) = map(plain.mapping, plain.documents(kustomization)[:1])
    except (plain.UnreadableError, ValueError):
        return set()
    listed = [each for key in _LISTS for each in body.get(key) or () if isinstance(each, str)]
    return {each for each in listed if _PATH.fullmatch(each)}


def secrets(values: Iterable[bytes], texts: Iterable[str] = ()) -> set[str]:
    """Texts that must not be repeated: what stands under a telling key, in a Secret, and whatever is long.

    Each also as it looks in Base64, in quotes, and in an address.
    """
    found = {text for text in texts if len(text) >= _SHORTEST_SECRET}
    for data in values:
        found.update(_of_text(data))
    return found | {variant for text in found for variant in _variants(text)}


def _variants(text: str) -> Iterable[str]:
    yield base64.b64encode(text.encode("utf-8", "replace")).decode()
    for ascii_only in (False, True):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    for quoted in (quote, quote_plus):
        yield quoted(text, safe="", errors="replace")


def _of_text(data: bytes) -> Iterable[str]:
    try:
        read = plain.documents(data)
    except plain.UnreadableError:
        yield from _torn(data.decode("utf-8", "replace"))
        return
    for document in read:
        if isinstance(document, str):  # no YAML at all, such as a file of variables
            yield from _torn(data.decode("utf-8", "replace"))
        yield from _of_secret(plain.mapping(document))
    for keys, leaf in plain.leaves(read):
        yield from _hidden(keys, leaf)


def _of_secret(body: dict[str, Any]) -> Iterable[str]:
    """All that a Secret holds, whatever it is called there."""
    if body.get("kind") != "Secret":
        return
    for name in ("data", "stringData"):
        for _, leaf in plain.leaves(body.get(name)):
            yield from _lines(leaf, _SHORTEST_SECRET)
            if name == "data":
                try:
                    decoded = base64.b64decode(leaf, validate=True).decode()
                except (binascii.Error, ValueError):
                    continue
                yield from _lines(decoded, _SHORTEST_SECRET)


def _hidden(keys: plain.Keys, leaf: str) -> Iterable[str]:
    telling = any(_SECRET_KEY.search(key) for key in keys)
    yield from _lines(leaf, _SHORTEST_SECRET if telling else _SHORTEST_LONG)
    if telling or "\n" in leaf:
        for line in leaf.splitlines():
            yield from _pair(line, telling)
    if "Secret" in leaf and ":" in leaf:  # a patch within a kustomization, or a template in a value
        yield from _torn(leaf)


def _lines(text: str, least: int) -> Iterable[str]:
    for part in {text, *text.splitlines()}:
        shown = part.strip()
        if len(shown) >= least and shown.lower() not in _WORDS:
            yield shown


def _pair(line: str, telling: bool) -> Iterable[str]:
    """The value of `key=value` or `key: value`, where the key or what is around it tells of a secret."""
    found = _PAIR.match(line)
    if found and (telling or _SECRET_KEY.search(found[1])):
        yield from _lines(found[2].strip().strip("'\""), _SHORTEST_SECRET)


def _torn(text: str) -> Iterable[str]:
    """Of text that is no YAML: every word that could be a value, and of a Secret every word of its data."""
    yield from (word for word in text.split() if len(word) >= _SHORTEST_LONG // 2)
    for line in text.splitlines():
        yield from _pair(line, telling=False)
    data = _SECRETS_DATA.search(text) if "Secret" in text else None
    if data:
        yield from (word for word in _WORD.findall(text[data.end() :]) if len(word) >= _SHORTEST_SECRET)
