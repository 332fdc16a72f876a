"""Fixtures that several rooms share; each file says what it offers."""

pytest_plugins = ["servers.fixtures"]
