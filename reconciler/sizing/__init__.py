"""From evidence to new requests: pure, and in integers only.

`decide` says what is to be set and why; `explain` tells the way from the samples to the number.
Neither reads a clock, a file or a network: the same evidence gives the same answer anywhere.
"""

from reconciler.sizing.decide import decide
from reconciler.sizing.explain import Explanation, explain, tell
from reconciler.sizing.remedies import remedy
from reconciler.sizing.replicas import notes as advised
from reconciler.sizing.room import without_room
from reconciler.sizing.together import decide_all

__all__ = ["Explanation", "advised", "decide", "decide_all", "explain", "remedy", "tell", "without_room"]
