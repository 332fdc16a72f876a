"""The report of a run, as a person, a script or a merge request reads it."""
