"""The HTML file of the Node-RED package: the forms of the editor and the help texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any


def page(
    described: Mapping[str, Any], definition: Mapping[str, Any], script: str, style: str
) -> str:
    """Return the file; `script` draws the forms from `definition`."""
    # In a script element, "<" could begin the tag that ends it.
    data = json.dumps(definition, ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        f"<style>\n{style}</style>",
        '<script type="text/javascript">\n(function () {\n'
        f"const definition = {data};\n{script}}})();\n</script>",
        _form(f"{described['key']}-server", _SERVER_FORM),
        _help(f"{described['key']}-server", _SERVER_HELP),
    ]
    for row in described["actions"]:
        kind = f"{described['key']}-{row['key']}"
        parts += [_form(kind, _ACTION_FORM), _help(kind, _action_help(row))]
    return "\n\n".join(parts) + "\n"


def _form(kind: str, body: str) -> str:
    return f'<script type="text/html" data-template-name="{escape(kind)}">\n{body}</script>'


def _help(kind: str, markdown: str) -> str:
    safe = re.sub(r"</?(script|style)", lambda tag: escape(tag[0]), markdown, flags=re.I)
    return f'<script type="text/markdown" data-help-name="{escape(kind)}">\n{safe}</script>'


def _row(prefix: str, key: str, icon: str, label: str, attributes: str = 'type="text"') -> str:
    name = f"{prefix}-{key}"
    return (
        f'<div class="form-row"><label for="{name}"><i class="fa fa-{icon}"></i> {label}</label> '
        f'<input id="{name}" {attributes}></div>\n'
    )


_SERVER_FORM = "".join(
    (
        _row("node-config-input", "name", "tag", "Name"),
        _row("node-config-input", "url", "globe", "Server"),
        _row("node-config-input", "connection", "plug", "Connection"),
        _row("node-config-input", "token", "lock", "Token", 'type="password"'),
    )
)

_SERVER_HELP = """\
The server that runs the actions, started with `connector serve`.

: Server (string) : Its address, such as `http://127.0.0.1:8791`.
: Connection (string) : The name of a connection that the server knows. Keys stay on the server. \
With `connector serve --sandbox` the name is `sandbox`.
: Token (string) : The server's token, its environment variable `CONNECTOR_TOKEN`. Blank if it has \
none. Node-RED keeps it with its credentials, apart from the flow.
"""

_ACTION_FORM = (
    _row("node-input", "name", "tag", "Name")
    + _row("node-input", "server", "server", "Server")
    + '<div class="connector-inputs"></div>\n'
)


def _action_help(row: Mapping[str, Any]) -> str:
    inputs = [
        f": {item['label']} ({_kind(item)}) : {_line(item.get('comments', ''))}"
        for item in row["inputs"]
        if item["key"] != "connection"
    ]
    path = str(row.get("outputPath", "data")).replace("data", "msg.payload", 1)
    billing = [f"**What is billed**: {_line(row['billing'])}", ""] if "billing" in row else []
    lines = [
        f"{_line(row['description'])}.",
        "",
        "### Inputs",
        "",
        *inputs,
        "",
        "A blank input is not sent; its default is used.",
        "",
        "### Outputs",
        "",
        "1. Result",
        f": payload (any) : The data. Most flows use `{path}` next.",
        ": connector (object) : `meta`, with the usage, the attempts and the warnings.",
        "",
        "2. Failure",
        ": error (object) : `code`, `message`, `retryable`, and `sent`, which says whether the "
        "provider may have done the work. Where a part of it was done, `payload` has that.",
        "",
        "If nothing is wired to the second output, catch nodes get the failure.",
        "",
        "### Details",
        "",
        *billing,
        "To deploy again cancels what runs.",
    ]
    return "\n".join(lines) + "\n"


def _kind(item: Mapping[str, Any]) -> str:
    return "required" if item.get("required") else "optional"


def _line(markdown: str) -> str:
    return " ".join(markdown.split())
