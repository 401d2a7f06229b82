"""Deadlines, retries, budgets and fan-outs."""
