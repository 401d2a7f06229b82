"""Each action from its form to its result, and what the form sends."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from connector import Connector
from tests.integration.console.conftest import Console
from tests.support.event_peer import EventPeer, whole
from tests.support.front import connection
from tests.support.http_door import RunningDoor, running_door

ROOT = Path(__file__).parents[3]
ACTIONS: list[dict[str, Any]] = Connector.load().describe()["actions"]
EXAMPLES = [(row["key"], example) for row in ACTIONS for example in row["examples"]]
STREAMS = {row["key"] for row in ACTIONS if row.get("streams")}
CHAT = "createChatCompletion"


@pytest.mark.parametrize(
    ("action", "example"), EXAMPLES, ids=[f"{key}-{row['name']}" for key, row in EXAMPLES]
)
def test_every_example_goes_from_the_form_to_a_result(
    console: Console, action: str, example: dict[str, Any]
) -> None:
    console.open(action)
    console.button(example["name"]).click()
    console.run()
    assert console.outcome == "OK"
    assert console.sent(f"/v1/actions/{action}") == {
        "connection": "sandbox",
        "inputs": example["inputs"],
    }
    expect(console.page.locator(".tree").first).to_contain_text("data")
    expect(console.page.locator(".output, .tree").first).to_be_visible()


@pytest.mark.parametrize("action", [row["key"] for row in ACTIONS])
def test_every_input_shows_its_label_its_comments_and_its_default(
    console: Console, action: str
) -> None:
    described = next(row for row in ACTIONS if row["key"] == action)
    console.open(action)
    for details in console.page.locator("details.advanced").all():
        details.evaluate("element => { element.open = true }")
    shown = console.page.locator("form.card .field")
    inputs = [row for row in described["inputs"] if row["key"] != "connection"]
    usual = [row for row in inputs if not row.get("advanced")]
    expect(shown).to_have_count(len(inputs))
    for index, row in enumerate([*usual, *(row for row in inputs if row.get("advanced"))]):
        field = shown.nth(index)
        expect(field.locator("label, .name").first).to_have_text(row["label"])
        expect(field.locator(".comments").last).not_to_contain_text("](")
        assert ("default" in row) == (field.locator(".tag", has_text="default").count() == 1)
        if isinstance(row.get("default"), str | int | float) and row.get("control") != "toggle":
            expect(console.input(row["key"])).to_have_value(str(row["default"]))


def test_a_visitor_without_a_key_has_a_result_in_two_clicks(console: Console) -> None:
    console.open(connection=None)  # the operator's own connections come first
    console.button("Use the sandbox").click()
    console.run()
    assert console.outcome == "OK"
    assert "Sandbox reply" in console.text
    assert console.sent(f"/v1/actions/{CHAT}") == {"connection": "sandbox", "inputs": {}}


def test_only_touched_inputs_are_sent_and_a_default_can_be_taken_back(console: Console) -> None:
    console.open(CHAT)
    console.input("temperature").fill("0.2")
    console.input("numChoices").fill("2")
    console.button("Use default for Number of choices").click()
    expect(console.input("numChoices")).to_have_value("1")
    console.run()
    assert console.sent(f"/v1/actions/{CHAT}")["inputs"] == {"temperature": 0.2}


def test_messages_are_rows_or_json(console: Console) -> None:
    console.open(CHAT)
    page = console.page
    for row in (4, 3, 2):
        console.button(f"Remove row {row} of Messages").click()
    page.get_by_label("Messages: role 1").select_option("user")
    page.get_by_label("Messages: content 1").fill('Say "ahoy"\nto me')
    console.run()
    expected = [{"role": "user", "content": 'Say "ahoy"\nto me'}]
    assert console.sent(f"/v1/actions/{CHAT}")["inputs"] == {"messages": expected}
    console.button("Edit as JSON for Messages").click()
    assert json.loads(console.input("messages").input_value()) == expected
    console.input("messages").fill('[{"role": "user", "content": [{"type": "text"')
    expect(page.get_by_text("This is not JSON yet")).to_be_visible()
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    console.input("messages").fill(json.dumps(parts))
    expect(page.get_by_text("This is not JSON yet")).to_have_count(0)
    console.run()
    assert console.sent(f"/v1/actions/{CHAT}")["inputs"] == {"messages": parts}


def test_an_input_is_shown_only_if_another_one_has_the_value_it_depends_on(
    console: Console,
) -> None:
    def add_condition(route: Route) -> None:
        response = route.fetch()
        manifest = response.json()
        for row in next(row for row in manifest["actions"] if row["key"] == "rawRequest")["inputs"]:
            if row["key"] == "retryDelayMS":
                row["visibleWhen"] = {"useExponentialBackoff": [False]}
        route.fulfill(response=response, json=manifest)

    console.page.route("**/v1/actions", add_condition)
    console.open("rawRequest")
    console.input("method").select_option("GET")
    console.input("retryDelayMS").fill("5")
    console.input("useExponentialBackoff").check()
    expect(console.input("retryDelayMS")).to_have_count(0)
    console.run()
    sent = console.sent("/v1/actions/rawRequest")["inputs"]
    assert sent == {"method": "GET", "useExponentialBackoff": True}
    console.input("useExponentialBackoff").uncheck()
    expect(console.input("retryDelayMS")).to_have_value("5")


def test_a_form_is_drawn_without_a_schema_that_cannot_be_fetched(console: Console) -> None:
    console.page.route("**/schema", lambda route: route.abort())
    console.open(CHAT)
    console.run()
    assert console.outcome == "OK"


def test_a_model_is_chosen_from_the_live_list_or_typed(console: Console) -> None:
    console.open(CHAT)
    model = console.input("model")
    console.button("Show choices for Model / Deployment Name").click()
    expect(console.page.locator("[role=option]").first).to_be_visible()
    model.fill("gpt-5-m")
    expect(console.page.locator("[role=option]").first).to_have_text("gpt-5-mini")
    model.press("ArrowDown")
    model.press("Enter")
    expect(model).to_have_value("gpt-5-mini")
    expect(console.page.get_by_role("listbox")).to_be_hidden()
    model.fill("ft:gpt-4o-mini:my-org::id")
    model.press("Escape")
    console.run()
    assert console.outcome == "OK"
    sent = console.sent(f"/v1/actions/{CHAT}")
    assert sent["inputs"] == {"model": "ft:gpt-4o-mini:my-org::id"}


def test_tables_and_files_are_sent_as_the_contract_has_them(console: Console) -> None:
    console.open("rawRequest")
    page = console.page
    console.input("url").fill("/v1/files")
    console.input("method").select_option("POST")
    console.button("Add a row to Form Data").click()
    page.get_by_label("Form Data: key 1").fill("purpose")
    page.get_by_label("Form Data: value 1").fill("assistants")
    console.button("Add a row to File Data").click()
    page.get_by_label("File Data: key 1").fill("file")
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
    page.get_by_label("File Data: file 1").set_input_files(file)
    console.button("Add a row to File Data File Names").click()
    page.get_by_label("File Data File Names: key 1").fill("file")
    page.get_by_label("File Data File Names: value 1").fill("notes.txt")
    page.get_by_role("switch", name="Retry On All Errors").check()
    console.run()
    assert console.outcome == "OK"
    binary = {"contentType": "text/plain", "encoding": "base64", "data": "aGVsbG8="}
    assert console.sent("/v1/actions/rawRequest")["inputs"] == {
        "url": "/v1/files",
        "method": "POST",
        "formData": [{"key": "purpose", "value": "assistants"}],
        "fileData": [{"key": "file", "value": binary}],
        "fileDataFileNames": [{"key": "file", "value": "notes.txt"}],
        "retryAllErrors": True,
    }


def test_usage_attempts_and_warnings_are_shown(console: Console) -> None:
    console.open("createCompletions")  # its default model has retired
    console.run()
    facts = console.page.locator(".facts")
    expect(facts).to_contain_text("attempts")
    expect(facts).to_contain_text("tokens (")
    expect(console.page.locator(".warning")).to_contain_text("gpt-3.5-turbo-instruct")
    expect(console.page.locator(".output .text")).to_have_count(5)


def test_a_click_copies_the_path_of_a_value(console: Console) -> None:
    console.open(CHAT)
    console.run()
    page = console.page
    console.button("content (copy the path data.choices[0].message.content)").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "data.choices[0].message.content"
    expect(page.get_by_text("Copied data.choices[0].message.content")).to_be_visible()


def test_images_are_shown_and_can_be_saved(console: Console) -> None:
    console.open("createImage")
    console.button("Two images").click()
    console.run()
    images = console.page.locator(".output img")
    expect(images).to_have_count(2)
    expect(images.first).to_have_js_property("naturalWidth", 1792)
    with console.page.expect_download() as saved:
        console.page.get_by_role("link", name="Save data-0-b64_json.png").click()
    assert saved.value.suggested_filename == "data-0-b64_json.png"
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_text_is_shown_as_it_arrives(open_console: Callable[..., Console]) -> None:
    seen = threading.Event()
    pieces = whole("Red, ", "yellow ", "and blue.")
    with (
        EventPeer([*pieces[:3], lambda: seen.wait(30), *pieces[3:]]) as peer,
        running_door({"provider": connection(peer.url)}) as door,
    ):
        console = open_console(door.url)
        console.open(CHAT, "provider")
        console.button("Run").click()
        try:
            expect(console.page.locator(".output .text")).to_have_text("Red, yellow ")
            expect(console.button("Cancel")).to_be_visible()
        finally:
            seen.set()
        expect(console.page.locator(".result .pill")).to_have_text("OK")
        assert console.text == "Red, yellow and blue."


def test_a_run_can_be_cancelled_and_another_started(console: Console) -> None:
    console.open("summarizeText")
    console.input("textToSummarize").fill("sandbox:slow")
    console.button("Run").click()
    expect(console.page.locator(".spinner")).to_be_visible()
    console.button("Cancel").click()
    expect(console.page.get_by_role("alert")).to_contain_text("You cancelled this run.")
    console.input("textToSummarize").fill("The tide tables were first printed in 1861.")
    console.run()
    assert console.outcome == "OK"


def test_the_history_brings_back_the_form_and_the_result(console: Console) -> None:
    console.open(CHAT)
    console.input("temperature").fill("0.3")
    console.run()
    console.page.get_by_role("link", name="Create Image").click()
    console.input("prompt").fill("A lighthouse")
    console.run()
    console.tab("History (2)").click()
    console.page.locator(".history button").last.click()
    expect(console.input("temperature")).to_have_value("0.3")
    assert "Sandbox reply" in console.text


def test_an_earlier_run_can_be_seen_while_another_is_under_way(console: Console) -> None:
    console.open("summarizeText")
    console.input("textToSummarize").fill("The first text.")
    console.run()
    held: list[Route] = []
    console.page.route("**/v1/actions/summarizeText", lambda route: held.append(route))
    console.input("textToSummarize").fill("The second text.")
    console.button("Run").click()
    expect(console.page.locator(".spinner")).to_be_visible()
    console.tab("History (1)").click()
    console.page.locator(".history button").click()
    expect(console.button("Cancel")).to_be_visible()
    held[0].continue_()
    expect(console.button("Run")).to_be_visible()
    assert "first" in console.text
    console.tab("History (2)").click()
    console.page.locator(".history button").first.click()
    expect(console.page.locator(".output .text")).to_contain_text("second")


def preview_of(console: Console, kind: str) -> str:
    console.button("Preview").click()
    console.tab(kind).click()
    text: str = console.page.locator(".snippet pre").first.inner_text()
    return text


def test_the_preview_shows_the_exact_request_with_the_key_masked(console: Console) -> None:
    console.open(CHAT)
    console.input("temperature").fill("0.25")
    text = preview_of(console, "Request")
    head, _, body = text.partition("\n\n")
    assert head.startswith("POST http://127.0.0.1:")
    assert "Authorization: Bearer ***" in head
    assert json.loads(body)["temperature"] == 0.25
    console.input("temperature").fill("0.75")  # the preview follows the form
    expect(console.page.locator(".snippet pre")).to_contain_text('"temperature": 0.75')


AWKWARD = "It's \"quoted\" $HOME `x` \\ \U0001f600 'JSON'\nJSON "


@pytest.mark.parametrize("kind", ["curl", "Command line", "Python"])
def test_the_snippets_of_the_preview_do_the_same_call(
    console: Console, kind: str, tmp_path: Path
) -> None:
    console.open("summarizeText")
    console.input("textToSummarize").fill(AWKWARD)
    text = preview_of(console, kind)
    binaries = str(Path(sys.executable).parent)
    done = subprocess.run(
        [sys.executable, "-c", text] if kind == "Python" else ["sh", "-c", text],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
    )
    assert done.returncode == 0, done.stderr
    console.run()
    assert console.outcome == "OK"
    # The summary by the sandbox repeats the text.
    if kind == "Python":
        assert ast.literal_eval(done.stdout)["summary"] == console.text
    else:
        assert json.loads(done.stdout)["data"]["summary"] == console.text


def test_the_payload_of_the_preview_is_what_run_sends(console: Console) -> None:
    console.open(CHAT)
    console.input("numChoices").fill("2")
    shown = json.loads(preview_of(console, "Payload"))
    console.run()
    assert console.sent(f"/v1/actions/{CHAT}") == shown


def test_the_page_is_used_by_keyboard_alone(
    open_console: Callable[..., Console], door: RunningDoor
) -> None:
    console = open_console(door.url)
    console.open(CHAT)
    console.input("temperature").focus()
    console.page.keyboard.press("Control+a")
    console.page.keyboard.type("0.5")
    console.page.keyboard.press("Control+Enter")
    expect(console.page.locator(".result .pill")).to_have_text("OK")
    console.tab("Result").focus()
    console.page.keyboard.press("ArrowRight")
    expect(console.tab("Preview")).to_be_focused()
    expect(console.tab("Preview")).to_have_attribute("aria-selected", "true")
