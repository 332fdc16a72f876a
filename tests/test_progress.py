"""What a terminal shows while something is waited for."""

from __future__ import annotations

import time
from io import StringIO

import pytest
from rich.console import Console

from reconciler.commands import common
from reconciler.commands.common import progress_bars


def screen(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Standard error, as a terminal."""
    seen = StringIO()
    monkeypatch.setattr(seen, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", seen)
    monkeypatch.setattr(common, "errors_console", lambda: Console(file=seen, force_terminal=True, width=80))
    return seen


def test_a_wait_is_shown_before_its_first_step_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    with progress_bars() as bars:
        bars.step("Asking main", 1)
        time.sleep(1.3)
        assert "Asking main" in seen.getvalue()


def test_what_is_quick_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch)
    with progress_bars() as bars:
        advance = bars.step("Asking main", 1)
        time.sleep(0.3)
        advance(1)
    assert "Asking main" not in seen.getvalue()
