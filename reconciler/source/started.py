"""What a container is started with: its command, and its variables, as the kubelet would put them together.

Kept of it is only what may hold a size. Where a part of a value comes from is known to the letter, so
that `-Xmx$(LIMIT)m` is told from `-Xmx512m`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

LITERAL: Final = ""
RESOURCE: Final = "resource"
CONFIG: Final = "config"
HIDDEN: Final = "hidden"

UNKNOWN: Final = "?"  # the origin of what isn't known
BLANK: Final = "\0"  # what stands for it in a text; no YAML holds one

_MOST_CHARACTERS: Final = 65_536
_MOST_VARIABLES: Final = 2_000
_MOST_WORDS: Final = 2_000
_MOST_SPANS: Final = 500
_MOST_IN_ALL: Final = 1_000_000  # characters of all values of a container

_SHELLS: Final = frozenset(("sh", "bash", "ash", "dash", "zsh", "ksh"))
_IN_SHELL: Final = re.compile(
    r"\$(?:([A-Za-z_][A-Za-z0-9_]{0,100})|\{([A-Za-z_][A-Za-z0-9_]{0,100})(?::?-([^}$]{0,200}))?\})"
)
_WORD: Final = re.compile(r"[^\s\"'`;|&<>]+")


class Variable(NamedTuple):
    """One of `env`. `text` is the value, or where it comes from: limits.memory, NAME/KEY, Secret NAME."""

    name: str
    kind: str
    text: str
    divisor: str = ""
    container: str = ""


class Given(NamedTuple):
    """Of a container what may say a size; as plain lists when it comes out of a cache."""

    image: str  # the last part of its name
    command: Sequence[str]
    args: Sequence[str]
    variables: Sequence[Variable]
    sources: Sequence[tuple[str, str]]  # ConfigMaps that are variables as a whole: prefix and name


class Text(NamedTuple):
    """A value, and which pieces of it came from elsewhere: start, end, the variable, its origin."""

    text: str
    spans: tuple[tuple[int, int, str, str], ...] = ()

    def origin(self, start: int, end: int) -> str:
        """The origin of anything between; that something isn't known counts most."""
        found = [span[3] for span in self.spans if span[0] < end and span[1] > start and span[3]]
        return UNKNOWN if UNKNOWN in found else found[0] if found else ""

    def variable(self, start: int, end: int) -> str:
        """The innermost variable that holds it whole; "" where it is written in place."""
        around = [span for span in self.spans if span[0] <= start and span[1] >= end]
        return min(around, key=lambda span: span[1] - span[0])[2] if around else ""


class Word(NamedTuple):
    text: str
    origin: str  # limits.memory, ..., UNKNOWN, or "" of what is written there
    variable: str


class Started(NamedTuple):
    """All that is known when the container starts."""

    programs: frozenset[str]
    command: tuple[Word, ...]
    args: tuple[Word, ...]
    variables: tuple[tuple[str, str, Text], ...]  # name, where it is said, value


Amount = Callable[[str, str, str], str | None]  # container ("" itself), limits.memory, divisor -> text
Configs = Callable[[str], Mapping[str, str] | None]  # a ConfigMap's data, None when it isn't known


# ---------------------------------------------------------------------------------------------
# Out of a manifest
# ---------------------------------------------------------------------------------------------


def given(container: Mapping[str, Any], relevant: re.Pattern[str]) -> Given | None:
    """What may matter of a container, given as plain values; None for most of them."""
    words = [_strings(container.get(key)) for key in ("command", "args")]
    image = _image(container.get("image"))
    every = list(_variables(container.get("env")))[:_MOST_VARIABLES]
    sources = tuple(_sources(container.get("envFrom")))
    telling = any(map(relevant.search, (*words[0], *words[1], image)))
    kept = {
        at
        for at, one in enumerate(every)
        if one.kind == RESOURCE
        or relevant.search(one.name)
        or (one.kind == LITERAL and relevant.search(one.text))
    }
    if not (telling or kept or sources):
        return None
    if not telling:
        words = [(), ()]
    kept |= _named(every, [*words[0], *words[1], *(every[at].text for at in kept)])
    return Given(image, words[0], words[1], tuple(every[at] for at in sorted(kept)), sources)


