"""The house rules: who may import whom, how long things get, and what no tracked file may say."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reconciler"
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
# A list with one entry after the other, which nobody would find in two files.
LISTS = {"reconciler/model.py"}
CATCH_ALL = "reconciler/cli.py"


def tracked() -> list[Path]:
    words = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(words, check=True, capture_output=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[Path, ast.AST]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, kind):
                yield path, node


# ------------------------------------------------------------------------------------ imports


def lint_imports(folder: Path) -> str:
    """What import-linter says of the project in a folder."""
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", script, "--no-logo", "--no-cache"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def offended(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The verdict on a copy of the project in which every contract is broken once."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, copy / "reconciler", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    offences = {
        "sizing": "import time\nfrom reconciler.usage import port",
        "proposals": "import yaml\nimport rich",
        "report": "from reconciler import git\nimport pyarrow\nimport fsspec",
        "source": "\n".join(
            f"import {name}" for name in ("pygit2", "subprocess", "requests", "sigstore", "github", "gitlab")
        ),
    }
    for room, lines in offences.items():
        (copy / "reconciler" / room / "offence.py").write_text(lines)
    return lint_imports(copy)


def test_every_import_contract_holds() -> None:
    verdict = lint_imports(ROOT)
    assert re.search(r"Contracts: \d+ kept, 0 broken\.", verdict), verdict


def test_every_import_contract_can_break(offended: str) -> None:
    assert re.search(r"Contracts: 0 kept, \d+ broken\.", offended), offended
    assert "reconciler.sizing.offence -> reconciler.usage.port" in offended
    assert "reconciler.report.offence -> reconciler.git" in offended


def test_a_room_that_nobody_placed_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "reconciler", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "reconciler" / "attic.py").touch()
    verdict = lint_imports(tmp_path)
    assert re.search(r"1 broken", verdict), verdict
    assert "attic" in verdict


# ------------------------------------------------------------------------------------ the code


def test_functions_fit_a_screen() -> None:
    found = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path, node in nodes((ast.FunctionDef, ast.AsyncFunctionDef))
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not found


def test_files_have_one_subject() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name for name, lines in lengths.items() if lines > LONGEST_FILE} <= LISTS


def is_blind(handler: ast.ExceptHandler) -> bool:
    """Catches everything, and doesn't send it on."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {"" if kind is None else ast.unparse(kind) for kind in caught}
    last = handler.body[-1]
    return bool(names & {"", "Exception", "BaseException"}) and not (
        isinstance(last, ast.Raise) and last.exc is None
    )


def test_only_the_command_line_catches_everything() -> None:
    found = {shown(path) for path, node in nodes(ast.ExceptHandler) if is_blind(node)}
    assert found == {CATCH_ALL}


def test_nothing_is_run_through_a_shell() -> None:
    found = [
        f"{shown(path)}:{node.lineno}"
        for path, node in nodes(ast.Call)
        if ast.unparse(node.func) in ("os.system", "os.popen", "subprocess.getoutput")
        or any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
    ]
    assert not found


def test_nothing_that_runs_code_is_unpickled_or_evaluated() -> None:
    """The parsed-file cache and fetched trees are data; neither may become code."""
    forbidden = {"eval", "exec", "compile", "pickle.loads", "pickle.load", "yaml.load", "yaml.unsafe_load"}
    found = [
        f"{shown(path)}:{node.lineno}"
        for path, node in nodes(ast.Call)
        if ast.unparse(node.func) in forbidden
    ]
    assert not found


# ------------------------------------------------------------------------------------ the words

# In two halves, so that this file does not say them either.
_REGISTRIES = [
    ("py", "pi.org"), ("python", "hosted.org"), ("deb", ".debian.org"), ("snapshot", ".debian.org"),
    ("security", ".debian.org"), ("npm", "js.org"), ("npm", "js.com"), ("crates", ".io"),
    ("proxy.go", "lang.org"), ("maven", ".org"), ("maven", ".apache.org"),
]  # fmt: skip
_UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "Not" + "ImplementedError"]
_MACHINES = ["/wo" + "rk/", "/ro" + "ot/", "/Us" + "ers/"]


def lines_with(pattern: str, paths: list[Path]) -> list[str]:
    wanted = re.compile(pattern.encode())
    return [
        f"{shown(path)}:{number}: {line[:120]!r}"
        for path in paths
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_tracked_file_names_a_package_registry() -> None:
    hosts = "|".join(re.escape(left + right) for left, right in _REGISTRIES)
    assert not lines_with(rf"(?i)\b({hosts})", tracked())


def product() -> list[Path]:
    return [path for path in tracked() if not shown(path).startswith("tests/")]


def test_nothing_that_ships_is_unfinished() -> None:
    assert not lines_with(rf"\b({'|'.join(_UNFINISHED)})\b", product())


def test_nothing_that_ships_knows_the_machine_it_was_written_on() -> None:
    assert not lines_with("(^|[^a-zA-Z0-9._~-])(" + "|".join(_MACHINES) + ")", product())


# ------------------------------------------------------------------------------------ the docs


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def links(page: Path) -> set[Path]:
    """The files that a page leads to. What stands in code is no link."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [unquote(target.partition("#")[0]) for target in targets if not re.match(r"[a-z]+:", target)]
    return {(page.parent / target).resolve() for target in local if target}


def test_every_link_of_the_docs_leads_somewhere() -> None:
    found = {f"{shown(page)} -> {target.name}" for page in pages() for target in links(page)
             if not target.exists()}  # fmt: skip
    assert not found


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = {ROOT / "README.md"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting |= {to for to in links(page) if to.suffix == ".md" and to.is_file()} - reached
    assert not set(pages()) - reached
