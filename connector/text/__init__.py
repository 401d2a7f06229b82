"""Texts read and written strictly: JSON, YAML, charsets, and texts that hold a secret."""
