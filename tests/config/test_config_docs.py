"""The reference pages: their examples load, and no key is missing from them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.config import (
    BadFile,
    Found,
    PolicyBook,
    load_settings,
    parse_policies,
    policy_schema,
    ready_made,
    settings_schema,
)
from reconciler.config.document import read_documents

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
POLICIES = (ROOT / "docs" / "policies.md").read_text()
SHIPPED = sorted((ROOT / "policies").glob("*.yaml"))


def blocks(page: str) -> list[str]:
    found = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found
    return found


def validate(text: str, schema: dict[str, Any]) -> None:
    for document in read_documents(text.encode(), "example", "example"):
        Draft202012Validator(schema).validate(document.data)


def keys(schema: dict[str, Any]) -> set[str]:
    models = [schema, *schema["$defs"].values()]
    return {key for model in models for key in model.get("properties", {})}


def undescribed(node: Any, models: dict[str, Any], where: str = "") -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in undescribed(item, models, where)]
    if not isinstance(node, dict):
        return []
    missing = []
    for name, value in node.get("properties", {}).items():
        told = value.get("description") or models.get(value.get("$ref", "").rpartition("/")[2], {}).get(
            "description"
        )
        missing += [] if told and told.endswith(".") else [f"{where}.{name}"]
    return missing + [
        found for key, value in node.items() for found in undescribed(value, models, f"{where}.{key}")
    ]


@pytest.mark.parametrize("text", blocks(SETTINGS))
def test_examples_of_settings_load(tmp_path, text):
    (tmp_path / "reconcile.yaml").write_text(text)
    load_settings(Found(tmp_path / "reconcile.yaml", True))
    validate(text, settings_schema())


@pytest.mark.parametrize("text", blocks(POLICIES))
def test_examples_of_policies_load(text):
    PolicyBook(parse_policies(text, "example.yaml"))
    validate(text, policy_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_ready_made_policies_fit_the_schema_and_are_explained(path):
    text = path.read_text()
    validate(text, policy_schema())
    assert text.startswith(f"# {path.stem}: ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert sum(line.lstrip().startswith("#") for line in lines) * 3 > len(lines)
    assert f"`{path.stem}`" in POLICIES


def test_what_ships_is_what_is_loaded():
    assert {one.name for one in ready_made()} == {path.stem for path in SHIPPED}


def test_an_installed_package_has_them_too(tmp_path):
    """In a wheel they lie within the package, and nothing of the checkout is there."""
    copied = tmp_path / "reconciler"
    shutil.copytree(ROOT / "reconciler", copied, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "policies", copied / "ready_made")
    script = "from reconciler.config import ready_made, written; print(written.__file__, len(ready_made()))"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [str(copied / "config" / "written.py"), str(len(SHIPPED))]


@pytest.mark.parametrize(("page", "schema"), [(SETTINGS, settings_schema()), (POLICIES, policy_schema())])
def test_every_key_is_documented_and_described(page, schema):
    Draft202012Validator.check_schema(schema)
    assert {key for key in keys(schema) if not re.search(rf"`(?:[A-Za-z\[\].]+\.)?{key}`", page)} == set()
    assert undescribed(schema, schema["$defs"]) == []


@pytest.mark.parametrize(("page", "schema"), [(SETTINGS, settings_schema()), (POLICIES, policy_schema())])
def test_no_key_is_documented_that_is_not_there(page, schema):
    rows = re.findall(r"^\| `([^`]+)` \|", page.partition("\n## Reference\n")[2], re.MULTILINE)
    assert len(rows) > 20
    known = keys(schema)
    assert [row for row in rows if row.rpartition(".")[2] not in known] == []


@pytest.mark.parametrize(
    "wrong",
    ["x: 1", "resources: {cpu: {headroom: 15}}", "mode: apply", "match: {names: web}", "priority: high"],
)
def test_the_schema_refuses_what_the_program_refuses(wrong):
    text = f"apiVersion: reconciler/v1\nkind: Policy\nmetadata: {{name: a}}\n{wrong}\n"
    with pytest.raises(BadFile):
        parse_policies(text, "p.yaml")
    data = read_documents(text.encode(), "", "")[0].data
    assert not Draft202012Validator(policy_schema()).is_valid(data)
