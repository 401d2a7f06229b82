"""Threads, forks, flags, bounded tables, and exceptions that are raised from outside."""
