"""Changes in, merge requests out: grouping, texts, and what to do with each. Pure."""
