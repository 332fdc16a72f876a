"""Renovate: which images its configuration in a repository makes it update.

Presets that the configuration extends lie elsewhere and aren't read. Whatever isn't surely left alone
counts as updated: a value that two tools change is worse than one that waits for a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconciler.model import Key, Refused
from reconciler.source import globs
from reconciler.source.others import json5
from reconciler.source.others.matching import covered, file_matches, is_matched
from reconciler.source.others.names import shown
from reconciler.source.trees import Tree
from reconciler.source.typed import Table, items, table, text, texts
from reconciler.source.yamledit import decode

# In the order in which it looks for them; the first counts.
FILES: Final = (
    "renovate.json",
    "renovate.jsonc",
    "renovate.json5",
    ".github/renovate.json",
    ".github/renovate.jsonc",
    ".github/renovate.json5",
    ".gitlab/renovate.json",
    ".gitlab/renovate.jsonc",
    ".gitlab/renovate.json5",
    ".renovaterc",
    ".renovaterc.json",
    ".renovaterc.jsonc",
    ".renovaterc.json5",
    "package.json",
)
_DEFAULTS: Final = {
    "kubernetes": (),
    "helm-values": (r"/(^|/)values\.ya?ml$/",),
    "kustomize": (r"/(^|/)kustomization\.ya?ml$/",),
    "argocd": (),
    "flux": (r"/(?:^|/)gotk-components\.ya?ml$/",),
}
_PARTS: Final = ("tag", "version", "digest")
_CUSTOM: Final = ("customManagers", "regexManagers")
_MOST_RULES: Final = 2000


class Config(NamedTuple):
    """Its configuration in one repository."""

    path: str
    body: Table
    unread: str = ""  # why it can't be read; then what Renovate does without any counts

    @property
    def presets(self) -> tuple[str, ...]:
        return texts(self.body.get("extends"))

    @property
    def rules(self) -> tuple[Table, ...]:
        return tuple(map(table, items(self.body.get("packageRules"))[:_MOST_RULES]))


class Updated(NamedTuple):
    """A place of an image, as far as Renovate's rules ask."""

    path: str
    keys: tuple[Key, ...]
    line: int
    names: tuple[str, ...]  # every way to write the image's name
    block: bool = False  # within a text that only looks like YAML
    alone: bool = False  # a tag beside which no `repository` stands


def config_of(tree: Tree) -> Config | None:
    """None where the repository has none."""
    for path in FILES:
        if not tree.has_file(path):
            continue
        source = decode(tree.read(path) or b"")
        try:
            found = None if isinstance(source, Refused) else json5.read(source)
        except json5.BadJson5Error as bad:
            if path == "package.json":
                continue
            return Config(path, {}, str(bad))
        if path == "package.json":
            if isinstance(found, dict) and isinstance(found.get("renovate"), dict):
                return Config(path, table(found["renovate"]))
            continue
        return Config(path, table(found)) if isinstance(found, dict) else Config(path, {}, "it is no mapping")
    return None


def manager_of(config: Config, one: Updated, data: bytes | None) -> str:
    """The manager by which Renovate updates a place; "" where it doesn't."""
    body = config.body
    off = body.get("enabled") is False or ":disableRenovate" in config.presets
    if off and body.get("enabled") is not True:
        return ""
    if not _is_looked_at(body, one.path):
        return ""
    managers = [name for name in _DEFAULTS if _may_manage(body, name, one)]
    if _is_covered(body, one, data):
        managers.append("custom")
    return next((name for name in managers if _is_enabled(config, name, one)), "")


def words(config: Config, manager: str) -> str:
    """Who updates it, for a sentence."""
    how = f"{config.path}, manager {manager}"
    if config.unread:
        how += f"; it can't be read here: {shown(config.unread)}"
    elif config.presets:
        how += f"; what {shown(', '.join(config.presets))} says is not known here"
    return f"Renovate ({how})"


def _is_looked_at(body: Table, path: str) -> bool:
    ignored, only = texts(body.get("ignorePaths")), texts(body.get("includePaths"))
    if any(each in path or globs.doublestar(each)(path) for each in ignored if each):
        return False
    return not only or any(each == path or globs.doublestar(each)(path) for each in only)


def _may_manage(body: Table, name: str, one: Updated) -> bool:
    own = table(body.get(name))
    wanted = texts(body.get("enabledManagers"))
    if own.get("enabled") is False or (wanted and name not in wanted):
        return False
    patterns = [*_DEFAULTS[name], *patterns_of(own)]
    return file_matches(patterns, one.path) and _HOLDS[name](one)


def patterns_of(manager: Table) -> list[str]:
    """As it is called today, and what it was called until lately: then each is an expression."""
    found = manager.get("managerFilePatterns")
    older = manager.get("fileMatch")
    new = [found] if isinstance(found, str) else list(texts(found))
    old = [older] if isinstance(older, str) else list(texts(older))
    return [*new, *(f"/{each}/" for each in old)]


def _is_covered(body: Table, one: Updated, data: bytes | None) -> bool:
    """Whether an expression of the user's own finds the line."""
    wanted = texts(body.get("enabledManagers"))
    for key in _CUSTOM:
        for manager in map(table, items(body.get(key))[:_MOST_RULES]):
            kind = text(manager.get("customType")) or "regex"
            if manager.get("enabled") is False or (wanted and not {kind, f"custom.{kind}"} & set(wanted)):
                continue
            if file_matches(patterns_of(manager), one.path) and (
                kind != "regex" or covered(texts(manager.get("matchStrings")), data, one.line)
            ):
                return True
    return False


def _is_enabled(config: Config, manager: str, one: Updated) -> bool:
    """What the rules for packages say last. A rule that can't be judged here switches nothing off."""
    if any(name in texts(config.body.get("ignoreDeps")) for name in one.names):
        return False
    enabled = True
    for rule in config.rules:
        if isinstance(rule.get("enabled"), bool):
            matched = is_matched(rule, manager, one.path, one.names)
            if matched or (matched is None and rule["enabled"] is True):
                enabled = rule["enabled"] is True
    return enabled


# -- what each manager finds in a file ------------------------------------------------------------


def _in_manifest(one: Updated) -> bool:
    return one.keys[-1:] == ("image",) and not one.block


def _in_values(one: Updated) -> bool:
    if one.block or one.alone:
        return False
    part = bool(one.keys) and one.keys[-1] in _PARTS
    return _is_image(one.keys[-1:]) or (part and _is_image(one.keys[-2:-1]))


def _in_kustomization(one: Updated) -> bool:
    return one.keys[:1] == ("images",)


def _in_application(one: Updated) -> bool:
    return "kustomize" in one.keys and "images" in one.keys


def _in_flux(one: Updated) -> bool:
    if one.block:
        return False
    return ("values" in one.keys and _in_values(one)) or "images" in one.keys or _in_manifest(one)


def _is_image(keys: Sequence[Key]) -> bool:
    return bool(keys) and isinstance(keys[0], str) and keys[0].lower().endswith("image")


_HOLDS: Final = {
    "kubernetes": _in_manifest,
    "helm-values": _in_values,
    "kustomize": _in_kustomization,
    "argocd": _in_application,
    "flux": _in_flux,
}
