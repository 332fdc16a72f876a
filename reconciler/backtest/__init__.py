"""Policies and baselines, replayed day by day over samples of the past."""
