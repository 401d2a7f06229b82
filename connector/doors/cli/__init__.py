"""The command line. `main` runs a command; its function is in the module of its group."""
