"""Proves a manifest: its shape, its schemas, its handlers, defaults and examples."""
