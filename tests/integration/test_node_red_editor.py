"""The exported nodes in Node-RED's editor: a flow is drawn, filled in, deployed, and runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from connector import Connector

from .node_red_process import (
    KEY,
    SERVER,
    TOKEN,
    NodeRed,
    documented_flow,
    flow,
    node_red,
    serving,
    wait_for,
)

ACTIONS = {row["key"]: row for row in Connector.load().describe()["actions"]}
SUMMARY = f"{KEY}-summarizeText"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeRed]:
    with node_red(tmp_path_factory.mktemp("node-red")) as running:
        yield running


class Editor:
    """Node-RED's editor, used as a person uses it."""

    def __init__(self, page: Page, red: NodeRed) -> None:
        self.page = page
        self.red = red
        page.set_viewport_size({"width": 1500, "height": 950})
        page.goto(red.url)
        page.locator(f'.red-ui-palette-node[data-palette-type="{SUMMARY}"]').wait_for()

    def drag_from_palette(self, kind: str, x: int, y: int) -> Locator:
        """Drop a node into the workspace and return it."""
        before = self.page.locator(".red-ui-flow-node-group").count()
        item = self.page.locator(f'.red-ui-palette-node[data-palette-type="{kind}"]')
        item.scroll_into_view_if_needed()
        chart = self.page.locator("#red-ui-workspace-chart")
        item.drag_to(chart, target_position={"x": x, "y": y})
        nodes = self.page.locator(".red-ui-flow-node-group")
        expect(nodes).to_have_count(before + 1)
        return nodes.last

    def node(self, key: str) -> Locator:
        return self.page.locator(f'[id="{key}"]')

    def wire(self, source: Locator, target: Locator, output: int = 0) -> None:
        start = source.locator(".red-ui-flow-port-output .red-ui-flow-port").nth(output)
        start.drag_to(target.locator(".red-ui-flow-port-input .red-ui-flow-port"))

    def open(self, node: Locator) -> None:
        node.dblclick()
        self.page.locator("#node-input-server").wait_for()

    def add_server(self, url: str) -> None:
        self.page.locator("#node-input-btn-server-add").click()
        self.page.locator("#node-config-input-url").fill(url)
        self.page.locator("#node-config-input-connection").fill("sandbox")
        self.page.locator("#node-config-input-token").fill(TOKEN)
        self.page.locator("#node-config-dialog-ok").click()
        expect(self.page.locator("#node-input-server")).to_contain_text("sandbox at")

    def row(self, key: str) -> Locator:
        return self.page.locator(".connector-row", has=self.page.locator(f"#connector-{key}"))

    def fill(self, key: str, text: str) -> None:
        self.row(key).locator("input.red-ui-typedInput-input").fill(text)

    def choose_type(self, key: str, name: str) -> None:
        self.row(key).locator(".red-ui-typedInput-type-select").click()
        menu = self.page.locator(".red-ui-typedInput-options:visible")
        menu.locator(f'a[value="{name}"]').click()

    def done(self) -> None:
        self.page.locator("#node-dialog-ok").click()
        expect(self.page.locator("#node-dialog-ok")).to_have_count(0)

    def deploy(self) -> None:
        started = self.red.started()
        self.page.locator("#red-ui-header-button-deploy").click()
        wait_for(lambda: self.red.started() > started)


PLACES = {"in": (120, 150), "first": (800, 100), "second": (800, 200), "out": (1000, 150)}
"""Where the nodes lie that the drawn flow leads to, in pixels."""


@pytest.fixture
def empty(red: NodeRed) -> None:
    """A flow that answers requests, but without an action and the wires to it."""
    kept = {node["id"]: node for node in flow("", "summarizeText", {})}
    for key, (x, y) in PLACES.items():
        kept[key].update(x=x, y=y)
    kept["in"]["wires"] = [[]]
    red.deploy([kept[key] for key in ("tab", *PLACES)])


