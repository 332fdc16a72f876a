"""How long the history of values takes to tell, and a commit's evidence to find.

A repository with a ledger of 50,000 lines: 12,500 merge requests on 200 workloads, each pushed twice,
opened, and merged as a squash that kept only a title. Bounds, each against the obvious alternative in the
same run:

- one workload's history takes at most three times what `git log -p` of its file takes, and reading the
  ledger as every run does;
- everybody's history takes less than `git log -p` of each file;
- a replay finds its evidence in less than half of the time that it takes to read all evidence as JSON.

`python benchmarks/auditing.py [LINES]`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pygit2

from reconciler import canonical
from reconciler.audit.chronicle import Chronicle, Read, read
from reconciler.git.annals import Annals
from reconciler.git.clone import open_clone
from reconciler.git.ledger import find_evidence, read_ledger
from reconciler.model import Amount, ContainerRef
from reconciler.proposals.memo import Memo, MemoValue
from reconciler.proposals.pushed import Push, Told

T = TypeVar("T")
START = 1_700_000_000
WORKLOADS = 200
KEYS = ("spec", "template", "spec", "containers", 0, "resources", "requests", "cpu")


def manifest(name: str, cpu: int) -> bytes:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  template:
    spec:
      containers:
        - name: app
          resources:
            requests:
              cpu: {cpu}m
              memory: 1Gi
""".encode()


def main() -> int:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder), lines // 4)
        subprocess.run(["git", "gc", "--quiet"], cwd=folder, check=True)
        clone = open_clone(Path(folder))
        assert clone is not None
        annals = clone.annals("deploy")
        chronicle = Chronicle("deploy", annals, "main", annals.tip("main"))
        parsed, ledger = timed(lambda: read_ledger(annals))
        one, of_one = timed(lambda: read(chronicle, lambda ref: ref.workload == "w7"))
        everyone, of_all = timed(lambda: read(chronicle, lambda ref: True))
        asked, _ = timed(lambda: ask_git(Path(folder), 5))
        asked /= 5
        whole, stored = timed(lambda: parse_evidence(annals))
        found, evidence = timed(lambda: find_evidence(annals, [f"{17:064x}"]))
    count = len(ledger.entries)
    assert count >= lines * 0.9
    assert len(evidence) == 1
    assert_true(of_one, 2)
    assert_true(of_all, WORKLOADS)
    print(f"{count:,} lines of a ledger, {stored:,} of evidence, {WORKLOADS:,} files")
    rows = [
        ("one workload's history", one, "git log, and the ledger", asked + parsed, 3.0),
        ("everybody's history", everyone, "git log of each file", asked * WORKLOADS, 1.0),
        ("one evidence", found, "all evidence as JSON", whole, 0.5),
    ]
    failed = 0
    for what, took, other, base, bound in rows:
        ratio = took / base
        failed += ratio > bound
        verdict = "" if ratio <= bound else "  TOO SLOW"
        print(f"{what:<24} {took:7.2f} s   {other:<24} {base:7.2f} s   {ratio:6.3f} (bound {bound}){verdict}")
    return 1 if failed else 0


def assert_true(found: Read, least: int) -> None:
    merged = [row for row in found.story.rows if row.what == "merged"]
    assert len(merged) >= least, len(merged)
    assert all(row.ended_by == "Hannah" for row in merged)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Of the processors, ours and git's: a busy machine changes no ratio."""
    begun = os.times()
    found = work()
    return sum(os.times()[:4]) - sum(begun[:4]), found


def parse_evidence(annals: Annals) -> int:
    snapshot = annals.at(annals.tip("reconcile/ledger"), limit=1 << 30)
    count = 0
    for entry in snapshot.entries():
        if entry.path.startswith("evidence"):
            for line in (snapshot.read(entry) or b"").splitlines():
                json.loads(line)
                count += 1
    return count


