"""A forge's memory: who there is, and which repositories."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pygit2

from .clock import Clock
from .records import ALL_RIGHTS, HABITS, Habits, Right, Role, Team, Token, User
from .repository import Repository


class Store:
    """Everything that is known. `turn` is held while a request is answered."""

    def __init__(self, root: Path, clock: Clock | None = None, kind: str = "github") -> None:
        self.root = root
        self.clock = clock or Clock()
        self.habits: Habits = HABITS[kind]
        self.turn = threading.RLock()
        self.users: dict[str, User] = {}
        self.teams: dict[str, Team] = {}  # by organisation/slug
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}  # by path
        self.options: dict[str, object] = {}  # what only one dialect knows of
        self.slow_mergeability = 0  # questions after each move that are answered with "not known yet"
        self._ids = itertools.count(1001)

    def next_id(self) -> int:
        return next(self._ids)

    def user(self, login: str, *, is_bot: bool = False, is_admin: bool = False) -> User:
        """The user of this name, made when missing."""
        if login not in self.users:
            email = f"{login.replace('[', '').replace(']', '')}@example.com"
            self.users[login] = User(self.next_id(), login, login.title(), email, is_bot, is_admin)
        return self.users[login]

    def team(self, name: str, *members: str) -> Team:
        """A team, as `organisation/slug`."""
        organisation, _, slug = name.rpartition("/")
        team = self.teams.setdefault(name, Team(self.next_id(), organisation, slug, slug.title()))
        team.members.update(members)
        return team

    def token(
        self,
        text: str,
        login: str,
        *rights: Right,
        repositories: frozenset[str] | None = None,
        expires: int = 0,
        app: str = "",
    ) -> Token:
        """A token of a user; without rights named it has all."""
        granted = frozenset(rights) or ALL_RIGHTS
        made = Token(text, self.user(login), granted, repositories, expires, app)
        self.tokens[text] = made
        return made

    def holder(self, text: str) -> Token | None:
        """Whose token this is, as long as it holds."""
        found = self.tokens.get(text)
        return None if found is None or 0 < found.expires <= self.clock() else found

    def repository(
        self, path: str, bare: Path | None = None, *, private: bool = True, habits: Habits | None = None
    ) -> Repository:
        """The repository at `owner/name` (or deeper), which is made or adopted when it is new."""
        if path not in self.repositories:
            place = bare or self.root / f"{path}.git"
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                pygit2.init_repository(str(place), bare=True, initial_head="main")
            self.repositories[path] = Repository(self, path, place, private, habits or self.habits)
        return self.repositories[path]

    def may(self, token: Token | None, repository: Repository, role: Role, right: Right) -> bool:
        """Whether a token may do what needs this role and this right; None is a stranger."""
        if token is None:
            return not repository.private and role <= Role.READ and right is Right.READ
        if token.repositories is not None and repository.path not in token.repositories:
            return False
        return right in token.rights and repository.role(token.user) >= role

    def settle(self) -> None:
        """Whatever happened meanwhile: pushes behind our back, checks that ended, merges that waited."""
        for repository in self.repositories.values():
            repository.settle()
