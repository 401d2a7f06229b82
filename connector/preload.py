"""Imports all that a call may need, so that no call ever imports.

An import takes locks of Python's own. A process that forks while another thread imports leaves its
child waiting for ever; so does an interrupt within an import for the other threads. The command
line, one thread in a process of its own, does without this and imports late.
"""

from __future__ import annotations

import base64  # noqa: F401 - for a dry run
import codecs
import datetime  # noqa: F401 - for a Retry-After with a date
import difflib  # noqa: F401 - for a name that is not known
import email.utils  # noqa: F401 - for a Retry-After with a date
import encodings.idna  # noqa: F401 - for each look-up of a host's name
import logging  # noqa: F401 - for a defect
import random  # noqa: F401 - for the wait before a retry

import backoff  # noqa: F401 - for a retry

from connector import client, invocation  # noqa: F401 - for a request
from connector.http import sender  # noqa: F401 - for a request
from connector.providers import api_key, tokens  # noqa: F401 - for a connection
from connector.text import (
    charsets,
    safe_yaml,  # noqa: F401 - for named connections
)

for name in charsets.NAMES:
    codecs.lookup(name)
