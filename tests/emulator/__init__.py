"""A forge to test against: real repositories behind real HTTP, in virtual time (docs/emulator.md)."""

from .clock import Clock, iso
from .faults import Faults, Limits
from .records import HABITS, Protection, Refused, Right, Role
from .repository import Repository
from .serving import Answer, Asked, Dialect, Emulator, Routes, start
from .store import Store

__all__ = [
    "HABITS",
    "Answer",
    "Asked",
    "Clock",
    "Dialect",
    "Emulator",
    "Faults",
    "Limits",
    "Protection",
    "Refused",
    "Repository",
    "Right",
    "Role",
    "Routes",
    "Store",
    "iso",
    "start",
]
