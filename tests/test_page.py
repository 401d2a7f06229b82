"""The connector's page and icon: the page is current and keeps every published row."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors import page
from connector.errors import CODES

pytestmark = pytest.mark.core

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "azure-openai-service.md"

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


def rows(section: str) -> list[tuple[str, Any]]:
    found = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[0] not in ("Input", "-----"):
            default: Any = cells[2]
            if default.startswith("<code>"):
                default = json.loads(default[6:-7].replace("<br />", ""))
            found.append((cells[0], default))
    return found


def test_the_page_is_current(connector: Connector) -> None:
    assert PAGE.read_text(encoding="utf-8") == page.render(connector), "run: connector docs"


def test_the_page_has_front_matter() -> None:
    head = PAGE.read_text(encoding="utf-8").split("---")[1].strip().splitlines()
    assert [line.partition(":")[0] for line in head] == ["title", "sidebar_label", "description"]


@pytest.mark.parametrize("heading", PUBLISHED)
def test_published_rows_come_first_and_as_they_were(heading: str) -> None:
    published = PUBLISHED[heading]
    assert rows(sections()[heading])[: len(published)] == published


def test_the_published_sections_come_first_and_in_their_order() -> None:
    assert list(sections())[: len(PUBLISHED)] == list(PUBLISHED)


def test_every_error_code_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{code}` |" in text for code in CODES)


def test_every_row_has_a_comment() -> None:
    for section in sections().values():
        for line in section.splitlines():
            if line.startswith("| ") and not line.startswith("| -"):
                assert line.split("|")[2].strip()


def test_the_icon_is_a_256_pixel_png_with_its_drawing_beside_it(connector: Connector) -> None:
    data = (REPOSITORY / connector.manifest.raw["icon"]).read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (256, 256)
    assert (REPOSITORY / "assets" / "azure-openai-service.svg").is_file()
