"""Kustomizations: which place controls which rendered field, and edits proven by rendering.

`trace` finds the places of one unit, `merge_shared` completes their consumers over all units, `edit`
writes new values and proves them. docs/kustomize.md says what is found and what is refused.
"""

from reconciler.source.kustomizing.changed import Changed
from reconciler.source.kustomizing.edit import Edited, edit
from reconciler.source.kustomizing.shared import merge_shared
from reconciler.source.kustomizing.trace import trace
from reconciler.source.kustomizing.traced import Traced

__all__ = ["Changed", "Edited", "Traced", "edit", "merge_shared", "trace"]
