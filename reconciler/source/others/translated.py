"""The rules by which other tools choose tags, in the words of our policies; and what has no such words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from reconciler.source.others.imageupdater import Tracked, listed
from reconciler.source.others.matching import is_matched
from reconciler.source.others.names import shown
from reconciler.source.others.renovate import Config, Updated
from reconciler.source.typed import Table, Thing, Value, table, table_of, text, texts

Setting = str | tuple[str, ...] | bool


class Ruling(NamedTuple):
    """What holds for an image. `settings` are keys of `images` in a policy."""

    tool: str  # what the policy is called by: image-updater, flux, renovate
    name: str
    origin: str  # who says it, in words
    settings: tuple[tuple[str, Setting], ...]
    lost: tuple[str, ...] = ()  # what of it has no word of ours, and what to do
    refused: str = ""  # why none of it can be taken over


def _ruling(
    tool: str, name: str, origin: str, settings: Mapping[str, Setting], lost: list[str], refused: str = ""
) -> Ruling:
    return Ruling(tool, name, origin, tuple(settings.items()), tuple(lost), refused)


# -- Argo CD Image Updater ------------------------------------------------------------------------

_UPDATER_STRATEGIES: Final = {
    "": "semver",
    "semver": "semver",
    "newest-build": "newest",
    "latest": "newest",
    "digest": "digest",
    "alphabetical": "alphabetical",
    "name": "alphabetical",
}


def of_image_updater(rule: Tracked, app: str) -> Ruling:
    origin = rule.words
    said = rule.settings.get("update-strategy", "")
    strategy = _UPDATER_STRATEGIES.get(said)
    refused = "it is paused (ignore-tags: *)" if rule.paused else ""
    if strategy is None:
        refused = f"its update-strategy {shown(said)} is none, so that semver holds by mistake"
    allowed = rule.settings.get("allow-tags", "any")
    settings: dict[str, Setting] = {"strategy": strategy or ""}
    lost = list(_lost_of_image_updater(rule, strategy or ""))
    if strategy == "semver" and rule.constraint:
        settings["range"] = rule.constraint
    if allowed.startswith("regexp:"):
        settings["filter"] = allowed.removeprefix("regexp:")
    elif allowed != "any":
        refused = refused or f"its allow-tags {shown(allowed)} can't be read, so that no tag is allowed"
    if rule.ignored:
        settings["ignore"] = tuple(each.replace("[^", "[!") for each in rule.ignored)
    if listed(rule.settings.get("platforms", "")):
        settings["platforms"] = listed(rule.settings["platforms"])
    return _ruling("image-updater", app, origin, settings, lost, refused)


def _lost_of_image_updater(rule: Tracked, strategy: str) -> Iterator[str]:
    if rule.constraint and strategy in ("newest", "alphabetical"):
        yield f"the constraint {shown(rule.constraint)}, which this strategy doesn't look at"
    if rule.constraint and strategy == "digest":
        yield f"the tag {shown(rule.constraint)}: the tag that stands in Git is the one that is followed"
    if rule.settings.get("pull-secret"):
        secret = shown(rule.settings["pull-secret"])
        yield f"pull-secret {secret}: say as whom to ask the registry under registries in the settings"


# -- Flux -----------------------------------------------------------------------------------------

_ORDERED: Final = ("numerical", "alphabetical")


def of_flux(policy: Thing, repository: Thing | None) -> Ruling:
    spec = table(policy.body.get("spec"))
    settings: dict[str, Setting] = {}
    refused = "" if table(spec.get("policy")) else "it names no policy"
    if spec.get("suspend") is True:
        refused = "it is suspended"
    settings.update(_flux_order(table(spec.get("policy"))))
    if not settings:
        refused = refused or "it has none of semver, numerical and alphabetical"
    tags = table(spec.get("filterTags"))
    for key, ours in (("pattern", "filter"), ("extract", "extract")):
        if text(tags.get(key)):
            settings[ours] = text(tags.get(key))
    lost = list(_lost_of_flux(repository))
    reflected = text(spec.get("digestReflectionPolicy"))
    if reflected in ("Always", "IfNotPresent"):
        settings["digest"] = "pin"
    if reflected == "IfNotPresent":
        lost.append("digestReflectionPolicy IfNotPresent: a tag that is pushed anew is followed, too")
    origin = f"Flux (ImagePolicy {shown(policy.name)} in {policy.path}:{policy.line})"
    return _ruling("flux", policy.name, origin, settings, lost, refused)


def _flux_order(chosen: Table) -> Iterator[tuple[str, Setting]]:
    if "semver" in chosen:
        yield "strategy", "semver"
        yield "range", text(table_of(chosen, "semver").get("range"))
        return
    for name in _ORDERED:
        if name in chosen:
            yield "strategy", name
            yield "order", text(table_of(chosen, name).get("order")) or "asc"
            return


def _lost_of_flux(repository: Thing | None) -> Iterator[str]:
    spec = table(repository.body.get("spec")) if repository is not None else {}
    secret = text(table_of(spec, "secretRef").get("name"))
    if secret:
        yield f"secretRef {shown(secret)}: say as whom to ask the registry under registries in the settings"
    if text(spec.get("provider")) not in ("", "generic"):
        yield f"provider {shown(text(spec.get('provider')))}: say it under registries in the settings"
    if "certSecretRef" in spec:
        yield "certSecretRef: name the authority under registries in the settings"
    listed_out = [each for each in texts(spec.get("exclusionList")) if each != r"^.*\.sig$"]
    if listed_out:
        yield f"exclusionList {shown(', '.join(listed_out))}: say it with ignore, as patterns"


# -- Renovate -------------------------------------------------------------------------------------

_AGE: Final = re.compile(r"([0-9]{1,4})\s*(h|hours?|d|days?|w|weeks?|months?)")
_DAYS: Final = {"d": 1, "w": 7, "m": 30}
_OURS: Final = ("minimumReleaseAge", "stabilityDays", "allowedVersions", "pinDigests", "ignoreUnstable")
_SAME: Final = ("", "docker", "semver", "semver-coerced", "loose")
_SILENT: Final = ("enabled", "description", "versioning", *_OURS)
_STEPS: Final = ("major", "minor", "patch")
_TOP: Final = (*_OURS, *_STEPS, "versioning", "automerge")
_MOST_LOST: Final = 20


def of_renovate(config: Config, one: Updated, manager: str, tag: str) -> Ruling:
    """What all of its rules together say of one image."""
    said: dict[str, Value] = {}
    off: set[str] = set()
    lost: dict[str, None] = {}
    for where, layer in _layers(config, one, manager, lost):
        types = texts(layer.get("matchUpdateTypes"))
        off |= {
            kind for kind in ("major", "minor", "patch") if table(layer.get(kind)).get("enabled") is False
        }
        if types and layer.get("enabled") is False:
            off |= set(types)
        elif types:
            lost[f"{where}, which is about {shown(', '.join(types))} alone"] = None
        else:
            said.update({key: layer[key] for key in (*_OURS, "versioning") if key in layer})
            lost.update(_lost_of_renovate(where, layer))
    settings: dict[str, Setting] = {"strategy": "auto"}
    settings.update(_renovated(said, tag, lost))
    settings.update(_level(off, lost))
    if config.presets:
        lost[f"its presets ({shown(', '.join(config.presets))}), which lie elsewhere"] = None
    name = config.path.rpartition("/")[2].lstrip(".").partition(".")[0]
    return _ruling("", name, f"Renovate ({config.path})", settings, list(lost)[:_MOST_LOST])


def _layers(config: Config, one: Updated, manager: str, lost: dict[str, None]) -> Iterator[tuple[str, Table]]:
    """What is said of the image, the weakest first."""
    yield config.path, {key: value for key, value in config.body.items() if key in _TOP}
    yield manager, {key: value for key, value in table(config.body.get(manager)).items() if key in _TOP}
    for number, rule in enumerate(config.rules):
        where = f"packageRules[{number}]"
        asked = {key: value for key, value in rule.items() if key != "matchUpdateTypes"}
        matched = is_matched(asked, manager, one.path, one.names)
        if matched is None:
            lost[f"{where}, which asks for what isn't known here"] = None
        elif matched:
            yield where, rule


def _lost_of_renovate(where: str, layer: Table) -> Iterator[tuple[str, None]]:
    versioning = text(layer.get("versioning"))
    if versioning not in _SAME:
        yield f"{where}: versioning {shown(versioning)}", None
    others = [
        key for key in layer if key not in (*_SILENT, *_STEPS) and not key.startswith(("match", "exclude"))
    ]
    if others:
        yield f"{where}: {shown(', '.join(sorted(others)))}", None


def _renovated(said: Mapping[str, Value], tag: str, lost: dict[str, None]) -> Iterator[tuple[str, Setting]]:
    allowed = text(said.get("allowedVersions"))
    if allowed.startswith("/") and allowed.endswith("/") and len(allowed) > 2:
        yield "filter", allowed[1:-1]
    elif allowed and ("-" in tag or allowed.startswith("!")):
        lost[f"allowedVersions {shown(allowed)}: a range leaves out tags such as {shown(tag)}"] = None
    elif allowed:
        yield "strategy", "semver"
        yield "range", allowed
    age = text(said.get("minimumReleaseAge")) or _of_days(said.get("stabilityDays"))
    days = _days(age)
    if days:
        yield "minimumAge", f"{days}d"
    elif age:
        lost[f"minimumReleaseAge {shown(age)}"] = None
    if said.get("pinDigests") is True:
        yield "digest", "pin"
    if said.get("ignoreUnstable") is False:
        yield "preReleases", True


def _of_days(said: Value) -> str:
    return f"{said} days" if isinstance(said, int) and not isinstance(said, bool) and said > 0 else ""


def _days(age: str) -> int:
    """Whole ones, rounded up; 0 for what can't be read, and for what is too long for a policy."""
    found = _AGE.fullmatch(age.strip().lower())
    if found is None:
        return 0
    number, unit = int(found[1]), found[2][0]
    days = -(-number // 24) if unit == "h" else number * _DAYS[unit]
    return days if days <= 366 else 0


def _level(off: set[str], lost: dict[str, None]) -> Iterator[tuple[str, Setting]]:
    if off and not off <= {"major", "minor"}:
        lost[f"no updates of kind {shown(', '.join(sorted(off - {'major', 'minor'})))}"] = None
    if "major" in off:
        yield "level", "patch" if "minor" in off else "minor"
    elif "minor" in off:
        lost["no minor updates, but major ones"] = None
