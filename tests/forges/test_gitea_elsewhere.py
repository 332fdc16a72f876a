"""The emulated Gitea as others see it: a client that knows nothing of this project; and over TLS."""

from __future__ import annotations

import re
from pathlib import Path

import emulator
import httpx
import pytest
from emulator import Emulator, Limits, Role, start
from emulator.gitea import Gitea
from emulator.gitlab import GitLab
from pyforgejo import PyforgejoApi
from pyforgejo.core.api_error import ApiError
from servers.authority import Authority
from servers.proxy import Proxy
from servers.repositories import Bare

from reconciler.errors import Problem
from reconciler.forges.gitea import GiteaForge
from reconciler.forges.port import Draft, Site
from reconciler.model import MergeRequest, Secret

TOKEN = "bot-token-0123456789"


def peopled(forge: Emulator, deploy: Bare) -> Emulator:
    place = forge.store.repository("org/deploy", deploy.path)
    place.members = {"bot": Role.WRITE, "ada": Role.MAINTAIN}
    forge.store.token(TOKEN, "bot")
    forge.store.user("ada")
    return forge


def site_of(forge: Emulator, **more: object) -> Site:
    clock = forge.clock
    return Site(f"{forge.url}/org/deploy", Secret(TOKEN), "", clock, sleep=clock.sleep, **more)


def test_another_client_gets_along_with_it(tmp_path: Path, deploy: Bare) -> None:
    with start(tmp_path, [Gitea()], kind="gitea") as running, httpx.Client() as http:
        forge = peopled(running, deploy)
        client = PyforgejoApi(base_url=f"{forge.url}/api/v1", api_key=f"token {TOKEN}", httpx_client=http)
        head = deploy.commit({"new.txt": b"1"}, "topic", start="main")
        assert client.user.get_current().login == "bot"
        ask = client.repository
        made = ask.repo_create_pull_request("org", "deploy", base="main", head="topic", title="T", body="B")
        assert (made.number, made.head.sha, made.state, made.mergeable) == (1, head, "open", True)
        with pytest.raises(ApiError) as error:
            ask.repo_create_pull_request("org", "deploy", base="main", head="topic", title="T")
        assert error.value.status_code == 409
        assert [each.number for each in ask.repo_list_pull_requests("org", "deploy")] == [1]
        client.issue.create_comment("org", "deploy", 1, body="hello")
        assert [each.body for each in client.issue.get_comments("org", "deploy", 1)] == ["hello"]
        with pytest.raises(ApiError) as error:
            ask.repo_merge_pull_request("org", "deploy", 1, do="squash", head_commit_id="0" * 40)
        assert error.value.status_code == 409
        ask.repo_merge_pull_request("org", "deploy", 1, do="squash", head_commit_id=head)
        merged = ask.repo_get_pull_request("org", "deploy", 1)
        assert (merged.merged, merged.merge_commit_sha, merged.merged_by.login) == (True, deploy.tip(), "bot")
        assert not forge.broken


def test_the_examples_of_the_docs_run(tmp_path: Path, deploy: Bare) -> None:
    docs = Path(__file__).parents[2] / "docs" / "emulator.md"
    blocks = re.findall(r"```python\n(.*?)```", docs.read_text(), re.DOTALL)
    opened = []

    def your_program(url: str, token: str) -> None:
        forge = GiteaForge(Site(f"{url}/org/deploy", Secret(token), "", lambda: 0))
        if opened:
            assert isinstance(forge.merge(opened[0].number, opened[0].head), MergeRequest)
        else:
            deploy.commit({"new.txt": b"1"}, "topic", start="main")
            opened.append(forge.open(Draft("topic", "main", "T", "B")))

    names = {"folder": tmp_path, "bare": deploy.path, "your_program": your_program, "Limits": Limits}
    exec(compile(blocks[0], str(docs), "exec"), names)
    names |= {"ada": names["forge"].store.user("ada"), "GitLab": GitLab, "emulator": emulator}
    for block in blocks[1:]:
        exec(compile(block, str(docs), "exec"), names)
    assert len(names["forge"].faults.rules) == 5


def test_an_authority_of_ones_own(tmp_path: Path, deploy: Bare, authority: Authority) -> None:
    with start(tmp_path, [Gitea()], kind="gitea", host="localhost", tls=authority.context) as running:
        forge = peopled(running, deploy)
        assert GiteaForge(site_of(forge, ca_bundle=authority.bundle)).whoami() == "bot"
        with pytest.raises(Problem, match="name its authority with caBundle"):
            GiteaForge(site_of(forge)).whoami()


def test_through_a_proxy(
    tmp_path: Path, deploy: Bare, proxy_server: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.delenv("no_proxy", raising=False)
    with start(tmp_path, [Gitea()], kind="gitea") as running:
        forge = peopled(running, deploy)
        assert GiteaForge(site_of(forge, proxy=proxy_server.url)).whoami() == "bot"
        assert proxy_server.asked == [f"GET {forge.url}/api/v1/user"]
