"""A thousand branches: how long they take to commit and to push, and what the obvious way takes.

    python benchmarks/branches.py [--branches 1000] [--files 20000]

Promised: 1,000 branches committed in a bare repository of 20,000 files within 2 s, and pushed in
one push. Compared, on a few branches each, with GitPython's index and with plain git commands.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pygit2
from git import Actor, IndexFile, Repo
from git.index.typ import IndexEntry
from gitdb import IStream

from reconciler.git.commits import Author, CommitRequest
from reconciler.git.mirror import Mirror, open_mirror
from reconciler.git.push import Outcome
from reconciler.model import RefUpdate

SECONDS = 2.0  # promised for 1,000 branches
SAMPLE = 3  # branches that the slow ways get
MANIFEST = "kind: Deployment\nmetadata: {{name: app-{0}}}\nspec: {{replicas: {0}}}\n"
BOT = Author("Bot", "bot@example.com")


def fill(store: pygit2.Repository, files: int) -> str:
    """`files` manifests, 200 to a team's folder."""
    teams: dict[str, pygit2.TreeBuilder] = {}
    for number in range(files):
        folder = teams.setdefault(f"team-{number // 200:03}", store.TreeBuilder())
        text = MANIFEST.format(number).encode()
        folder.insert(f"app-{number}.yaml", store.create_blob(text), pygit2.enums.FileMode.BLOB)
    root = store.TreeBuilder()
    for name, folder in teams.items():
        root.insert(name, folder.write(), pygit2.enums.FileMode.TREE)
    who = pygit2.Signature("Ada", "ada@example.com", 1, 0)
    return str(store.create_commit("refs/heads/main", who, who, "start", root.write(), []))


def path_of(number: int, files: int) -> str:
    chosen = number * (files // 1000 or 1) % files
    return f"team-{chosen // 200:03}/app-{chosen}.yaml"


def ours(mirror: Mirror, base: str, branches: int, files: int) -> list[RefUpdate]:
    updates = []
    for number in range(branches):
        edit = {path_of(number, files): b"kind: Deployment # %d\n" % number}
        commit = mirror.commit(CommitRequest(base, edit, f"change {number}\n", BOT, 1_700_000_000))
        updates.append(RefUpdate(f"refs/heads/reconcile/savings/app-{number}", commit, ""))
    return updates


def with_gitpython(path: Path, base: str, files: int) -> None:
    """An index from the tree, one entry changed, and a commit of it: what GitPython offers."""
    with Repo(path) as repo:
        actor = Actor(*BOT)
        for number in range(SAMPLE):
            index = IndexFile.from_tree(repo, base)
            text = b"kind: Deployment # %d\n" % number
            blob = repo.odb.store(IStream("blob", len(text), io.BytesIO(text)))
            place = path_of(number, files)
            index.entries[place, 0] = IndexEntry((0o100644, blob.binsha, 0, place))
            commit = index.commit(f"change {number}\n", [repo.commit(base)], head=False, author=actor)
            repo.create_head(f"gitpython-{number}", commit.hexsha)


def with_git(path: Path, base: str, files: int) -> None:
    """The same in git's own commands, with an index of its own."""
    surroundings = {**os.environ, "GIT_DIR": str(path), "GIT_INDEX_FILE": str(path / "own-index")}
    for role in ("AUTHOR", "COMMITTER"):
        surroundings |= {f"GIT_{role}_NAME": BOT.name, f"GIT_{role}_EMAIL": BOT.email}

    def git(*words: str, text: str = "") -> str:
        ran = subprocess.run(
            ["git", *words], env=surroundings, input=text, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    for number in range(SAMPLE):
        git("read-tree", base)
        blob = git("hash-object", "-w", "--stdin", text=f"kind: Deployment # {number}\n")
        git("update-index", "--cacheinfo", f"100644,{blob},{path_of(number, files)}")
        commit = git("commit-tree", git("write-tree"), "-p", base, "-m", f"change {number}")
        git("update-ref", f"refs/heads/plumbing-{number}", commit)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(folder: Path, branches: int, files: int) -> list[str]:
    """Prints the figures; answers the promises that were not kept."""
    remote = folder / "deploy.git"
    store = pygit2.init_repository(str(remote), bare=True, initial_head="main")
    base = fill(store, files)
    subprocess.run(["git", f"--git-dir={remote}", "repack", "-adq"], check=True)
    cold = timed(lambda: open_mirror(str(remote), folder / "cache"))
    mirror = open_mirror(str(remote), folder / "cache")
    walk = timed(lambda: mirror.snapshot("main").entries())
    updates: list[RefUpdate] = []
    commits = timed(lambda: updates.extend(ours(mirror, base, branches, files)))
    commits += timed(lambda: mirror.push([]))  # writes what was committed to the disk
    outcomes = set()
    push = timed(lambda: outcomes.update(each.outcome for each in mirror.push(updates)))
    there = len(store.listall_branches())
    print(f"mirror of {files} files made in {cold:.2f} s, its paths listed in {walk * 1000:.0f} ms")
    print(f"{branches} branches committed in {commits:.2f} s ({commits / branches * 1000:.2f} ms each)")
    print(f"{branches} branches pushed in one push in {push:.2f} s")
    for name, way in (("GitPython's index", with_gitpython), ("git's commands", with_git)):
        each = timed(lambda way=way: way(remote, base, files)) / SAMPLE
        ratio = each / (commits / branches)
        print(f"{name}: {each * 1000:.0f} ms a branch ({SAMPLE} tried): {ratio:.0f} times as long")
    broken = []
    if commits > SECONDS * branches / 1000:
        broken.append(f"committing took {commits:.2f} s, promised are {SECONDS * branches / 1000:.2f} s")
    if outcomes != {Outcome.DONE} or there != branches + 1:
        broken.append(f"not every branch was pushed: {there - 1} of {branches}")
    return broken


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--branches", type=int, default=1000)
    parser.add_argument("--files", type=int, default=20_000)
    chosen = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="branches-"))
    try:
        broken = measure(folder, chosen.branches, chosen.files)
    finally:
        shutil.rmtree(folder)
    for promise in broken:
        print(f"NOT KEPT: {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
