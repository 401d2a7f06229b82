"""Imports everything that a call may need, so that no call imports anything.

An import holds locks of Python's import system. If a process forks while another thread imports,
the child may wait for them forever; so may other threads after an interrupt inside an import. The
command line is a single thread, so it skips this module and imports late.
"""

from __future__ import annotations

import base64  # noqa: F401 - for a dry run
import codecs
import datetime  # noqa: F401 - for a Retry-After with a date
import difflib  # noqa: F401 - for an unknown name
import email.utils  # noqa: F401 - for a Retry-After with a date
import encodings.idna  # noqa: F401 - for each lookup of a host name
import logging  # noqa: F401 - for a defect
import random  # noqa: F401 - for the wait before a retry

import backoff  # noqa: F401 - for a retry

from connector import client, invocation  # noqa: F401 - for a request
from connector.http import sender  # noqa: F401 - for a request
from connector.providers import api_key, entra, keyless, tokens  # noqa: F401 - for a connection
from connector.text import (
    charsets,
    safe_yaml,  # noqa: F401 - for named connections
)

entra.preload()

for name in charsets.NAMES:
    codecs.lookup(name)
