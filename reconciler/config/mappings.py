"""`fields:` of a policy: which values of which files are fields of which container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reconciler.config import fieldpaths
from reconciler.config.fields import UNSET, Glob, Line, Written
from reconciler.model import FIELDS, FieldMapping, MappedValue, Template
from reconciler.model import Field as Slot

_RESOURCES: Final = tuple(field for field in FIELDS if field is not Slot.IMAGE)


def _path(text: str) -> str:
    fieldpaths.path(text)
    return text


def _single(text: str) -> str:
    if fieldpaths.path(text).is_many:
        raise ValueError("expected a path to one value: what can be many goes into `each`")
    return text


def _files(text: str) -> str:
    if text.startswith("!") or not text.strip("/"):
        raise ValueError("expected a path like attributes/**/*.json; '!' is not known here")
    return text


def _one_path(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _texts(value: object) -> object:
    """One text is a list of one. Numbers and flags are the text that they were written as, or nearly."""
    many = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool | int) else one for one in many]


AnyPath = Annotated[Line, AfterValidator(_path)]
OnePath = Annotated[Line, AfterValidator(_single)]
Texts = Annotated[
    tuple[Glob | None, ...],
    BeforeValidator(_texts, json_schema_input_type=Glob | bool | int | None | list[Glob | bool | int | None]),
]


class CpuPlace(Written):
    """Where the document holds a CPU value."""

    path: OnePath = Field(description="The way to the value.")
    unit: Literal["cores", "millicores"] = Field(
        default=UNSET, description="What a plain number counts there; without it, it is as in Kubernetes."
    )


class MemoryPlace(Written):
    """Where the document holds a memory value."""

    path: OnePath = Field(description="The way to the value.")
    unit: Literal["bytes", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"] = Field(
        default=UNSET, description="What a plain number counts there; without it, it is as in Kubernetes."
    )


class PartPlace(Written):
    """Where the document holds the tag or the digest of an image alone."""

    path: OnePath = Field(description="The way to the value.")
    repository: Line = Field(
        default=UNSET, description="The rest of the image: text, with {paths} for what the document says."
    )


AnyCpuPlace = Annotated[CpuPlace, BeforeValidator(_one_path, json_schema_input_type=OnePath | CpuPlace)]
AnyMemoryPlace = Annotated[
    MemoryPlace, BeforeValidator(_one_path, json_schema_input_type=OnePath | MemoryPlace)
]
AnyPartPlace = Annotated[PartPlace, BeforeValidator(_one_path, json_schema_input_type=OnePath | PartPlace)]


class Values(Written):
    """Which field of the container stands where."""

    resources: OnePath = Field(
        default=UNSET, description="A block with requests and limits, as Kubernetes writes it."
    )
    cpu_request: AnyCpuPlace = Field(
        default=UNSET, alias="requests.cpu", description="The CPU request alone."
    )
    memory_request: AnyMemoryPlace = Field(
        default=UNSET, alias="requests.memory", description="The memory request alone."
    )
    cpu_limit: AnyCpuPlace = Field(default=UNSET, alias="limits.cpu", description="The CPU limit alone.")
    memory_limit: AnyMemoryPlace = Field(
        default=UNSET, alias="limits.memory", description="The memory limit alone."
    )
    image: OnePath = Field(default=UNSET, description="The image as a whole: NAME:TAG or NAME@DIGEST.")
    image_tag: AnyPartPlace = Field(
        default=UNSET, alias="image.tag", description="The tag of the image, where it stands alone."
    )
    image_digest: AnyPartPlace = Field(
        default=UNSET, alias="image.digest", description="The digest of the image, where it stands alone."
    )

    @model_validator(mode="after")
    def _told_once(self) -> Values:
        if not self.model_fields_set:
            raise ValueError("it names no value: say at least one, like requests.cpu")
        images = [name for name in ("image", "image_tag", "image_digest") if getattr(self, name) is not None]
        if len(images) > 1:
            raise ValueError("image, image.tag and image.digest are one field: say one of them")
        return self


class MappingEntry(Written):
    """Values that no manifest of a workload holds, and what they mean."""

    name: Line = Field(default=UNSET, description="What it is called in reports.")
    files: tuple[Annotated[Glob, AfterValidator(_files)], ...] = Field(
        default=UNSET, description="Which files, as in a .gitignore. Without it: all YAML and JSON."
    )
    when: Mapping[AnyPath, Texts] = Field(
        default=UNSET,
        description="What a document holds that is meant: paths, and the texts that may stand there; "
        "null for nothing.",
    )
    each: AnyPath = Field(
        default=UNSET, description="The way to every part of a document that means a container of its own."
    )
    container: Line = Field(
        description="Whose the values are: [NAMESPACE/]KIND/NAME/CONTAINER, with {paths} for what is read."
    )
    values: Values = Field(description="Which field stands where.")
    missing: Literal["add", "leave"] = Field(
        default="leave",
        description="leave: it means a document that has one of the values. add: also one that has none yet.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> MappingEntry:
        if self.each is not None and fieldpaths.path(self.each).relative:
            raise ValueError("each: expected a path that begins at the top, without a '.' before it")
        for key, text in self._paths():
            if fieldpaths.path(text).relative and self.each is None:
                raise ValueError(f"{key}: {text!r} begins where `each` led, and there is no `each`")
        self._templates()
        if self.missing == "add" and self.when is None and self.files is None:
            raise ValueError("missing: add needs `files` or `when`: else every document would be meant")
        return self

    def _templates(self) -> None:
        parts = (self.values.image_tag, self.values.image_digest)
        try:
            fieldpaths.container(self.container, self._names)
            for part in parts:
                fieldpaths.template(part.repository if part and part.repository else "", self._names)
        except ValueError as error:
            raise ValueError(f"container or repository: {error}") from None

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(fieldpaths.path(self.each).names) if self.each is not None else frozenset()

    def _paths(self) -> Iterator[tuple[str, str]]:
        for name in self.values.model_fields_set:
            found = getattr(self.values, name)
            if found is not None:
                yield name, found if isinstance(found, str) else found.path

    def mapping(self, where: str, repository: str) -> FieldMapping:
        """As a record, for whoever reads documents."""
        each = fieldpaths.path(self.each).steps if self.each is not None else ()
        conditions = (self.when or {}).items()
        return FieldMapping(
            self.name or self.container,
            tuple(self.files or ()),
            tuple((fieldpaths.path(path).steps, tuple(texts)) for path, texts in conditions),
            each,
            fieldpaths.container(self.container, self._names),
            tuple(self._values()),
            self.missing == "add",
            repository,
            where,
        )

    def _values(self) -> Iterator[MappedValue]:
        said = self.values
        if said.resources is not None:
            block = fieldpaths.path(said.resources)
            for field in _RESOURCES:
                if getattr(said, _attribute(field)) is None:
                    steps = fieldpaths.below(block.steps, *field.value.split("."))
                    yield MappedValue(field, steps, block.relative)
        for field in _RESOURCES:
            place = getattr(said, _attribute(field))
            if place is not None:
                found = fieldpaths.path(place.path)
                yield MappedValue(field, found.steps, found.relative, place.unit or "")
        if said.image is not None:
            found = fieldpaths.path(said.image)
            yield MappedValue(Slot.IMAGE, found.steps, found.relative)
        for place, form in ((said.image_tag, "tag"), (said.image_digest, "digest")):
            if place is not None:
                yield self._part(place, form)

    def _part(self, place: PartPlace, form: str) -> MappedValue:
        found = fieldpaths.path(place.path)
        rest: Template = fieldpaths.template(place.repository, self._names) if place.repository else ()
        return MappedValue(Slot.IMAGE, found.steps, found.relative, form, rest)


def _attribute(field: Slot) -> str:
    which, _, resource = field.value.partition(".")
    return f"{resource}_{which.removesuffix('s')}"
