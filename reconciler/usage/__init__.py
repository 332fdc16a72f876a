"""What containers used: asking for it, recording it, and merging days of it."""
