"""The connector's page and icon: the page is current and keeps every published row."""

from __future__ import annotations

import html
import json
import re
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from connector import Connector, ConnectorError
from connector.doors import page
from connector.errors import CODES
from connector.manifest.schemas import bundle
from connector.sandbox import Sandbox

pytestmark = pytest.mark.core

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "azure-openai-service.md"
MANIFEST = REPOSITORY / "schemas" / "manifest.schema.json"

# Label and default of each published row, in the order of the form.
PUBLISHED: dict[str, list[tuple[str, Any]]] = {
    "API Key {#apikey}": [("API Key", ""), ("Organization", ""), ("Is OpenAI Key", "false")],
    "Create Chat Completion {#createchatcompletion}": [
        ("Connection", ""),
        ("Model / Deployment Name", "gpt-4o-mini"),
        (
            "Messages",
            [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "Who won the world series in 2020?"},
                {
                    "role": "assistant",
                    "content": "The Los Angeles Dodgers won the World Series in 2020.",
                },
                {"role": "user", "content": "Where was it played?"},
            ],
        ),
        ("Temperature", "1"),
        ("top_p", "1"),
        ("Number of choices", "1"),
    ],
    "Create Image {#createimage}": [
        ("Connection", ""),
        ("Prompt", ""),
        ("Number of Images", "1"),
        ("Image Size", "1024x1024"),
    ],
    "Create Multiple Chat Completion {#createcompletions}": [
        ("Connection", ""),
        ("Model / Deployment Name", "gpt-3.5-turbo-instruct"),
        (
            "Messages",
            [
                "How are you today?",
                "What is Azure OpenAI?",
                "Why do children love dinosaurs?",
                "Generate a proof of Euler's identity",
                "Describe in single words only the good things that come into your mind about "
                "your mother.",
            ],
        ),
    ],
    "Raw Request {#rawrequest}": [
        ("Connection", ""),
        ("URL", "/v1/models"),
        ("Method", ""),
        ("Data", ""),
        ("Form Data", ""),
        ("File Data", ""),
        ("File Data File Names", ""),
        ("Query Parameter", ""),
        ("Header", ""),
        ("Response Type", "json"),
        ("Timeout", ""),
        ("Retry Delay (ms)", "0"),
        ("Retry On All Errors", "false"),
        ("Max Retry Count", "0"),
        ("Use Exponential Backoff", "false"),
    ],
    "Summarize Text {#summarizetext}": [
        ("Connection", ""),
        ("Model / Deployment Name", "gpt-3.5-turbo-instruct"),
        ("Text to Summarize", ""),
    ],
}


