"""Git text: where values live, and how they are changed."""
