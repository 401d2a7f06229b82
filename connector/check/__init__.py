"""Checks a manifest: its shape, schemas, handlers, defaults and examples."""
