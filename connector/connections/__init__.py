"""Turns a payload's connection, or the name of a configured one, into a ready connection."""
