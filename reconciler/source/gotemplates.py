"""The templates of ApplicationSets, evaluated: Go's by Helm's own engine, the old `{{name}}` ones here.

Many texts go through one render: a chart of one template runs each text with its parameters as
the root, as Argo CD does for every field. Where the two would differ, it is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.source.render import HelmRequest, Renderer
from reconciler.source.typed import Table, Value, as_json, table, text

_ACTION: Final = re.compile(r"\{\{(?P<body>.*?)\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`|\'(?:[^\'\\\n]|\\.)*\')'
    r"|(?P<field>(?:\$[A-Za-z0-9_]*)?(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\$[A-Za-z0-9_]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<other>.)",
    re.DOTALL,
)
_FLOW: Final = frozenset(
    ["if", "else", "range", "with", "define", "block", "template", "end", "break", "continue"]
)
# What Helm's engine lacks or has of its own; what depends on the time, on chance or on a cluster.
_ONLY_HELM: Final = frozenset(
    ["include", "tpl", "required", "lookup", "toToml", "fromToml", "toYamlPretty", "mustToYaml"]
)
_ONLY_ARGO: Final = frozenset(["slugify", "getHostByName"])
_CHANGING: Final = frozenset(
    ["now", "ago", "uuidv4", "randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randInt", "randBytes",
     "shuffle", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey",
     "genSignedCert", "genSignedCertWithKey", "htpasswd", "bcrypt", "derivePassword", "encryptAES",
     "decryptAES", "env", "expandenv", "osBase", "osDir", "osExt", "osClean", "osIsAbs"]
)  # fmt: skip
_CHUNK: Final = 2_000
_MARK: Final = re.compile(r"^reconciled-([0-9]+): (.*)$", re.MULTILINE)
_CHART: Final = b"apiVersion: v2\nname: templates\nversion: 1.0.0\n"
_TEMPLATE: Final = b"""\
{{- range $at, $job := .Values.jobs }}
---
reconciled-{{ $at }}: {{ tpl $job.text $job.root | toJson | quote }}
{{- end }}
"""
# As Argo CD makes a name fit for DNS.
_HELPERS: Final = b"""\
{{- define "normalize" }}{{ regexReplaceAll "[^-a-z0-9.]" (lower .) "-" | trunc 253 | trimAll "-." }}{{ end }}
"""


class Job(NamedTuple):
    """One text, and the parameters that it is run with."""

    text: str
    root: Table


def is_template(words: str) -> bool:
    return "{{" in words


def evaluate(jobs: Sequence[Job], renderer: Renderer | None, *, strict: bool) -> list[str | Refused]:
    """What each text becomes. `strict`: an unknown parameter is an error (`missingkey=error`)."""
    answers: dict[int, str | Refused] = {}
    waiting: list[tuple[int, Job]] = []
    for at, job in enumerate(jobs):
        prepared = _prepared(job, strict=strict)
        if isinstance(prepared, Refused) or not is_template(job.text):
            answers[at] = prepared if isinstance(prepared, Refused) else job.text
        else:
            waiting.append((at, job._replace(text=prepared)))
    for start in range(0, len(waiting), _CHUNK):
        chunk = waiting[start : start + _CHUNK]
        for (at, _), answer in zip(chunk, _rendered([job for _, job in chunk], renderer), strict=True):
            answers[at] = answer
    return [answers[at] for at in range(len(jobs))]


def _rendered(jobs: list[Job], renderer: Renderer | None) -> Sequence[str | Refused]:
    if renderer is None:
        refused = Refused(Reason.UNSUPPORTED, "its Go templates need Helm, which is not at hand")
        return [refused] * len(jobs)
    values: Value = {"jobs": [{"text": job.text, "root": job.root} for job in jobs]}
    chart = {"Chart.yaml": _CHART, "templates/all.yaml": _TEMPLATE, "templates/_helpers.tpl": _HELPERS}
    found = renderer.render(HelmRequest(chart, (as_json(values),), (), "templates", "default"))
    if isinstance(found, Refused):
        if len(jobs) == 1:
            words = f"the template {_shortly(jobs[0].text)} can't be evaluated: {found.detail}"
            return [found._replace(detail=words)]
        if found.reason in (Reason.UNSUPPORTED, Reason.UNKNOWN_SOURCE):
            return [found] * len(jobs)
        return _one_by_one(jobs, renderer, found)
    lines = {int(each[1]): each[2] for each in _MARK.finditer(found.text)}
    answers = [answer for at in range(len(jobs)) if (answer := _unpacked(lines.get(at, ""))) is not None]
    if len(answers) != len(jobs):
        return [Refused(Reason.UNSUPPORTED, "its templates did not all come out of Helm")] * len(jobs)
    return answers


def _one_by_one(jobs: list[Job], renderer: Renderer, found: Refused) -> list[Refused]:
    """Which of many texts broke the render: the first whose own render fails speaks for all."""
    for job in {job.text: job for job in jobs}.values():
        answer = _rendered([job], renderer)[0]
        if isinstance(answer, Refused):
            return [answer] * len(jobs)
    return [found] * len(jobs)


def _unpacked(line: str) -> str | None:
    try:
        found = json.loads(json.loads(line))
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _prepared(job: Job, *, strict: bool) -> str | Refused:
    """The text as Helm's engine takes it, or why it can't be left to it."""
    unknown: list[str] = []
    flows = False
    parts: list[str] = []
    done = 0
    for action in _ACTION.finditer(job.text):
        parts.append(job.text[done : action.start("body")])
        done = action.end("body")
        for token in _TOKEN.finditer(action["body"]):
            word = token["word"]
            if word in _ONLY_ARGO or word in _ONLY_HELM or word in _CHANGING:
                return Refused(
                    Reason.UNSUPPORTED, f"its template uses `{word}`, which can't be evaluated here"
                )
            flows = flows or word in _FLOW or bool(token["field"] and token["field"].startswith("$"))
            parts.append('include "normalize"' if word == "normalize" else token[0])
            behind = action["body"][: token.start()].endswith(")")
            if token["field"] and not behind and not _leads(token["field"], job.root):
                unknown.append(token["field"])
    if unknown and not flows:
        told = "makes it fail" if strict else "stands as `<no value>` then"
        words = f"its template reads {unknown[0]}, which is no parameter of it and {told}"
        return Refused(Reason.NOT_DEPLOYABLE, words)
    return "".join(parts) + job.text[done:]


def _leads(field: str, root: Table) -> bool:
    """Whether a chain of fields leads to something."""
    found: Value = root
    for key in field.lstrip("$").lstrip(".").split("."):
        if not isinstance(found, dict):
            return False
        if key and key not in found:
            return False
        found = found[key] if key else found
    return True


def substitute(words: str, parameters: Mapping[str, Value]) -> str:
    """The old way: `{{name}}` is a parameter's text; what is no parameter stays as it is."""

    def value(found: re.Match[str]) -> str:
        replacement = parameters.get(found["body"].strip())
        return replacement if isinstance(replacement, str) else found[0]

    return _ACTION.sub(value, words) if is_template(words) else words


