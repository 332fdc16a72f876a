"""What every test has: fixtures that several rooms share, and names that are the same in every process."""

pytest_plugins = ["servers.fixtures"]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are no name: those of an archive may hold the time, and workers have to agree on the tests."""
    return "bytes" if isinstance(val, bytes) else None
