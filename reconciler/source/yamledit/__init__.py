"""Reads YAML as spans of text, and changes only the characters meant."""
