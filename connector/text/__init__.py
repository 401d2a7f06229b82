"""Strict JSON, safe YAML, charsets, and secrets in texts."""
