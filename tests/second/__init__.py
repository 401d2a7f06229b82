"""A connector of its own: another manifest, another package of handlers, the same runtime."""