def sections() -> dict[str, str]:
    parts = re.split(r"^### (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


COLUMNS = ["Input", "Comments", "Default", "Key", "Type", "Required", "Values"]


def form(section: str) -> list[dict[str, str]]:
    """Return the rows of the table of inputs in a section."""
    lines = section.partition("| Input | Comments |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [dict(zip(COLUMNS, map(str.strip, row), strict=True)) for row in cells]


def rows(section: str) -> list[tuple[str, Any]]:
    found = []
    for row in form(section):
        default: Any = row["Default"]
        if default.startswith("<code>"):
            default = json.loads(html.unescape(default[6:-7].replace("<br />", "")))
        found.append((row["Input"], default))
    return found


def test_the_page_is_current(connector: Connector) -> None:
    assert PAGE.read_text(encoding="utf-8") == page.render(connector), "run: connector docs"


def test_the_page_has_front_matter() -> None:
    head = PAGE.read_text(encoding="utf-8").split("---")[1].strip().splitlines()
    assert [line.partition(":")[0] for line in head] == ["title", "sidebar_label", "description"]


@pytest.mark.parametrize("heading", PUBLISHED)
def test_published_rows_come_first_and_unchanged(heading: str) -> None:
    published = PUBLISHED[heading]
    assert rows(sections()[heading])[: len(published)] == published


def test_the_published_sections_come_first_and_in_their_order() -> None:
    assert list(sections())[: len(PUBLISHED)] == list(PUBLISHED)


def test_the_published_columns_come_first() -> None:
    lines = pairwise(PAGE.read_text("utf-8").splitlines())
    tables = [line for line, next_line in lines if next_line.startswith("| -----")]
    heads = [line for line in tables if line.startswith("| Input |")]
    assert set(heads) == {f"| {' | '.join(COLUMNS)} |"}
    assert COLUMNS[:3] == ["Input", "Comments", "Default"]


CHAT = "Create Chat Completion {#createchatcompletion}"
RAW = "Raw Request {#rawrequest}"


@pytest.mark.parametrize(
    ("heading", "key", "kind", "required", "values"),
    [
        (
            "API Key {#apikey}",
            "apiKey",
            "string, secret",
            "yes",
            "1 to 4,096 characters; the key alone, without spaces, line breaks, quotes or "
            "Bearer before it",
        ),
        (
            CHAT,
            "model",
            "string",
            "no",
            "1 to 256 characters; the name alone, without spaces around it, ? or #; "
            "dropdown: [Select Model](#selectmodel); for example `gpt-4o-mini`",
        ),
        (
            CHAT,
            "messages",
            "array of [Message](#shape-message)",
            "no",
            'not empty; for example `[{"role": "user", "content": "Hi"}]`',
        ),
        (CHAT, "temperature", "number", "no", "0 to 2; for example `0.2`"),
        (CHAT, "maxTokens", "integer", "no, advanced", "at least 1; for example `500`"),
        (
            CHAT,
            "stop",
            "string or array of string",
            "no, advanced",
            'not empty; 1 to 4 items; for example `["END"]`',
        ),
        (RAW, "responseType", "string", "no", "`json`, `text`, `binary`"),
        (RAW, "timeout", "number", "no", "more than 0; at most 86,400,000; for example `30000`"),
        (
            RAW,
            "headers",
            "[Key-value list](#shape-keyvaluelist)",
            "no",
            'for example `[{"key": "OpenAI-Beta", "value": "assistants=v2"}]`',
        ),
    ],
)
def test_a_row_says_how_to_fill_the_input_in(
    heading: str, key: str, kind: str, required: str, values: str
) -> None:
    (row,) = (row for row in form(sections()[heading]) if row["Key"] == f"`{key}`")
    assert (row["Type"], row["Required"], row["Values"]) == (kind, required, values)


def test_every_row_of_a_form_has_a_comment() -> None:
    for section in sections().values():
        assert all(row["Comments"] and row["Key"] and row["Type"] for row in form(section))


def test_no_secret_has_an_example_on_the_page(connector: Connector) -> None:
    kind = connector.describe()["connections"][0]
    shown = [
        row["Key"]
        for row in form(sections()["API Key {#apikey}"])
        if "for example" in row["Values"]
    ]
    assert not {f"`{field['key']}`" for field in kind["fields"] if field.get("secret")} & {*shown}


def test_every_link_inside_the_page_has_its_target() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    names = set(re.findall(r"\{#([^}]+)\}$", text, re.M)) | {"error-codes"}
    assert len(links) > 10
    assert links <= names


def test_a_shape_is_shown_once_and_linked_from_where_it_is_used() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for heading in (
        "### Key-value list {#shape-keyvaluelist}",
        "### Binary object {#shape-binary}",
    ):
        assert text.count(heading) == 1
    assert "a [binary object](#shape-binary) as its bytes" in sections()[RAW]


def test_every_output_value_has_its_path() -> None:
    section = sections()[CHAT]
    assert "The value that most flows use next: `data.choices[0].message.content`" in section
    assert "| `data.choices[0].message.content` | The text. " in section
    assert (
        "| `data[0].b64_json` | The bytes in base64. " in sections()["Create Image {#createimage}"]
    )


def test_the_page_has_the_output_examples_of_the_manifest(connector: Connector) -> None:
    blocks = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    ]
    for action in connector.manifest.actions.values():
        assert action.output_examples
        for example in action.output_examples:
            assert {"data": example["data"]} in blocks


def test_the_examples_of_shared_schemas_fit_them(connector: Connector) -> None:
    for path in {*(REPOSITORY / "schemas").glob("*.json")} - {MANIFEST}:
        schema = bundle(path.name, connector.manifest.schemas)
        for example in schema.get("examples", ()):
            jsonschema.Draft202012Validator(schema).validate(example)


def test_an_output_path_leads_to_a_value_of_a_real_result(
    connector: Connector, sandbox: Sandbox
) -> None:
    for action in connector.manifest.actions.values():
        result = connector.invoke(
            action.key, action.examples[0]["inputs"], sandbox.connection("openai")
        )
        value: Any = result.to_dict()
        assert action.output_path is not None
        for step in re.findall(r"\w+", action.output_path):
            value = value[int(step) if isinstance(value, list) else step]
        assert value is False or value


def test_the_table_of_results_has_every_field(connector: Connector, sandbox: Sandbox) -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Results")[2]
    named = set(re.findall(r"^\| `([\w.]+)` \|", text.partition("## Error codes")[0], re.M))
    result = connector.invoke("rawRequest", {"method": "GET"}, sandbox.connection("openai"))
    fields = ("http_status", "retry_after_ms", "provider_code", "provider_param", "request_id")
    given: dict[str, Any] = dict.fromkeys((*fields, "hint"), "x")
    error = ConnectorError("rate_limited", "m", details=[], **given)
    assert named == {
        *("ok", "data"),
        *(f"meta.{key}" for key in (*result.meta, "cost", "toolCalls")),
        *(f"error.{key}" for key in error.to_dict()),
    }


def test_every_error_code_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for code, row in CODES.items():
        sent = ", ".join(f"`{value}`" for value in row.sent)
        assert f"| `{code}` | {'yes' if row.retryable else 'no'} | {sent} |" in text


SPARE: dict[str, Any] = {
    "manifestVersion": 1,
    "key": "spare",
    "label": "Spare",
    "description": "No more than a manifest must have.",
    "connections": [
        {
            "key": "service",
            "label": "Service",
            "handler": "connections.api_key",
            "fields": [],
        }
    ],
    "actions": [
        {
            "key": "go",
            "label": "Go",
            "description": "Goes.",
            "handler": "raw.raw_request",
            "inputs": [
                {"key": "far", "label": "Far", "comments": "How far.", "schema": {}},
                {
                    "key": "way",
                    "label": "Way",
                    "comments": "A `{a|b}` | <c>.",
                    "default": {"a_b": "<*`"},
                    "example": {"x|y": 1},
                    "visibleWhen": {"far": [True, "yes"]},
                    "schema": {
                        "type": ["object", "string", "null"],
                        "maximum": 9,
                        "exclusiveMaximum": 10,
                        "multipleOf": 3,
                        "maxLength": 5,
                        "minItems": 2,
                        "x-form": "a way",
                    },
                },
            ],
        }
    ],
}


def test_the_page_of_a_manifest_without_extras(tmp_path: Path) -> None:
    path = tmp_path / "connector.yaml"
    path.write_text(json.dumps(SPARE), encoding="utf-8")
    text = page.render(Connector.load(path))
    found = re.findall(r"^##+ (.*)$", text, re.M)
    assert found == [
        *("Connections", "Service {#service}", "Actions", "Go {#go}", "Results", "Error codes")
    ]
    assert (
        "| Way | A `{a\\|b}` \\| &lt;c>. "
        '| <code>{<br /> "a&#95;b": "&lt;&#42;&#96;"<br />}</code> '
        "| `way` | object, string or null | no "
        "| at most 9; less than 10; a multiple of 3; at most 5 characters; at least 2 items; "
        'a way; only if `far` is `true` or `"yes"`; for example <code>{"x&#124;y": 1}</code> |'
    ) in text


def test_the_icon_is_a_256_pixel_png_with_its_drawing_beside_it(connector: Connector) -> None:
    data = (REPOSITORY / connector.manifest.raw["icon"]).read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (256, 256)
    assert (REPOSITORY / "assets" / "azure-openai-service.svg").is_file()


def test_the_paths_of_an_output_that_contains_itself_end(tmp_path: Path) -> None:
    tree = {
        "title": "Tree",
        "properties": {
            "name": {"description": "Its name.", "type": "string"},
            "branches": {"type": "array", "items": {"$ref": "tree.schema.json"}},
        },
    }
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "tree.schema.json").write_text(json.dumps(tree), encoding="utf-8")
    (action,) = SPARE["actions"]
    document = {**SPARE, "actions": [{**action, "output": "tree.schema.json"}]}
    path = tmp_path / "connector.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    text = page.render(Connector.load(path))
    assert "| `data.name` | Its name. | string |" in text
    assert "| `data.branches` |  | array of [Tree](#shape-tree) |" in text
    assert "### Tree {#shape-tree}" in text
    assert "branches[0].branches[0].branches" not in text
