"""A forge to try things against: `python -m emulator --kind gitea`, from the folder `tests`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pygit2

from .clock import Wall
from .gitea import Gitea
from .github import GitHub
from .gitlab import GitLab
from .records import HABITS, Role
from .serving import Emulator, start

FILES = {
    "README.md": b"What runs where.\n",
    "apps/web/deployment.yaml": b"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: registry.example.com/web:1.4.2
          resources:
            requests:
              cpu: 500m
              memory: 512Mi
""",
}
PEOPLE = {"bot": Role.WRITE, "ada": Role.MAINTAIN, "grace": Role.WRITE, "eve": Role.READ}


def seed(forge: Emulator, path: str) -> None:
    """A repository with a manifest, people with a token each, and a team."""
    owner = path.rpartition("/")[0]
    place = forge.store.repository(path)
    if not place.branches():
        who = pygit2.Signature("Ada", "ada@example.com", forge.clock(), 0)
        index = pygit2.Index()
        for name, content in FILES.items():
            blob = place.git.create_blob(content)
            index.add(pygit2.IndexEntry(name, blob, pygit2.enums.FileMode.BLOB))
        tree = index.write_tree(place.git)
        place.git.create_commit("refs/heads/main", who, who, "Begin\n", tree, [])
    for login, role in PEOPLE.items():
        place.members[login] = role
        forge.store.token(f"token-of-{login}", login)
    forge.store.user(owner)
    forge.store.team(f"{owner}/platform", "ada", "grace")


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    asked.add_argument("--kind", choices=sorted(HABITS), default="github", help="whose habits it has")
    asked.add_argument("--port", type=int, default=8137)
    asked.add_argument("--folder", type=Path, help="where its repositories lie; a new one by default")
    asked.add_argument("--repository", default="acme/deploy")
    options = asked.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="emulator-"))
    dialects = [GitHub(), GitLab(), Gitea()]
    with start(folder, dialects, kind=options.kind, clock=Wall(), port=options.port) as forge:
        seed(forge, options.repository)
        print(f"{forge.url}/{options.repository}.git, below {folder}")
        for login, role in PEOPLE.items():
            print(f"  {login:6} {role.name.lower():9} token-of-{login}")
        print(f"GitHub's API: {forge.url}/api/v3, GitLab's: {forge.url}/api/v4, Gitea's: {forge.url}/api/v1")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("Ended.")


if __name__ == "__main__":
    main()