def _shortly(words: str) -> str:
    words = " ".join(words.split())
    return f"`{words}`" if len(words) <= 80 else f"`{words[:77]}…`"


# -- whole values -----------------------------------------------------------------------------------


def templates_in(value: Value) -> list[str]:
    """Every text, keys of mappings included, that holds a template."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            found |= dict.fromkeys(key for key in each if is_template(key))
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and is_template(each):
            found[each] = None
    return list(found)


def filled(value: Value, answers: Mapping[str, str]) -> Value:
    """A value with every template in it replaced by what it became."""
    if isinstance(value, dict):
        return {answers.get(key, key): filled(each, answers) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, answers) for each in value]
    return answers.get(value, value) if isinstance(value, str) else value


class Language(NamedTuple):
    """How the templates of one ApplicationSet are written."""

    go: bool
    strict: bool

    def fill(self, value: Value, roots: Sequence[Table], renderer: Renderer | None) -> list[Value | Refused]:
        """The value once for each set of parameters."""
        found = templates_in(value)
        if not self.go:
            return [filled(value, {each: substitute(each, root) for each in found}) for root in roots]
        jobs = [Job(each, root) for root in roots for each in found]
        answers = evaluate(jobs, renderer, strict=self.strict)
        filled_values: list[Value | Refused] = []
        for at in range(len(roots)):
            own = answers[at * len(found) : (at + 1) * len(found)]
            refused = next((each for each in own if isinstance(each, Refused)), None)
            told = {key: each for key, each in zip(found, own, strict=True) if isinstance(each, str)}
            filled_values.append(refused or filled(value, told))
        return filled_values


def language(spec: Table) -> Language:
    options = spec.get("goTemplateOptions")
    strict = isinstance(options, list) and "missingkey=error" in map(text, options)
    return Language(table(spec).get("goTemplate") is True, strict)