def _strings(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(str(item)[:_MOST_CHARACTERS] for item in items[:_MOST_WORDS] if isinstance(item, str))


def _image(value: Any) -> str:
    name = value.rpartition("/")[2] if isinstance(value, str) else ""
    return str(re.split("[:@]", name, maxsplit=1)[0])[:100]


def _variables(value: Any) -> Iterator[Variable]:
    for item in value if isinstance(value, list) else ():
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            continue
        text, source = item.get("value"), item.get("valueFrom")
        if isinstance(text, str) and text:
            yield Variable(str(name), LITERAL, str(text)[:_MOST_CHARACTERS])
        elif isinstance(source, dict):
            yield _from_elsewhere(str(name), source)
        else:
            yield Variable(str(name), LITERAL, "")


def _from_elsewhere(name: str, source: Mapping[str, Any]) -> Variable:
    resource = source.get("resourceFieldRef")
    if isinstance(resource, dict) and isinstance(resource.get("resource"), str):
        divisor, container = (resource.get(key) for key in ("divisor", "containerName"))
        return Variable(name, RESOURCE, str(resource["resource"]), _text(divisor), _text(container))
    config = source.get("configMapKeyRef")
    if isinstance(config, dict):
        return Variable(name, CONFIG, f"{_text(config.get('name'))}/{_text(config.get('key'))}")
    secret = source.get("secretKeyRef")
    if isinstance(secret, dict):
        return Variable(name, HIDDEN, f"Secret {_text(secret.get('name'))}")
    return Variable(name, HIDDEN, "the pod")


def _sources(value: Any) -> Iterator[tuple[str, str]]:
    for item in (value if isinstance(value, list) else [])[:_MOST_VARIABLES]:
        config = item.get("configMapRef") if isinstance(item, dict) else None
        if isinstance(config, dict) and _text(config.get("name")):
            yield _text(item.get("prefix")), _text(config["name"])


def _text(value: Any) -> str:
    return str(value)[:300] if isinstance(value, str) else ""


def _named(every: Sequence[Variable], texts: list[str]) -> set[int]:
    """Variables that those texts name, and what those name in turn."""
    at: dict[str, list[int]] = {}
    for index, one in enumerate(every):
        at.setdefault(one.name, []).append(index)
    found: set[int] = set()
    waiting, seen = list(texts), set[str]()
    while waiting:
        for name in _names(waiting.pop()) - seen:
            seen.add(name)
            for index in at.get(name, ()):
                found.add(index)
                waiting.append(every[index].text)
    return found


def _names(text: str) -> set[str]:
    found = {name for _, _, name in _references(text)}
    return found | {one[1] or one[2] for one in _IN_SHELL.finditer(text)}


# ---------------------------------------------------------------------------------------------
# Put together
# ---------------------------------------------------------------------------------------------


def put_together(found: Given, amount: Amount, configs: Configs) -> Started:
    """As the kubelet does: a variable of `env` sees `envFrom` and those before it, the command sees all."""
    whole: dict[str, tuple[str, Text]] = {}
    for prefix, name in found.sources:
        for key, value in (configs(name) or {}).items():
            whole[prefix + key] = (f"ConfigMap {name}: {key}", Text(value[:_MOST_CHARACTERS]))
    before = {name: text for name, (_, text) in whole.items()}
    left = _MOST_IN_ALL
    for row in found.variables:
        one = Variable(*row)
        where, text = _value(one, before, amount, configs)
        left -= len(text.text)
        text = text if left > 0 else _unknown(one.name)
        before[one.name] = text
        whole[one.name] = (where, text)
    values = {name: text for name, (_, text) in whole.items()}
    in_shell = any(_base(word) in _SHELLS for word in (*found.command, *found.args)[:3])
    command, args = (tuple(_words(part, values, in_shell)) for part in (found.command, found.args))
    programs = frozenset((found.image, *(_base(word.text) for word in (*command, *args))))
    variables = tuple((name, where, text) for name, (where, text) in whole.items())
    return Started(programs, command, args, variables)


def words_of(text: Text) -> Iterator[Word]:
    """The words of a value, as a shell would split it, near enough."""
    for found in _WORD.finditer(text.text):
        start, end = found.span()
        word = found[0]
        if word[0] == "(":
            word = word[1:]
        if word[-1:] == ")" and "(" not in word:
            word = word[:-1]
        yield Word(word, text.origin(start, end), text.variable(start, end))


def _value(one: Variable, before: Mapping[str, Text], amount: Amount, configs: Configs) -> tuple[str, Text]:
    where = f"env {one.name}"
    if one.kind == LITERAL:
        return where, _expanded(Text(one.text), _references, before)
    if one.kind == RESOURCE:
        text = amount(one.container, one.text, one.divisor)
        text = BLANK if text is None else text
        return where, Text(text, ((0, len(text), one.name, one.text),))
    if one.kind == CONFIG:
        name, _, key = one.text.partition("/")
        known = (configs(name) or {}).get(key)
        if known is not None:
            return f"ConfigMap {name}: {key}", Text(known[:_MOST_CHARACTERS])
        return f"ConfigMap {name}: {key}", _unknown(one.name)
    return f"{where}, from {one.text}", _unknown(one.name)


def _unknown(name: str) -> Text:
    return Text(BLANK, ((0, 1, name, UNKNOWN),))


def _words(part: Sequence[str], values: Mapping[str, Text], in_shell: bool) -> Iterator[Word]:
    left = _MOST_WORDS
    for item in part:
        text = _expanded(Text(item), _references, values)
        if in_shell:
            text = _expanded(text, _shell_references, values)
        for word in words_of(text):
            left -= 1
            if left < 0:
                return
            yield word


_Reference = tuple[int, int, str]  # start, end, the variable; "" with a text of its own at `end`


def _references(text: str) -> Iterator[_Reference]:
    """Each `$(NAME)`, in one pass; `$$` stands for a dollar."""
    at, last = 0, text.rfind(")")
    while (at := text.find("$", at)) >= 0:
        after = text[at + 1 : at + 2]
        if after == "(" and at < last:
            end = text.index(")", at)
            yield at, end + 1, text[at + 2 : end]
            at = end + 1
        else:
            at += 2 if after == "$" else 1


def _shell_references(text: str) -> Iterator[_Reference]:
    for found in _IN_SHELL.finditer(text):
        yield found.start(), found.end(), found[1] or found[2]


def _expanded(
    text: Text, references: Callable[[str], Iterator[_Reference]], values: Mapping[str, Text]
) -> Text:
    """With the values of variables in the places of their names; what is named and not there stays."""
    if "$" not in text.text:
        return text
    pieces: list[str] = []
    spans: list[tuple[int, int, str, str]] = []
    at = size = 0
    for start, end, name in references(text.text):
        value, known = values.get(name), name
        if value is None:
            value, known = _default(text.text[start:end]), ""
        if value is None:
            continue
        size += _kept(text, at, start, size, spans)
        pieces += (text.text[at:start], value.text)
        if known:
            spans.append((size, size + len(value.text), known, ""))
        spans += ((size + begin, size + stop, inner, origin) for begin, stop, inner, origin in value.spans)
        size, at = size + len(value.text), end
        if size > _MOST_CHARACTERS or len(spans) > _MOST_SPANS:
            return _unknown(name)
    _kept(text, at, len(text.text), size, spans)
    return Text("".join([*pieces, text.text[at:]]), tuple(spans))


def _kept(text: Text, start: int, end: int, to: int, spans: list[tuple[int, int, str, str]]) -> int:
    """Moves the spans of a piece that stays; what it is long."""
    for begin, stop, name, origin in text.spans:
        if begin >= start and stop <= end:
            spans.append((begin - start + to, stop - start + to, name, origin))
    return end - start


def _default(reference: str) -> Text | None:
    """What a shell takes for `${NAME:-this}` when there is no such variable."""
    found = _IN_SHELL.fullmatch(reference)
    return Text(found[3]) if found and found[3] else None


def _base(word: str) -> str:
    return word.rpartition("/")[2]
