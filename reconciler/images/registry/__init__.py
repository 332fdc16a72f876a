"""Registries of images, asked as the OCI distribution specification has it: tags, manifests, signatures."""
