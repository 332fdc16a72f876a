"""All registries that images name: each asked as whom the settings say, with one patience for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reconciler.images.reference import Image
from reconciler.images.registry.client import Memory, Patience, Repository
from reconciler.images.registry.endpoints import Endpoints, Source
from reconciler.images.registry.logins import Keys
from reconciler.images.registry.pushed import PushTimes
from reconciler.images.registry.wire import Origin, UnreachableError, Wire, origin
from reconciler.model import Whose


class Registries:
    """Several threads may ask at the same time."""

    def __init__(
        self,
        wire: Wire,
        endpoints: Endpoints,
        memory: Memory,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wire, self._endpoints, self._memory, self._sleep = wire, endpoints, memory, sleep
        self._turn = threading.Lock()
        self._keys: dict[tuple[Origin, str], Keys] = {}
        self._patience: dict[Origin, Patience] = {}
        self._times: dict[tuple[Origin, str], PushTimes] = {}

    def repository(self, image: Image) -> Repository:
        """UnreachableError where nobody allows the registry."""
        source = self._endpoints.source(image)
        if source is None:
            words = (
                f"{image.registry} is no registry that may be asked: name it in the settings (registries), "
                "if it is yours"
            )
            raise UnreachableError(words, Whose.YOURS)
        where = origin(source.api)
        with self._turn:
            patience = self._patience.setdefault(where, Patience(self._sleep))
            mine = where, source.endpoint.prefix
            keys = self._keys.get(mine)
            if keys is None:
                keys = self._keys[mine] = self._new_keys(where, source)
            times = self._times.get(mine)
            if times is None and _tells(source):
                times = self._times[mine] = PushTimes(self._wire, source, keys)
        return Repository(self._wire, source, keys, patience, self._memory, times)

    def _new_keys(self, where: Origin, source: Source) -> Keys:
        return Keys(self._wire, where, source.endpoint.login, source.endpoint.token_hosts)

    @property
    def requests(self) -> int:
        return sum(each.requests for each in self._patience.values())

    def close(self) -> None:
        self._wire.close()


def _tells(source: Source) -> bool:
    return bool(source.push_times or source.endpoint.pushed)
