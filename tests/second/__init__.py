"""Another connector: its own manifest and handlers, the same runtime."""
