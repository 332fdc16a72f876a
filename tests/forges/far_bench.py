"""A real server as a bench: a repository that may be overwritten, named by the environment."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pygit2
from contract import Bench
from servers.repositories import Bare

from reconciler.forges import FORGES
from reconciler.forges.marks import unmarked
from reconciler.forges.port import Forge, Page, Site
from reconciler.model import MergeRequest, Secret

NAMES = tuple(f"RECONCILER_TEST_FORGE_{word}" for word in ("KIND", "URL", "TOKEN", "REPOSITORY"))
FILES = {
    "apps/web/deployment.yaml": b"kind: Deployment\n",
    "apps/web/service.yaml": b"kind: Service\n",
    "apps/db/statefulset.yaml": b"kind: StatefulSet\n",
    "README.md": b"hello\n",
}
COMMENTS = {
    "github": "{api}/repos/{path}/issues/{number}/comments?per_page=100",
    "gitea": "{url}/api/v1/repos/{path}/issues/{number}/comments",
    "gitlab": "{url}/api/v4/projects/{coded}/merge_requests/{number}/notes?per_page=100",
}


class Server(NamedTuple):
    kind: str
    url: str
    token: str
    repository: str

    @property
    def address(self) -> str:
        return f"{self.url}/{self.repository}.git"


def named() -> Server | None:
    """The server that the environment names; None where it names none."""
    words = [os.environ.get(name, "") for name in NAMES]
    if not all(words):
        return None
    kind, url, token, repository = words
    if kind not in COMMENTS:
        raise ValueError(f"{NAMES[0]}: expected one of {', '.join(sorted(COMMENTS))}, not {kind!r}")
    if "test" not in repository.rpartition("/")[2]:
        raise ValueError(f"{NAMES[3]}: its content is overwritten, so its name must have `test` in it")
    return Server(kind, url.rstrip("/"), token, repository)


class FarBare(Bare):
    """As a bare repository here, but that every look fetches and every change is pushed."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._server = server
        self._wait = float(os.environ.get("RECONCILER_TEST_FORGE_WAIT", "3"))
        self.path = folder
        self.here = pygit2.init_repository(str(folder), bare=True, initial_head="main")

    @property
    def store(self) -> pygit2.Repository:
        self._git("fetch", "-q", "--prune", self._server.address, "+refs/heads/*:refs/heads/*")
        return self.here

    def commit(
        self,
        files: Mapping[str, bytes],
        branch: str = "main",
        message: str = "change",
        modes: Mapping[str, int] | None = None,
        start: str = "",
    ) -> str:
        made = super().commit(files, branch, message, modes, start)
        self._push(f"{made}:refs/heads/{branch}")
        return made

    def move(self, branch: str, commit: str) -> None:
        self._push(f"+{commit}:refs/heads/{branch}")

    def delete(self, branch: str) -> None:
        self._push(f":refs/heads/{branch}")

    def start_anew(self) -> None:
        """`main` has nothing but the files that tests begin with, and there is no other branch."""
        others = [name for name in self.store.branches.local if name != "main"]
        for name in others:
            self.here.references.delete(f"refs/heads/{name}")
        who = pygit2.Signature("Ada", "ada@example.com")
        index = pygit2.Index()
        for path, content in {**FILES, "RUN": str(time.time_ns()).encode()}.items():
            index.add(pygit2.IndexEntry(path, self.here.create_blob(content), pygit2.enums.FileMode.BLOB))
        tree = index.write_tree(self.here)
        first = self.here.create_commit(None, who, who, "Begin\n", tree, [])
        self._push(f"+{first}:refs/heads/main", *(f":refs/heads/{name}" for name in others))

    def _push(self, *changes: str) -> None:
        self._git("push", "-q", self._server.address, *changes)
        time.sleep(self._wait)  # servers notice a push late

    def _git(self, *words: str) -> None:
        login = base64.b64encode(f"oauth2:{self._server.token}".encode()).decode()
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        surroundings |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1"}
        surroundings |= {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_KEY_0": "http.extraHeader"}
        surroundings |= {"GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}"}
        subprocess.run(["git", *words], cwd=self.path, env=surroundings, check=True, capture_output=True)


class Since:
    """A forge as if its repository had no past: what was there before a test is left out."""

    def __init__(self, forge: Forge, floor: int, run: str) -> None:
        self._forge = forge
        self._floor = floor
        self._run = run

    def __getattr__(self, name: str) -> object:
        return getattr(self._forge, name)

    def mine(self, prefix: str, since: int = 0) -> Sequence[MergeRequest]:
        return [each for each in self._forge.mine(prefix, since) if each.number > self._floor]

    def page(self, topic: str) -> Page | None:
        found = self._forge.page(f"{topic}-{self._run}")
        return found._replace(topic=topic) if found else None

    def write_page(self, page: Page) -> Page:
        return self._forge.write_page(page._replace(topic=f"{page.topic}-{self._run}"))._replace(
            topic=page.topic
        )


def bench(server: Server, folder: Path) -> Bench:
    """The repository as it is at the beginning of a test."""
    bare = FarBare(folder, server)

    def fresh() -> Forge:
        site = Site(server.address, Secret(server.token), "", lambda: int(time.time()), server=server.url)
        return FORGES[server.kind](site)

    forge = fresh()
    known = forge.mine("")
    for each in known:
        if each.state == "open":
            forge.close(each.number)
    bare.start_anew()
    floor = max((each.number for each in known), default=0)
    run = str(time.time_ns())

    def comments(number: int) -> list[tuple[str, str]]:
        found = (unmarked("comment", each["body"]) for each in _comments(server, number))
        return [each for each in found if each is not None]

    return Bench(
        Since(fresh(), floor, run),  # type: ignore[arg-type]
        bare,
        lambda: Since(fresh(), floor, run),  # type: ignore[arg-type,return-value]
        comments,
        lambda: int(time.time()),
    )


def _comments(server: Server, number: int) -> list[dict[str, str]]:
    is_hub = re.match(r"https://github\.com$", server.url) is not None
    api = "https://api.github.com" if is_hub else f"{server.url}/api/v3"
    path = server.repository
    url = COMMENTS[server.kind].format(
        url=server.url, api=api, path=path, coded=quote(path, safe=""), number=number
    )
    scheme = "token" if server.kind == "gitea" else "Bearer"
    request = urllib.request.Request(url, headers={"Authorization": f"{scheme} {server.token}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
