"""From an ApplicationSet to the Applications that Argo CD makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.source.applications import GROUP, Application, Origin
from reconciler.source.context import Context
from reconciler.source.generators import MOST, Generators, merged
from reconciler.source.gotemplates import Language, language
from reconciler.source.typed import Table, Thing, Value, items, merge_patch, table, text, values_in

FilesOf = Callable[[Table], tuple[tuple[str, str], ...]]
_INLINE: Final = ("source", "sources", "sourceHydrator")


def is_set(thing: Thing) -> bool:
    return thing.group == GROUP and thing.kind == "ApplicationSet"


def applications_of(thing: Thing, context: Context) -> list[Application]:
    """Every Application of a set. A generator that can't be worked out is refused alone."""
    spec = table(thing.body.get("spec"))
    written = language(spec)
    tree = context.repositories.named(thing.repository)
    generators = Generators(written, context, tree)
    found: list[Application] = []
    for generator in items(spec.get("generators")):
        made = generators.parameters(generator)
        if isinstance(made, Refused):
            context.refuse(thing, made)
            continue
        if len(found) + len(made) > MOST:
            words = f"its generators make more than {MOST} Applications"
            context.refuse(thing, Refused(Reason.UNSUPPORTED, words))
            break
        found += _Stamp(thing, spec, table(generator), written, context).applications(
            made, generators.files_of
        )
    return found


class _Stamp:
    """Stamps out the Applications of one generator."""

    def __init__(
        self, thing: Thing, spec: Table, generator: Table, written: Language, context: Context
    ) -> None:
        self._thing = thing
        self._spec = spec
        self._written = written
        self._context = context
        own = _own_template(generator)
        self._template = merged(table(spec.get("template")), own)
        self._overrides = bool(table(own.get("spec")))

    def applications(self, made: list[Table], files_of: FilesOf) -> list[Application]:
        fill, renderer = self._written.fill, self._context.renderer
        bodies = fill(self._template, made, renderer)
        patch = self._spec.get("templatePatch")
        patches: list[Value | Refused] = fill(patch, made, renderer) if patch else [None] * len(made)
        found = []
        refusals: dict[str, Refused] = {}
        for parameters, body, patching in zip(made, bodies, patches, strict=True):
            answer = self._application(body, patching)
            if isinstance(answer, Refused):
                refusals.setdefault(answer.detail, answer)
            else:
                found.append(answer._replace(read=files_of(parameters)))
        for refused in list(refusals.values())[:5]:
            self._context.refuse(self._thing, refused)
        return found

    def _application(self, body: Value | Refused, patching: Value | Refused) -> Application | Refused:
        if isinstance(body, Refused):
            return body
        if isinstance(patching, Refused):
            return patching
        patch = _patch(text(patching)) if patching else {}
        if isinstance(patch, Refused):
            return patch
        whole = table(merge_patch(body, {**patch, "spec": _without_project(table(patch.get("spec")))}))
        metadata, spec = table(whole.get("metadata")), table(whole.get("spec"))
        name = text(metadata.get("name"))
        if not name:
            return Refused(Reason.NOT_DEPLOYABLE, "an Application of it has no name")
        thing = self._thing
        origin = Origin(
            thing.repository,
            thing.path,
            thing.line,
            thing.document,
            (*thing.keys, "spec", "template"),
            self._inline_refusal(patch),
        )
        template = table(self._template.get("spec"))
        annotations, labels = table(metadata.get("annotations")), table(metadata.get("labels"))
        return Application(name, thing.namespace, spec, origin, annotations, template, labels=labels)

    def _inline_refusal(self, patch: Table) -> Refused | None:
        if any(key in table(patch.get("spec")) for key in _INLINE):
            return Refused(Reason.TEMPLATE, "the ApplicationSet's templatePatch has a say in it")
        if self._overrides:
            return Refused(Reason.TEMPLATE, "a generator of the ApplicationSet has a template of its own")
        return None


def _own_template(generator: Table) -> Table:
    """The template that a generator brings, which wins over that of the set."""
    found = (table(table(each).get("template")) for each in generator.values())
    return next((each for each in found if each), {})


def _patch(words: str) -> Table | Refused:
    found = values_in(words)
    if isinstance(found, Refused):
        return found._replace(detail=f"its templatePatch: {found.detail}")
    if found is not None and not isinstance(found, dict):
        return Refused(Reason.NOT_DEPLOYABLE, "its templatePatch is no mapping")
    if "$patch" in words or "$deleteFromPrimitiveList" in words:
        return Refused(Reason.UNSUPPORTED, "its templatePatch has directives, which are not followed")
    return table(found)


def _without_project(spec: Table) -> Table:
    return {key: value for key, value in spec.items() if key != "project"}
