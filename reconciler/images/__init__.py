"""Image tags: which of those in a registry a policy would take, and why not the others."""
