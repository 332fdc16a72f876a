"""Other tools that change images, as far as repositories say what they do."""
