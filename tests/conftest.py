"""What every test has: fixtures that several rooms share, and names that are the same in every process."""

import os

from hypothesis import settings

pytest_plugins = ["servers.fixtures"]

if not os.environ.get("CI"):  # there, hypothesis brings a profile of its own
    settings.register_profile("unhurried", deadline=None)  # how busy a machine is says nothing of a law
    settings.load_profile("unhurried")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are no name: those of an archive may hold the time, and workers have to agree on the tests."""
    return "bytes" if isinstance(val, bytes) else None
