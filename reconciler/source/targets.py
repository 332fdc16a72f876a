"""What a person means by `NAMESPACE/KIND/NAME/CONTAINER`, as one container or as a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from reconciler.model import Container, ContainerRef, Discovery, Workload

GRAMMAR: Final = "[NAMESPACE/]KIND/NAME[/CONTAINER]"

# kubectl's short names beside the kinds; plurals are made from the kinds.
_SHORT: Final = {
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "rs": "ReplicaSet",
    "rc": "ReplicationController",
    "po": "Pod",
    "cj": "CronJob",
    "ro": "Rollout",
    "ksvc": "Service",
    "kservice": "Service",
    "kservices": "Service",
    "dc": "DeploymentConfig",
}
_KINDS: Final = (*dict.fromkeys(_SHORT.values()), "Job")
_WORDS: Final = {
    **_SHORT,
    **{kind.lower(): kind for kind in _KINDS},
    **{kind.lower() + "s": kind for kind in _KINDS},
}
_BRIEF: Final = {kind: word for word, kind in reversed(_SHORT.items())}
_MOST_CANDIDATES: Final = 20
_MOST_NEAR: Final = 5


class Found(NamedTuple):
    workload: Workload
    container: Container


class Missed(NamedTuple):
    """Why a target names no single container, and what it may have meant."""

    error: str
    candidates: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n  ".join((self.error, *self.candidates))


class Target(NamedTuple):
    """One way to read what was typed; "" is not said, and any will do."""

    cluster: str
    namespace: str
    kind: str  # as in the manifests when it is a known word, else as typed
    name: str
    container: str


def kind_of(word: str) -> str:
    """`deploy`, `deployments.apps`, `DEPLOYMENT` -> `Deployment`; "" for an unknown word."""
    return _WORDS.get(word.lower().partition(".")[0], "")


def short_kind(kind: str) -> str:
    """`Deployment` -> `deploy`, as kubectl abbreviates it; a kind without a short name as it is."""
    return _BRIEF.get(kind, kind)


def readings(text: str, kinds: Iterable[str] = ()) -> tuple[Target, ...] | Missed:
    """Every way to read a target. Three parts may lack the namespace or the container.

    `kinds` are kinds known beyond the built-in ones.
    """
    cluster, colon, rest = text.partition(":")
    parts = (rest if colon else text).split("/")
    if not 2 <= len(parts) <= 4 or not all(parts) or (colon and not cluster):
        return Missed(f"{text!r} is no target: write {GRAMMAR}")
    shapes = {
        2: (("", *parts, ""),),
        3: (("", *parts), (*parts, "")),
        4: (tuple(parts),),
    }[len(parts)]
    known = {kind.lower(): kind for kind in kinds}
    found = []
    for namespace, word, name, container in shapes:
        kind = kind_of(word) or known.get(word.lower(), "") or (word if _is_glob(word) else "")
        if kind:
            found.append(Target(cluster if colon else "", namespace, kind, name, container))
    return tuple(found) or _unknown_kind(text, [shape[1] for shape in shapes])


def find(discovery: Discovery, text: str, *, cluster: str = "", unit: str = "") -> Found | Missed:
    """The one container that the target means, or why there is no such one."""
    targets = readings(text, {workload.kind for workload in discovery.workloads})
    if isinstance(targets, Missed):
        return targets
    within = [w for w in discovery.workloads if _within(w, cluster, unit)]
    found = list(dict.fromkeys(hit for target in targets for hit in _hits(within, target)))
    if len(found) == 1:
        return found[0]
    if found:
        return _ambiguous(text, found)
    return _unknown(text, targets, within)


def matches(pattern: str, ref: ContainerRef, unit: str) -> bool:
    """Whether a container is one of those that `--only PATTERN` means.

    The grammar of a target with globs in every part; a name alone is a workload's; a pattern
    that begins with `./` is a folder, and means every unit in it and below.
    """
    if pattern.startswith("./"):
        return _in_folder(unit, pattern)
    if "/" not in pattern:
        return fnmatchcase(ref.workload, pattern)
    targets = readings(pattern, (ref.kind,))
    return not isinstance(targets, Missed) and any(_matches(target, ref) for target in targets)


def is_meant(only: Callable[[ContainerRef, str], bool], workload: Workload, ref: ContainerRef) -> bool:
    """By its own name, by its unit's, or by a folder that one of its files lies in."""
    folders = (path.rpartition("/")[0] or "." for path in workload.files)
    return any(only(ref, where) for where in dict.fromkeys((workload.unit, *folders)))


