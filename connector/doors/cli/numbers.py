"""Numbers among the arguments of the command line."""

import argparse
import re


def port_number(text: str) -> int:
    """Return a TCP port; 0 lets the system choose one."""
    return _number(text, 0, 65535)


def count(text: str) -> int:
    """Return how many of something there are, at least one."""
    return _number(text, 1, 9999)


def amount(text: str) -> int:
    """Return how many of something there are, at least one; it may be many."""
    return _number(text, 1, 10**12)


def seconds(text: str) -> float:
    """Return a positive number of seconds."""
    if not re.match(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z", text) or not float(text):
        raise argparse.ArgumentTypeError("give a number of seconds, such as 0.5")
    return float(text)


def _number(text: str, least: int, most: int) -> int:
    if not re.match(r"[0-9]{1,13}\Z", text) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"give a number from {least} to {most}")
    return int(text)