def test_a_flow_is_drawn_and_runs(page: Page, red: NodeRed, server: str, empty: None) -> None:
    editor = Editor(page, red)
    node = editor.drag_from_palette(SUMMARY, 400, 100)
    expect(node.locator(".red-ui-flow-node-error:visible")).to_have_count(1)  # no server yet
    editor.wire(editor.node("in"), node)
    editor.wire(node, editor.node("first"))
    editor.wire(node, editor.node("second"), output=1)

    editor.open(node)
    editor.add_server(server)
    expect(editor.row("textToSummarize").locator("input.red-ui-typedInput-input")).to_have_value(
        "payload"
    )
    editor.fill("textToSummarize", "payload.text")
    page.get_by_text("Advanced", exact=True).click()
    editor.fill("maxTokens", "30")
    editor.choose_type("language", "jsonata")
    editor.fill("language", "payload.language")
    editor.done()
    expect(node.locator(".red-ui-flow-node-error:visible")).to_have_count(0)
    editor.deploy()

    (saved,) = [row for row in red.get("/flows") if row["type"] == SUMMARY]
    assert saved["values"] == {
        "model": {"type": "str", "value": "gpt-3.5-turbo-instruct"},
        "textToSummarize": {"type": "msg", "value": "payload.text"},
        "maxTokens": {"type": "num", "value": "30"},
        "language": {"type": "jsonata", "value": "payload.language"},
    }
    found = red.send({"text": "Tides are set by hand.", "language": "German"})
    assert found["output"] == 1, found
    assert found["payload"]["summary"]
    status = node.locator(".red-ui-flow-node-status-label")
    expect(status).to_contain_text("tokens")
    found = red.send({"text": "sandbox:rate-limit"})
    assert found["output"] == 2
    expect(status).to_have_text("rate_limited")


@pytest.mark.parametrize("action", list(ACTIONS))
def test_each_dialog_shows_each_input_and_keeps_a_new_node(
    page: Page, red: NodeRed, server: str, action: str
) -> None:
    red.deploy(flow(server, action, {}))
    editor = Editor(page, red)
    node = editor.drag_from_palette(f"{KEY}-{action}", 500, 300)
    editor.open(node)
    page.select_option("#node-input-server", SERVER)
    details = page.locator(".connector-inputs summary")
    if details.count():
        details.click()
    for item in ACTIONS[action]["inputs"]:
        if item["key"] == "connection":
            continue
        row = editor.row(item["key"])
        expect(row.locator("label")).to_have_text(item["label"])
        expect(row.locator(".red-ui-typedInput-container")).to_be_visible()
        expect(row.locator(".input-error")).to_have_count(0)
        expect(row.locator(".connector-comment")).not_to_be_empty()
    editor.done()
    expect(node.locator(".red-ui-flow-node-error:visible")).to_have_count(0)


def test_models_are_offered_live_and_others_can_be_typed(
    page: Page, red: NodeRed, server: str
) -> None:
    red.deploy(flow(server, "createChatCompletion", {"model": ("str", "gpt-4o-mini")}))
    editor = Editor(page, red)
    editor.open(editor.node("action"))
    editor.row("model").locator(".red-ui-typedInput-option-expand").click()
    menu = page.locator(".red-ui-autoComplete-container:visible")
    menu.get_by_text("gpt-5-mini", exact=True).click()
    model = editor.row("model").locator("input.red-ui-typedInput-input")
    expect(model).to_have_value("gpt-5-mini")
    model.fill("my-deployment")
    editor.done()
    editor.deploy()
    (saved,) = [row for row in red.get("/flows") if row["id"] == "action"]
    assert saved["values"]["model"] == {"type": "str", "value": "my-deployment"}


def test_a_server_that_is_not_deployed_offers_no_models(page: Page, red: NodeRed) -> None:
    red.deploy([{"id": "tab", "type": "tab", "label": "A flow"}])
    editor = Editor(page, red)
    editor.open(editor.drag_from_palette(f"{KEY}-createChatCompletion", 400, 100))
    editor.add_server("http://127.0.0.1:9")
    editor.row("model").locator(".red-ui-typedInput-option-expand").click()
    expect(page.locator(".red-ui-notification")).to_contain_text("Deploy the server first.")


def test_the_help_has_each_input_with_its_comments(page: Page, red: NodeRed, server: str) -> None:
    red.deploy(flow(server, "createImage", {}))
    editor = Editor(page, red)
    editor.page.evaluate("type => RED.sidebar.help.show(type)", f"{KEY}-createImage")
    shown = page.locator(".red-ui-help").filter(has=page.locator("dt")).last
    expect(shown).to_contain_text("A description of the image")
    expect(shown).to_contain_text("msg.payload[0].b64_json")
    expect(shown.locator("dt").first).to_contain_text("Prompt")


def test_the_flow_of_the_documentation_runs(page: Page, red: NodeRed, server: str) -> None:
    red.deploy(documented_flow(server))
    editor = Editor(page, red)
    editor.node("ask").locator(".red-ui-flow-node-button-button").click()
    expect(page.locator(".red-ui-debug-msg")).to_contain_text("Sandbox reply")
    expect(page.locator(".red-ui-debug-msg")).to_contain_text("node: answer")
