"""`helm template`, called as Argo CD calls it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.rendering.messages import refusal, telling
from reconciler.rendering.parameters import escaped, in_files
from reconciler.rendering.sandbox import Limits, run
from reconciler.rendering.schemas import without_outside_schemas
from reconciler.rendering.tools import Tool, dotted
from reconciler.rendering.tree import temporary_tree, write_files
from reconciler.rendering.walls import Walls
from reconciler.source.render import HelmRequest, Parameter, Rendered

_CHART: Final = "chart"
_SKIPS_SCHEMAS: Final = (3, 16, 0)


def template(tool: Tool, request: HelmRequest, limits: Limits, walls: Walls) -> Rendered | Refused:
    """The chart's manifests, or helm's own reason why there are none."""
    request = in_files(request)
    impossible = _impossible(tool, request)
    if impossible:
        return impossible
    if not walls.without_network and tool.version >= _SKIPS_SCHEMAS and _has_packed(request):
        # What lies packed in a chart is not looked through, and its schema could name a server.
        request = request._replace(skip_schema_validation=True)
    with temporary_tree() as tree:
        wrong = _write(tree, request)
        if wrong:
            return wrong
        ran = run([str(tool.path), *arguments(request)], tree, limits, walls, [tool.path])
        if isinstance(ran, Refused):
            return ran
        if ran.status != 0:
            return _refused(ran.err, tree, request)
    try:
        return Rendered(ran.out.decode("utf-8"), str(tool))
    except UnicodeDecodeError:
        return Refused(Reason.RENDER_FAILED, "what it renders to is not UTF-8 text")


def arguments(request: HelmRequest) -> list[str]:
    """In helm, `--set-string` wins over `--set`, and both over files, wherever they stand."""
    numbered = range(len(request.values))
    return [
        "template",
        *("--namespace", request.namespace or "default"),
        *(("--kube-version", request.kube_version) if request.kube_version else ()),
        *_parameters(request.parameters),
        *(word for at, file in enumerate(request.file_parameters) for word in _file(at, file.name)),
        *(word for at in numbered for word in ("--values", f"values/{at}.yaml")),
        *(word for version in request.api_versions for word in ("--api-versions", version)),
        *(("--include-crds",) if request.include_crds else ()),
        *(("--skip-schema-validation",) if request.skip_schema_validation else ()),
        *(("--skip-tests",) if request.skip_tests else ()),
        "--",
        request.release,
        f"./{_CHART}",
    ]


def _parameters(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    """Each name once: Argo CD keeps them in a table, so that the last one holds."""
    for as_text, flag in ((False, "--set"), (True, "--set-string")):
        table = {one.name: one.value for one in parameters if one.as_text is as_text}
        for name, value in table.items():
            yield from (flag, f"{name}={escaped(value)}")


def _file(number: int, name: str) -> tuple[str, str]:
    return "--set-file", f"{name}=files/{number}"


def _impossible(tool: Tool, request: HelmRequest) -> Refused | None:
    if "Chart.yaml" not in request.chart:
        return Refused(Reason.RENDER_FAILED, "the chart has no Chart.yaml")
    if any(set(file.name) & set(",=\n") for file in request.file_parameters):
        # `a=x,b=/etc/passwd` would name a file of this machine.
        return Refused(Reason.RENDER_FAILED, "the name of a file parameter can't have ',' or '='")
    words = [*arguments(request)]
    if any("\0" in word for word in words):
        return Refused(Reason.RENDER_FAILED, "a parameter has a zero byte")
    if request.skip_schema_validation and tool.version < _SKIPS_SCHEMAS:
        needed = dotted(_SKIPS_SCHEMAS)
        return Refused(
            Reason.MISSING_TOOL, f"skipSchemaValidation needs helm {needed} or newer; this is {tool}"
        )
    return None


def _has_packed(request: HelmRequest) -> bool:
    return any(path.startswith("charts/") and path.endswith((".tgz", ".tar.gz")) for path in request.chart)


def _write(tree: Path, request: HelmRequest) -> Refused | None:
    values = {f"{at}.yaml": data for at, data in enumerate(request.values)}
    files = {str(at): one.content for at, one in enumerate(request.file_parameters)}
    return (
        write_files(tree / _CHART, without_outside_schemas(request.chart))
        or write_files(tree / "values", values)
        or write_files(tree / "files", files)
    )


def _refused(err: bytes, tree: Path, request: HelmRequest) -> Refused:
    defaults = (data for path, data in request.chart.items() if path.endswith("values.yaml"))
    files = (one.content.decode("utf-8", "replace") for one in request.file_parameters)
    texts = [line.strip() for text in files for line in text.splitlines()]
    given = (one.value for one in request.parameters if one.value.lower() not in ("true", "false", "null"))
    texts += [*given, *telling(request.chart)]
    return refusal(err, tree, [*request.values, *defaults], texts)
