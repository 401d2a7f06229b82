"""What goes wrong is shown where it belongs, in words that help."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from connector.doors.server.settings import Settings
from connector.errors import CODES, ConnectorError
from connector.result import failed
from connector.sandbox import Sandbox
from tests.integration.console.conftest import REACH, Console
from tests.support.http_door import running_door

CHAT = "createChatCompletion"
KEY = "sk-typed-into-the-page-0123456789"


def test_a_problem_is_shown_at_its_field_and_goes_when_that_is_changed(console: Console) -> None:
    console.open(CHAT)
    console.input("temperature").fill("9")
    console.page.get_by_label("Messages: content 2").fill("Hi")
    console.page.get_by_text("More options").click()
    console.input("maxTokens").fill("many")
    console.run()
    assert console.outcome == "Failed"
    temperature = console.input("temperature")
    expect(temperature).to_have_attribute("aria-invalid", "true")
    field = console.page.locator(".field:has(#field-inputs-temperature)")
    expect(field.locator(".problem")).to_contain_text("at most 2")
    console.page.get_by_role("alert").get_by_role("button", name="Max Tokens").click()
    expect(console.input("maxTokens")).to_be_focused()
    temperature.fill("1.5")
    expect(field.locator(".problem")).to_have_count(0)
    expect(console.page.locator(".problem")).to_have_count(1)


def test_a_problem_inside_a_row_marks_that_cell(console: Console) -> None:
    console.open(CHAT)
    console.page.get_by_label("Messages: role 2").select_option("tool")
    console.run()
    expect(console.page.get_by_text("messages/1/tool_call_id", exact=True)).to_be_visible()
    for row, invalid in ((1, "false"), (2, "true"), (3, "false")):
        cell = console.page.get_by_label(f"Messages: role {row}")
        expect(cell).to_have_attribute("aria-invalid", invalid)
    expect(console.page.get_by_role("alert")).to_contain_text("1/tool_call_id is required")


def test_a_problem_in_folded_inputs_unfolds_them(console: Console) -> None:
    console.open("createImage")
    console.input("prompt").fill("A lighthouse")
    console.page.get_by_text("More options").click()
    console.input("extraParameters").fill("not an object")
    console.page.get_by_text("More options").click()
    console.run()
    expect(console.input("extraParameters")).to_be_visible()


CASES = {
    "wrong-key": (CHAT, "wrong-key", {}, "authentication_failed"),
    "no quota": (CHAT, "no-quota", {}, "quota_exhausted"),
    "unknown model": (CHAT, "sandbox", {"model": "gpt-missing"}, "not_found"),
    "filtered": (
        "summarizeText",
        "azure",
        {"textToSummarize": "sandbox:filter"},
        "content_filtered",
    ),
    "not JSON": (
        "summarizeText",
        "sandbox",
        {"textToSummarize": "sandbox:html"},
        "invalid_response",
    ),
    "raw 404": ("rawRequest", "sandbox", {"url": "/v1/nowhere", "method": "GET"}, "not_found"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_of_the_provider_is_explained(console: Console, case: str) -> None:
    action, connection, inputs, code = CASES[case]
    console.open(action, connection)
    for key, value in inputs.items():
        if key == "method":
            console.input(key).select_option(value)
        else:
            console.input(key).fill(value)
            console.page.keyboard.press("Escape")
    console.run()
    box = console.page.get_by_role("alert")
    expect(box.locator("code").first).to_have_text(code)
    expect(box).to_contain_text("provider" if code == "invalid_response" else "bill")


def test_what_was_done_before_a_failure_is_shown(console: Console) -> None:
    console.open("createCompletions", "azure")
    console.input("model").fill("gpt-4o-mini")
    console.page.keyboard.press("Escape")
    console.button("Edit as JSON for Messages").click()
    console.input("messages").fill('["Name a river.", "sandbox:filter"]')
    console.run()
    expect(console.page.get_by_role("alert").locator("code").first).to_have_text("partial_failure")
    assert "Name a river" in console.text
    expect(console.page.locator(".tree").first).to_contain_text("content_filtered")


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_shown_with_its_hint_and_what_was_sent(console: Console, code: str) -> None:
    console.open("summarizeText")
    error = ConnectorError(
        code,  # type: ignore[arg-type]
        "It did not work <b>today</b>.",
        hint="Try `another` day.",
        details=[
            {"path": "/inputs/model", "input": "Model / Deployment Name", "message": "is odd"}
        ],
    )
    envelope = json.dumps(failed(error, "summarizeText").to_dict())

    def answer(route: Route) -> None:
        route.fulfill(status=424, body=envelope, content_type="application/json")

    console.page.route("**/v1/actions/summarizeText", answer)
    console.run()
    box = console.page.get_by_role("alert")
    expect(box.locator("code").first).to_have_text(code)
    expect(box).to_contain_text("It did not work <b>today</b>.")
    expect(box).to_contain_text("Hint. Try another day.")
    field = console.page.locator(".field:has(#field-inputs-model)")
    expect(field.locator(".problem")).to_contain_text("is odd")


def test_a_server_that_is_gone_or_answers_nonsense_is_reported(console: Console) -> None:
    console.open("summarizeText")
    console.input("textToSummarize").fill("Tides.")
    console.page.route("**/v1/actions/summarizeText", lambda route: route.abort())
    console.run()
    expect(console.page.get_by_role("alert")).to_contain_text("did not answer")
    console.page.unroute("**/v1/actions/summarizeText")
    console.page.route(
        "**/v1/actions/summarizeText",
        lambda route: route.fulfill(status=502, body="<h1>Bad gateway"),
    )
    console.run()
    expect(console.page.get_by_role("alert")).to_contain_text("The server answered 502")


def test_the_token_of_the_server_is_asked_for(
    open_console: Callable[..., Console], running_sandbox: Sandbox
) -> None:
    token = "a-token-of-the-operator"
    connections = {"sandbox": running_sandbox.connection("openai")}
    with running_door(
        connections, Settings(sandbox="{}", sandbox_kind="openai"), token=token
    ) as door:
        console = open_console(door.url)
        console.page.goto(door.url)
        field = console.page.get_by_label("Token", exact=True)
        field.fill("wrong")
        console.button("Continue").click()
        expect(console.page.get_by_text("does not accept this token")).to_be_visible()
        field.fill(token)
        console.button("Continue").click()
        console.run()
        assert console.outcome == "OK"
        assert console.page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert console.page.evaluate("document.cookie") == ""


def test_a_key_of_ones_own_stays_in_the_page(console: Console, running_sandbox: Sandbox) -> None:
    console.open(CHAT, connection=None)
    page = console.page
    page.locator("#connection").select_option("A key of my own…")
    console.button("Check connection").click()
    expect(console.field("apiKey").locator(".problem")).to_contain_text("is required")
    fields = running_sandbox.connection("openai")["fields"]
    page.locator("#field-connection-fields-apiKey").fill(KEY)
    page.get_by_role("switch", name="Is OpenAI Key").check()
    page.locator("#field-connection-fields-endpoint").fill(fields["endpoint"])
    console.button("Check connection").click()
    expect(page.locator(".verdicts")).to_contain_text("models listed")
    console.run()
    assert console.outcome == "OK"
    console.button("Preview").click()
    for tab in ("Request", "Payload", "curl", "Command line", "Python"):
        console.tab(tab).click()
        expect(page.locator(".snippet pre").first).to_contain_text("***")
        assert KEY not in page.content()
    console.tab("History (1)").click()
    assert KEY not in page.content()
    assert KEY not in page.url
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.reload()
    expect(console.button("Run")).to_be_enabled()
    assert KEY not in page.content()


def test_a_server_with_no_connection_says_what_to_do(open_console: Callable[..., Console]) -> None:
    with running_door({}) as door:
        console = open_console(door.url)
        console.page.goto(door.url)
        expect(console.page.get_by_text("This server has no connection")).to_be_visible()
        expect(console.button("Run")).to_be_disabled()
    with running_door({}, Settings(inline=True, reach=REACH)) as door:
        console = open_console(door.url)
        console.page.goto(door.url)
        expect(console.page.get_by_label("API Key", exact=True)).to_be_visible()
