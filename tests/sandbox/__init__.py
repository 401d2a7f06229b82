"""The sandbox over real loopback HTTP: its responses, and the errors of the real services."""
