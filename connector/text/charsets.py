"""The charsets in which a text response may be encoded."""

from __future__ import annotations

import re

NAMES = """
utf-8 utf8 utf-16 utf16 utf-16le utf-16be us-ascii ascii latin-1 latin1 iso-8859-1 iso-8859-2
iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 iso-8859-9 iso-8859-10 iso-8859-11
iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16 windows-1250 windows-1251 windows-1252 windows-1253
windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 koi8-r koi8-u shift_jis shift-jis
euc-jp euc-kr gbk gb2312 gb18030 big5
""".split()
"""Not every codec of Python: some are not charsets, and some take quadratic time."""

_CHARSET = re.compile(r"charset=[\"']?([a-z0-9_-]{1,20})", re.IGNORECASE)


def of(content_type: str) -> str:
    """Return the charset of a content type, UTF-8 if it is not among `NAMES`."""
    match = _CHARSET.search(content_type)
    name = match[1].lower() if match else ""
    return name if name in NAMES else "utf-8"