def nearest(pattern: str, refs: Iterable[ContainerRef]) -> tuple[str, ...]:
    """Workloads whose name is much like the one that was typed, as they can be typed."""
    parts = pattern.rpartition(":")[2].split("/")
    kinds = [at for at, word in enumerate(parts[:-1]) if kind_of(word)]
    word = parts[kinds[0] + 1] if kinds else parts[-1]
    named: dict[str, dict[str, None]] = {}
    for ref in sorted(refs):
        space = f"{ref.namespace}/" if ref.namespace else ""
        named.setdefault(ref.workload.lower(), {})[f"{space}{ref.kind}/{ref.workload}"] = None
    near = get_close_matches(word.strip("*?").lower(), named, n=3, cutoff=0.6)
    return tuple(found for name in near for found in named[name])[:_MOST_NEAR]


def malformed(pattern: str) -> str:
    """What is wrong with a pattern for `--only`; "" when nothing is."""
    if not pattern:
        return f"an empty pattern means nothing: write {GRAMMAR} with globs, a name, or ./FOLDER"
    if pattern.startswith("./") or "/" not in pattern:
        return ""
    targets = readings(pattern)
    return targets.error if isinstance(targets, Missed) else ""


def _is_glob(word: str) -> bool:
    return any(letter in word for letter in "*?[")


def _within(workload: Workload, cluster: str, unit: str) -> bool:
    folder = unit.strip("/").removeprefix("./") or "."
    return (not cluster or workload.cluster == cluster) and (not unit or workload.unit == folder)


def _hits(workloads: Sequence[Workload], target: Target) -> Iterator[Found]:
    for workload in workloads:
        if workload.name != target.name or workload.kind != target.kind:
            continue
        if target.namespace and workload.namespace != target.namespace:
            continue
        if target.cluster and workload.cluster != target.cluster:
            continue
        for container in _wanted(workload, target.container):
            yield Found(workload, container)


def _wanted(workload: Workload, name: str) -> Iterator[Container]:
    """The container of that name; without a name those that do the work, not the init ones."""
    for container in workload.containers:
        if container.ref.container == name if name else not container.init:
            yield container


def _matches(target: Target, ref: ContainerRef) -> bool:
    wanted = (target.cluster, target.namespace, target.kind, target.name, target.container)
    pairs = zip(ref, wanted, strict=True)
    return all(not glob or fnmatchcase(value.lower(), glob.lower()) for value, glob in pairs)


def _in_folder(unit: str, pattern: str) -> bool:
    folder = pattern.removeprefix("./").strip("/")
    return not folder or fnmatchcase(unit, folder) or fnmatchcase(unit, f"{folder}/*")


def _unknown_kind(text: str, words: Sequence[str]) -> Missed:
    near = [hit for word in words for hit in get_close_matches(word.lower(), _WORDS, n=1)]
    hint = f"; did you mean {near[0]!r}?" if near else f": write {GRAMMAR}, e.g. deploy/web"
    return Missed(f"{text!r} names no kind of workload{hint}")


def _ambiguous(text: str, found: Sequence[Found]) -> Missed:
    rows = [f"{hit.container.ref} in {hit.workload.path}:{hit.workload.line}" for hit in found]
    several = len({(hit.workload.path, hit.workload.line) for hit in found}) > 1
    hint = "name the namespace, or narrow with --cluster or --unit" if several else "name one"
    return Missed(f"{text!r} means {len(found)} containers: {hint}", _capped(rows))


def _unknown(text: str, targets: Sequence[Target], workloads: Sequence[Workload]) -> Missed:
    for target in targets:
        same = [w for w in workloads if (w.kind, w.name) == (target.kind, target.name)]
        if same and target.container:
            rows = [str(c.ref) for w in same for c in w.containers]
            return Missed(f"{text!r} is in no manifest here; these containers are", _capped(rows))
        if same:
            rows = [f"{w.namespace or '(no namespace)'}/{w.kind}/{w.name} in {w.path}" for w in same]
            return Missed(f"{text!r} is in no manifest here; the nearest are", _capped(rows))
    names = {f"{w.kind}/{w.name}": w for w in workloads}
    wanted = f"{targets[0].kind}/{targets[0].name}"
    near = get_close_matches(wanted, names, n=5, cutoff=0.7)
    rows = [f"{name} in {names[name].path}" for name in near]
    return Missed(f"{text!r} is in no manifest here" + ("; the nearest are" if rows else ""), tuple(rows))


def _capped(rows: Sequence[str]) -> tuple[str, ...]:
    more = len(rows) - _MOST_CANDIDATES
    return (*rows[:_MOST_CANDIDATES], *([f"and {more} more"] if more > 0 else []))
