"""What a new merge request has to pass before it is opened. Pure.

    approval ─► schedule ─► how many: an hour, at once, a run, a week, an owner ─► Argo CD's sync windows

The first gate that is closed names the reason. One that is open already passes them all: it is kept
current, and only merging it by ourselves waits for the schedule and the windows.
"""

from reconciler.proposals.gates.admit import Admission, Bid, Held, Tally, admit, kept
from reconciler.proposals.gates.brake import Alarm, Brake, braked, hold_alarmed

__all__ = ["Admission", "Alarm", "Bid", "Brake", "Held", "Tally", "admit", "braked", "hold_alarmed", "kept"]
