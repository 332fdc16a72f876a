"""GitLab as the tests have it: the adapter over real HTTP, in front of the emulator's repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from contract import Bench
from emulator import Emulator, Repository, Role, start
from emulator.gitlab import GitLab
from emulator.gitlab_types import Published
from servers.authority import Authority
from servers.repositories import Bare

from reconciler.forges.gitlab import GitLabForge, open_gitlab
from reconciler.forges.marks import unmarked
from reconciler.forges.port import Site
from reconciler.model import Secret

PATH = "team/platform/deploy"
TOKEN = "glpat-1234567890"
DECLARATIONS = Path(__file__).parents[2] / ".venv/contracts/gitlab/index.d.ts"  # .ci/contracts fetches it
BOT = "project_7_bot_5f3a"


class Rig(NamedTuple):
    """Everything about one GitLab that a test may turn."""

    bench: Bench
    emulator: Emulator
    gitlab: GitLab
    repository: Repository
    forge: GitLabForge

    def site(self, token: str = TOKEN, **more: object) -> Site:
        clock = self.emulator.clock
        usual = {"server": self.emulator.url + self.gitlab.root, "sleep": clock.sleep}
        address = f"{self.emulator.url}{self.gitlab.root}/{PATH}.git"
        return Site(
            address, Secret(token), "", clock, monotonic=clock.monotonic, **{**usual, **more}  # type: ignore[arg-type]
        )  # fmt: skip

    def again(self, **more: object) -> GitLabForge:
        """Another process."""
        return open_gitlab(self.site(**more))


@contextmanager
def rigged(
    deploy: Bare, folder: Path, gitlab: GitLab | None = None, tls: Authority | None = None
) -> Iterator[Rig]:
    gitlab = gitlab or GitLab()
    published = Published(DECLARATIONS) if DECLARATIONS.exists() else None
    with start(folder, [gitlab], kind="gitlab", tls=tls.context if tls else None) as emulator:
        emulator.check = published.check if published else None
        repository = emulator.store.repository(PATH, deploy.path)
        for login, role in ((BOT, Role.MAINTAIN), ("ada", Role.MAINTAIN), ("eve", Role.READ)):
            emulator.store.user(login)
            repository.members[login] = role
        emulator.store.token(TOKEN, BOT)
        emulator.store.token("glpat-ada", "ada")
        rig = Rig(None, emulator, gitlab, repository, None)  # type: ignore[arg-type]
        forge = rig.again(ca_bundle=tls.bundle if tls else None)

        def comments(number: int) -> list[tuple[str, str]]:
            said = (unmarked("comment", each.body) for each in repository.request(number).comments)
            return [each for each in said if each]

        bench = Bench(forge, deploy, rig.again, comments, emulator.clock)
        yield rig._replace(bench=bench, forge=forge)
        assert not emulator.broken, emulator.broken[0]
        assert not emulator.secrets_in_urls()
