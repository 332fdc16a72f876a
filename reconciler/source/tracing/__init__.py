"""Finds the place in Git that controls each rendered value, by rendering with sentinels.

`helm.py` is what others call; docs/tracing.md tells how it works and what it refuses.
"""
