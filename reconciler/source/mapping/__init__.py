"""Values that no manifest of a workload holds: by a policy's `fields:`, by a comment, or by Flux's.

Read like manifests, from the text alone, and handed on as the same records: containers with slots, each
with the place that one edit changes.
"""

from reconciler.source.mapping.forms import assignment, in_force
from reconciler.source.mapping.gathering import Mapped, mapped
from reconciler.source.mapping.joining import joined
from reconciler.source.mapping.traced import stands_in_a_file, via

__all__ = ["Mapped", "assignment", "in_force", "joined", "mapped", "stands_in_a_file", "via"]
