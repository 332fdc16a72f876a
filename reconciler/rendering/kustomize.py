"""`kustomize build`, or the same in kubectl, called as Argo CD calls it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.model import Reason, Refused
from reconciler.rendering.lookout import look
from reconciler.rendering.messages import entries, refusal, telling
from reconciler.rendering.sandbox import Limits, run
from reconciler.rendering.schemas import packed_that_leads_outside, without_outside_schemas
from reconciler.rendering.tools import Missing, Tool, Tools
from reconciler.rendering.tree import path_error, temporary_tree, write_files
from reconciler.rendering.walls import Walls
from reconciler.source.layout import KUSTOMIZATIONS
from reconciler.source.mounts import applied
from reconciler.source.render import KustomizeRequest, Rendered

_TREE: Final = "files"
_RESTRICTORS: Final = {
    "LoadRestrictionsNone": "LoadRestrictionsNone",
    "LoadRestrictionsRootOnly": "LoadRestrictionsRootOnly",
    "none": "LoadRestrictionsNone",
    "rootOnly": "LoadRestrictionsRootOnly",
}
# Never passed on. A kustomization that has no plugin renders the same without them, and one that
# has is refused for it.
_DROPPED: Final = frozenset({"enable-alpha-plugins", "enable-exec", "helm-debug", "network"})
_MOST_READ: Final = 200  # files, for what a message may not say
_WITHOUT_HELM: Final = (
    "it inflates charts, and --enable-helm is not among the build options (`rendering.buildOptions` in the "
    "settings, `kustomize.buildOptions` of Argo CD)"
)
_HELM_TOO_NEW: Final = "this kustomize can't inflate charts with helm 4: give it helm 3, or a newer kustomize"
_HELM_KNOWS_VERSIONS: Final = (5, 3, 0)


class Options(NamedTuple):
    """Of `buildOptions`, what is passed on."""

    helm: bool = False
    restrictor: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


def build(tools: Tools, request: KustomizeRequest, limits: Limits, walls: Walls) -> Rendered | Refused:
    """The kustomization's manifests, or kustomize's own reason why there are none."""
    rewritten = applied(request)
    if isinstance(rewritten, Refused):
        return rewritten
    request = rewritten
    options = read_options(request.options)
    if isinstance(options, Refused):
        return options
    if isinstance(tools.kustomize, Missing):
        return Refused(Reason.MISSING_TOOL, tools.kustomize.why)
    if options.helm and isinstance(tools.helm, Missing):
        return Refused(Reason.MISSING_TOOL, f"--enable-helm: {tools.helm.why}")
    wrong = _folder_error(request.folder) or look(request.files, request.folder)
    if wrong:
        return wrong
    if options.helm:
        request = request._replace(files=without_outside_schemas(request.files))
        packed = None if walls.without_network else packed_that_leads_outside(request.files)
        if packed:
            return Refused(Reason.REMOTE_BASE, f"{packed} has a schema of values that may lead elsewhere")
    with temporary_tree() as tree:
        unwritten = write_files(tree / _TREE, request.files)
        if unwritten:
            return unwritten
        tool = tools.kustomize
        helm = [tools.helm.path] if options.helm and isinstance(tools.helm, Tool) else []
        words = [str(tool.path), *arguments(tool, helm, request, options)]
        ran = run(words, tree, limits, walls, [tool.path, *helm])
        if isinstance(ran, Refused):
            return ran
        if ran.status != 0:
            return _refused(ran.err, tree, request)
    try:
        return Rendered(ran.out.decode("utf-8"), _names(tools, options))
    except UnicodeDecodeError:
        return Refused(Reason.RENDER_FAILED, "what it renders to is not UTF-8 text")


def arguments(tool: Tool, helm: Sequence[Path], request: KustomizeRequest, options: Options) -> list[str]:
    knows = bool(helm) and tool.kustomize >= _HELM_KNOWS_VERSIONS
    kube = request.kube_version or options.kube_version
    versions = (*options.api_versions, *request.api_versions)
    return [
        "kustomize" if tool.name == "kubectl" else "build",
        f"./{_TREE}/{request.folder}".rstrip("/"),
        *(("--enable-helm", "--helm-command", str(helm[0])) if helm else ()),
        *(("--load-restrictor", options.restrictor) if options.restrictor else ()),
        *(("--helm-kube-version", kube) if knows and kube else ()),
        *(word for version in versions if knows for word in ("--helm-api-versions", version)),
    ]


def read_options(words: Sequence[str]) -> Options | Refused:
    """`--flag value`, `--flag=value` or all in one word, as `buildOptions` has them."""
    options = Options()
    rest = " ".join(words).split()
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("_", "-")
        if not word.startswith("--"):
            return _not_allowed(word)
        if name in _DROPPED:
            continue
        if name == "enable-helm" and value in ("", "true", "false"):
            options = options._replace(helm=value != "false")
            continue
        value = value if equals else rest.pop(0) if rest else ""
        if name == "load-restrictor" and value in _RESTRICTORS:
            options = options._replace(restrictor=_RESTRICTORS[value])
        elif name == "helm-kube-version" and value:
            options = options._replace(kube_version=value)
        elif name == "helm-api-versions" and value:
            options = options._replace(api_versions=(*options.api_versions, *value.split(",")))
        elif name != "helm-command":  # always the helm that was found
            return _not_allowed(word)
    return options


def identity(tools: Tools, request: KustomizeRequest) -> str:
    """The programs that answer this request."""
    options = read_options(request.options)
    return _names(tools, options) if isinstance(options, Options) else ""


def _names(tools: Tools, options: Options) -> str:
    used = [tools.kustomize, *([tools.helm] if options.helm else [])]
    return ", ".join(str(tool) if isinstance(tool, Tool) else f"no {tool.name}" for tool in used)


def _not_allowed(word: str) -> Refused:
    return Refused(Reason.PLUGIN, f"the build option {word[:60]!r} is none that is allowed here")


def _folder_error(folder: str) -> Refused | None:
    wrong = path_error(folder) if folder else ""
    return Refused(Reason.RENDER_FAILED, f"the folder {folder[:200]!r} {wrong}") if wrong else None


def _refused(err: bytes, tree: Path, request: KustomizeRequest) -> Refused:
    """Whatever a kustomization could have read may stand in a message; so all of it is looked at."""
    if b"must specify --enable-helm" in err:
        return Refused(Reason.RENDER_FAILED, _WITHOUT_HELM)
    if b"unknown shorthand flag: 'c'" in err:
        return Refused(Reason.MISSING_TOOL, _HELM_TOO_NEW)
    below = f"{request.folder}/" if request.folder else ""
    near = {path: data for path, data in request.files.items() if path.startswith(below)}
    others = (data for path, data in request.files.items() if path not in near and b"Secret" in data)
    values = [*islice(near.values(), _MOST_READ), *islice(others, _MOST_READ)]
    listed = [entries(data) for path, data in near.items() if path.rpartition("/")[2] in KUSTOMIZATIONS]
    return refusal(err, tree / _TREE, values, telling(request.files), set[str]().union(*listed))