def ask_git(folder: Path, files: int) -> None:
    for at in range(files):
        subprocess.run(
            ["git", "log", "-p", "--first-parent", "main", "--", f"apps/w{at}.yaml"],
            cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


# -- a repository with a long past -----------------------------------------------------------------


def made(folder: Path, requests: int) -> None:
    store = pygit2.init_repository(str(folder), initial_head="main")
    cpus = [4_000_000] * WORKLOADS
    apps = store.TreeBuilder()
    for at in range(WORKLOADS):
        apps.insert(f"w{at}.yaml", store.create_blob(manifest(f"w{at}", cpus[at])), 0o100644)
    tip = commit(store, None, apps, START, "Everything")
    ledger: list[str] = []
    evidence: list[str] = []
    for number in range(1, requests + 1):
        at, when = number % WORKLOADS, START + number * 600
        base, old = tip, cpus[at]
        for step in (1, 2):
            pushed(ledger, number, when + step, at, old, old - step * 100, base)
        evidence.append(
            line(when, "evidence", {"hash": hashed(number), "evidence": {"x": list(range(1_000))}})
        )
        cpus[at] = old - 200
        apps.insert(f"w{at}.yaml", store.create_blob(manifest(f"w{at}", cpus[at])), 0o100644)
        tip = commit(store, tip, apps, when + 60, f"Smaller w{at} (#{number})")
        ended(ledger, number, when, at, old, cpus[at])
    store.references.create("refs/heads/main", tip, force=True)
    files = store.TreeBuilder()
    files.insert("2023-11.jsonl", store.create_blob("\n".join(ledger).encode() + b"\n"), 0o100644)
    files.insert("evidence-2023-11.jsonl", store.create_blob("\n".join(evidence).encode() + b"\n"), 0o100644)
    who = pygit2.Signature("Reconciler", "r@localhost", START, 0)
    store.create_commit("refs/heads/reconcile/ledger", who, who, "Ledger", files.write(), [])


def commit(
    store: pygit2.Repository, parent: pygit2.Oid | None, apps: pygit2.TreeBuilder, when: int, text: str
) -> pygit2.Oid:
    root = store.TreeBuilder()
    root.insert("apps", apps.write(), 0o040000)
    who = pygit2.Signature("Hannah", "h@localhost", when, 0)
    return store.create_commit(None, who, who, text, root.write(), [parent] if parent else [])


def value(at: int, old: int, new: int) -> MemoValue:
    ref = ContainerRef("", "shop", "Deployment", f"w{at}", "app")
    return MemoValue(f"apps/w{at}.yaml", 0, KEYS, (), "requests.cpu", f"{old}m", f"{new}m", (ref,))


def pushed(ledger: list[str], number: int, when: int, at: int, old: int, new: int, base: pygit2.Oid) -> None:
    told = Told(
        hashed(number), "requests.cpu", "savings", "as ever", Amount(-5, "USD"), (value(at, old, new),)
    )
    branch, head, plan = f"reconcile/savings/w{at}", f"{number:040x}", f"{number}-{new}"
    push = Push(branch, "main", str(base), head, plan, f"right-size w{at}", "0.1.0", (), (told,))
    ledger.append(line(when, "pushed", canonical.plain(push), f"savings/w{at}"))


def ended(ledger: list[str], number: int, when: int, at: int, old: int, new: int) -> None:
    memo = Memo(f"savings/w{at}", f"{number}-{new}", (value(at, old, new),), (hashed(number),), f"w{at}")
    facts = {
        "number": number, "url": f"https://git.example.com/{number}", "branch": f"reconcile/savings/w{at}",
        "title": f"right-size w{at}", "memo": canonical.plain(memo),
    }  # fmt: skip
    ledger.append(line(when + 1, "opened", {**facts, "by": "", "commit": ""}, f"savings/w{at}"))
    ledger.append(line(when + 60, "merged", {**facts, "by": "Hannah", "commit": ""}, f"savings/w{at}"))


def hashed(number: int) -> str:
    return f"{number:064x}"


def line(at: int, event: str, facts: object, key: str = "savings/x") -> str:
    return json.dumps({"at": at, "event": event, "facts": facts, "key": key}, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
