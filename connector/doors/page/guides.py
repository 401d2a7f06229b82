"""The sections after the actions: dropdowns, models, costs, results, error codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.connector import Connector
from connector.doors.page.text import code, escaped, json_block, table

Described = Mapping[str, Any]


def dropdowns(described: Described) -> Iterator[str]:
    """Yield what fills each dropdown."""
    if not described.get("dataSources"):
        return
    yield from ("## Dropdowns", "")
    for source in described["dataSources"]:
        yield f"### {source['label']} {{#{source['key'].lower()}}}"
        yield ""
        if "description" in source:
            yield from (source["description"], "")
        yield f"`connector options {source['key']}` prints a list of objects. `key` is the value"
        yield "of the input, `label` is what the form shows:"
        yield ""
        example = source.get("example", [{"key": "…", "label": "…"}])
        yield from json_block(example)


def models(described: Described) -> Iterator[str]:
    """Yield how to choose a model, and the facts that the manifest has of each."""
    known = described.get("models", {})
    if not known:
        return
    yield from ("## Models", "")
    if "modelGuide" in described:
        yield from (described["modelGuide"].strip(), "")
    providers = list(
        dict.fromkeys(name for item in known.values() for name in item.get("retires", {}))
    )
    yield from table(
        (
            "Model",
            "API",
            "Context (tokens)",
            *(f"Retires on {code(name)}" for name in providers),
            "Successor",
        ),
        (_model(name, item, providers) for name, item in known.items()),
    )
    yield ""


def _model(name: str, item: Mapping[str, Any], providers: list[str]) -> tuple[str, ...]:
    context = item.get("contextTokens")
    return (
        code(name),
        item.get("api", "chat"),
        f"{context:,}" if context else "",
        *(item.get("retires", {}).get(provider, "") for provider in providers),
        code(item["successor"]) if "successor" in item else "",
    )


def costs(described: Described) -> Iterator[str]:
    """Yield what the provider bills for each action."""
    rows = [item for item in described["actions"] if "billing" in item]
    if not rows and "billing" not in described:
        return
    yield from ("## Costs", "")
    if "billing" in described:
        yield from (described["billing"].strip(), "")
    if rows:
        yield from table(
            ("Action", "What is billed"),
            (
                (f"[{item['label']}](#{item['key'].lower()})", escaped(item["billing"]))
                for item in rows
            ),
        )
        yield ""
    if described.get("prices"):
        yield from _prices(described["prices"])


def _prices(listed: Mapping[str, Any]) -> Iterator[str]:
    """Yield the prices that the manifest lists."""
    keys = ("input", "cachedInput", "output")
    yield from ("Prices in US dollars for a million tokens:", "")
    yield from table(
        ("Provider", "Model", "Input", "Cached input", "Output", "As of"),
        (
            (
                code(provider),
                code(name),
                *(f"{item[key]:g}" if key in item else "" for key in keys),
                f"[{item['day']}]({item['source']})",
            )
            for provider, known in listed.items()
            for name, item in known.items()
        ),
    )
    yield ""


_RESULT = """\
ok | boolean | Whether all of the work was done.
data | | The output of the action. With `ok` false it is there only if part of the work was done.
meta.action | string | The key of the action.
meta.provider | string or null | The provider that the connection leads to.
meta.attempts | integer | How many requests were sent, retries included.
meta.durationMs | integer | How long the action took, in milliseconds.
meta.requestId | string or null | The provider's name for the last request; quote it to its support.
meta.usage | object or null | The tokens of all requests, added up, as the provider counts them.
meta.cost | object | What the action cost in money, if all of it is known.
meta.toolCalls | array of object | The tools that the model calls, with validated arguments.
meta.warnings | array of string | What a person should know, such as a model that was replaced.
meta.rateLimit | object | What is left of the provider's limits, if it said so.
meta.httpStatus | integer | The status of the response, if the action shows it.
meta.headers | object | The headers of the response, if the action shows them.
error.code | string | One of the [error codes](#error-codes). With `ok` true there is no `error`.
error.message | string | What happened, for a person.
error.retryable | boolean | Whether another attempt may succeed.
error.sent | string | Whether the work may be done and billed: `no`, `rejected`, `unknown`.
error.httpStatus | integer | The status of the response.
error.retryAfterMs | integer | How long to wait before another attempt, in milliseconds.
error.providerCode | string | The provider's own code.
error.providerParam | string | The request parameter that the provider names.
error.requestId | string | The provider's name for the request.
error.hint | string | What to do about it.
error.details | array of object | Every problem of the payload, as `path`, `input`, `message`.
"""


def results() -> Iterator[str]:
    """Yield the fields of a result; they are the same for every action."""
    yield from ("## Results", "")
    yield "Every action returns one JSON object. Paths begin at its top, so the output of an action"
    yield "is below `data`. An unknown value is null in `meta` and left out of `error`."
    yield ""
    rows = (row.split(" | ", 2) for row in _RESULT.replace("data | |", "data |  |").splitlines())
    yield from table(
        ("Path", "Type", "Comments"), ((code(path), kind, text) for path, kind, text in rows)
    )
    yield ""


def error_codes(connector: Connector) -> Iterator[str]:
    """Yield the table of the codes of `error.code`."""
    yield from ("## Error codes", "")
    yield from code_table(connector)


def code_table(connector: Connector) -> Iterator[str]:
    """Yield the lines of the table of error codes."""
    yield from table(
        ("Code", "May be retried", "Sent", "Meaning", "What to do"),
        (
            (
                code(row["code"]),
                "yes" if row["retryable"] else "no",
                ", ".join(map(code, row["sent"])),
                row["meaning"],
                row["remedy"],
            )
            for row in connector.errors()
        ),
    )
