"""The tables of the two providers, row by row: addresses, versions, the environment's variables.

The rows are written out here: a row that is deleted from the connector must not take its case
along.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.doors.cli import main as cli
from connector.providers import api_key, paths, provider
from tests.conftest import FakeClock
from tests.support import manifests
from tests.support.front import KEY, connection, inputs_of

HOST = "https://api.example.com"
OPERATIONS = """
chat/completions completions images/generations models responses embeddings
""".split()
CHAT = "/chat/completions"


def plan(
    connector: Connector,
    endpoint: str,
    action: str = "createChatCompletion",
    inputs: dict[str, Any] | None = None,
    **fields: Any,
) -> Any:
    """Return the request that would be sent."""
    given = connection(endpoint, **fields)
    result = connector.invoke(action, inputs_of(action, **(inputs or {})), given, dry_run=True)
    assert result.ok, result.to_dict()
    return result.data


def refused(connector: Connector, endpoint: str, **fields: Any) -> list[str]:
    """Return the pointers of what is refused in a connection."""
    inputs = inputs_of("createChatCompletion")
    to = connection(endpoint, **fields)
    result = connector.invoke("createChatCompletion", inputs, to, dry_run=True)
    assert result.error is not None
    assert result.error.code == "invalid_connection"
    return [row["path"] for row in result.error.details or ()]


# Addresses pasted whole


@pytest.mark.parametrize("prefix", ["", "/gateway"])
@pytest.mark.parametrize("tail", ["", "/v1", *(f"/v1/{name}" for name in OPERATIONS)])
def test_an_address_of_openai_may_be_pasted_whole(
    connector: Connector, tail: str, prefix: str
) -> None:
    for end in ("", "/"):
        found = plan(connector, f"{HOST}{prefix}{tail}{end}")
        assert found["url"] == f"{HOST}{prefix}/v1{CHAT}"


@pytest.mark.parametrize("tail", ["/v1/files", "/v2", "/v1/chat", "/v1x", "/chat/completions"])
def test_another_path_of_openai_is_a_gateways(connector: Connector, tail: str) -> None:
    assert plan(connector, HOST + tail)["url"] == f"{HOST}{tail}/v1{CHAT}"


AZURE_TAILS = [
    *["", "/v1", "/openai", "/openai/v1", "/openai/v1/any/thing", "/api/projects/mine"],
    *["/api/projects/mine/openai/v1", "/models", "/models/chat/completions", "/OPENAI/V1"],
    *[f"/openai/{name}" for name in OPERATIONS],
    *[f"/openai/v1/{name}" for name in OPERATIONS],
]


@pytest.mark.parametrize("prefix", ["", "/gateway"])
@pytest.mark.parametrize("tail", AZURE_TAILS)
def test_an_address_of_azure_may_be_pasted_whole(
    connector: Connector, tail: str, prefix: str
) -> None:
    for end in ("", "/"):
        found = plan(connector, f"{HOST}{prefix}{tail}{end}", isOpenAIKey=False)
        assert found["url"] == f"{HOST}{prefix}/openai/v1{CHAT}"
        found = plan(
            connector, f"{HOST}{prefix}{tail}{end}", isOpenAIKey=False, apiVersion="2024-10-21"
        )
        path = "/openai/deployments/some-model/chat/completions?api-version=2024-10-21"
        assert found["url"] == f"{HOST}{prefix}{path}"


@pytest.mark.parametrize(
    "tail",
    ["/openai/files", "/openai/chat", "/deployments/a", "/openai/v2", "/api/projects", "/v2"],
)
def test_another_path_of_azure_is_a_gateways(connector: Connector, tail: str) -> None:
    found = plan(connector, HOST + tail, isOpenAIKey=False)
    assert found["url"] == f"{HOST}{tail}/openai/v1{CHAT}"


@pytest.mark.parametrize(
    "host",
    """mine.openai.azure.com mine.openai.azure.us mine.openai.azure.cn
    mine.services.ai.azure.com mine.cognitiveservices.azure.com MINE.OpenAI.Azure.COM""".split(),
)
def test_a_resource_has_no_path_before_its_own(connector: Connector, host: str) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False}
    for path in ("/openai/files", "/gateway", "/gateway/openai/v1"):
        assert refused(connector, f"https://{host}{path}", **fields) == [
            "/connection/fields/endpoint"
        ]
    assert plan(connector, f"https://{host}/openai/v1", **fields)["url"] == (
        f"https://{host.lower()}/openai/v1{CHAT}"
    )


@pytest.mark.parametrize(
    "host",
    """mine.azure-api.net mine.openai.azure.com.example mine.openai.azure.de xazure.com
    openai.azure.company mine.azurex.com azure.com""".split(),
)
def test_another_host_may(connector: Connector, host: str) -> None:
    found = plan(connector, f"https://{host}/gateway", isOpenAIKey=False)
    assert found["url"] == f"https://{host}/gateway/openai/v1{CHAT}"


# Versions

DATED = ["2024-10-21", "2025-04-01-preview", "2022-12-01"]
NAMED = ["v1", "preview", "latest"]


@pytest.mark.parametrize("place", ["apiVersion", "?api-version=", "?API-Version="])
@pytest.mark.parametrize("version", [*DATED, *NAMED])
def test_a_version_chooses_the_surface(connector: Connector, version: str, place: str) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False}
    endpoint = HOST
    if place == "apiVersion":
        fields["apiVersion"] = version
    else:
        endpoint += place + version
    path = "/openai/deployments/some-model" if version in DATED else "/openai/v1"
    found = plan(connector, endpoint, **fields)
    assert found["url"] == f"{HOST}{path}{CHAT}?api-version={version}"


@pytest.mark.parametrize(
    "query",
    """api-version=banana api-version=2024 api-version=2024-10 api-version=2024-10-21-beta
    api-version=2024-10-21x api-version=x2024-10-21 api-version=24-10-21 api-version=v2
    api-version=V1 api-version=Preview api-version=2024-10-21-PREVIEW api-version=1
    api-version=2024-10-21-preview-2 api-version=preview1 x=1 api-version=v1&x=1 version=v1
    code=secret""".split(),
)
def test_a_query_that_is_no_version_is_refused(connector: Connector, query: str) -> None:
    assert refused(connector, f"{HOST}/openai?{query}", isOpenAIKey=False) == [
        "/connection/fields/endpoint"
    ]


@pytest.mark.parametrize("version", ["banana", "2024-10", "v2", "2024-10-21-beta", "V1", "x"])
def test_a_field_that_is_no_version_is_refused(connector: Connector, version: str) -> None:
    assert refused(connector, HOST, isOpenAIKey=False, apiVersion=version) == [
        "/connection/fields/apiVersion"
    ]


@pytest.mark.parametrize("query", ["api-version=v1", "x=1", "x"])
def test_openai_has_no_query(connector: Connector, query: str) -> None:
    assert refused(connector, f"{HOST}?{query}") == ["/connection/fields/endpoint"]


def test_a_version_in_the_field_counts_more(connector: Connector) -> None:
    endpoint = f"{HOST}/openai/deployments/mine/chat/completions?api-version=2024-02-01"
    for version in ("2024-10-21", "preview"):
        found = plan(connector, endpoint, isOpenAIKey=False, apiVersion=version)
        assert found["url"].endswith(f"?api-version={version}")


@pytest.mark.parametrize("version", [*DATED, "banana"])
def test_the_version_of_another_api_of_the_resource_is_not_taken(
    connector: Connector, version: str
) -> None:
    endpoint = f"{HOST}/models/chat/completions?api-version={version}"
    found = plan(connector, endpoint, isOpenAIKey=False)
    assert found["url"] == f"{HOST}/openai/v1{CHAT}"


# What the v1 surface has as a preview only

PREVIEWS = ["/images/generations", "/images/edits", "/audio/speech", "/audio/transcriptions"]


def test_images_of_azure_are_a_preview(connector: Connector) -> None:
    for action, path, preview in (
        ("createImage", "/images/generations", True),
        ("createChatCompletion", CHAT, False),
    ):
        found = plan(connector, HOST, action, isOpenAIKey=False)
        version = "?api-version=preview" if preview else ""
        assert found["url"] == f"{HOST}/openai/v1{path}{version}"
        assert plan(connector, HOST, action)["url"] == f"{HOST}/v1{path}"
        found = plan(connector, HOST, action, isOpenAIKey=False, apiVersion="latest")
        assert found["url"] == f"{HOST}/openai/v1{path}?api-version=latest"


RAW: list[tuple[str, str | None, str]] = [
    ("/v1/models", None, "/openai/v1/models"),
    ("/v1", None, "/openai/v1"),
    ("/v1x/models", None, "/v1x/models"),
    ("/v1/images/generations", None, "/openai/v1/images/generations?api-version=preview"),
    ("/openai/v1/images/generations", None, "/openai/v1/images/generations?api-version=preview"),
    ("/v1/images/generations?a=b", None, "/openai/v1/images/generations?a=b&api-version=preview"),
    ("/v1/images/generations?api-version=x", None, "/openai/v1/images/generations?api-version=x"),
    ("/v1/images/generations?API-Version=x", None, "/openai/v1/images/generations?API-Version=x"),
    ("/v1/images/generations?api-version", None, "/openai/v1/images/generations?api-version"),
    ("/v1/images/edits", None, "/openai/v1/images/edits?api-version=preview"),
    ("/v1/images/variations", None, "/openai/v1/images/variations"),
    ("/v1/models", "latest", "/openai/v1/models?api-version=latest"),
    ("/openai/v1", "latest", "/openai/v1?api-version=latest"),
    ("/openai/v1x", "latest", "/openai/v1x"),
    ("/openai/models", "latest", "/openai/models"),
    ("/openai/models", "2024-10-21", "/openai/models?api-version=2024-10-21"),
    ("/openai/models?x=1", "2024-10-21", "/openai/models?x=1&api-version=2024-10-21"),
    ("/openai/models?api-version=1", "2024-10-21", "/openai/models?api-version=1"),
    ("/v1/models", "2024-10-21", "/openai/v1/models"),
    ("/other/models", "2024-10-21", "/other/models"),
    ("/openaix/models", "2024-10-21", "/openaix/models"),
]


@pytest.mark.parametrize(("path", "version", "expected"), RAW)
def test_a_raw_path_of_azure_gets_what_it_lacks(
    connector: Connector, path: str, version: str | None, expected: str
) -> None:
    fields = {"isOpenAIKey": False, "apiVersion": version}
    assert plan(connector, HOST, "rawRequest", {"url": path}, **fields)["url"] == HOST + expected
    assert plan(connector, HOST, "rawRequest", {"url": path})["url"] == HOST + path


@pytest.mark.parametrize(
    "path",
    """/v1/%zz /v1/% /v1/%4 /v1/models?a=%zz /v1/models?a=% /v1/models?%4 /v1/models?a=b%4g
    /v1/models?a=%20%""".split(),
)
def test_a_percent_sign_begins_an_escape(connector: Connector, path: str) -> None:
    result = connector.invoke(
        "rawRequest", inputs_of("rawRequest", url=path), connection(HOST), dry_run=True
    )
    assert result.error is not None
    assert result.error.code == "blocked_target"
    assert plan(connector, HOST, "rawRequest", {"url": "/v1/%20?a=%20%41"})["url"] == (
        f"{HOST}/v1/%20?a=%20%41"
    )


def test_a_version_among_the_query_parameters_is_the_callers(connector: Connector) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False, "apiVersion": "2024-10-21"}
    for name in ("api-version", "API-VERSION"):
        inputs = {"url": "/openai/models", "queryParams": {name: "x", "a": "b"}}
        found = plan(connector, HOST, "rawRequest", inputs, **fields)
        assert found["url"] == f"{HOST}/openai/models?{name}=x&a=b"


# Deployments and resources


@pytest.mark.parametrize("model", [".", "..", "a/b", "a\\b", "a%b", "../a", "%2e", "a/../b"])
def test_a_deployment_is_one_segment_of_a_path(connector: Connector, model: str) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False, "apiVersion": "2024-10-21"}
    for action in ("createChatCompletion", "createImage"):
        inputs = inputs_of(action, model=model)
        result = connector.invoke(action, inputs, connection(HOST, **fields), dry_run=True)
        assert result.error is not None
        assert result.error.code == "invalid_input"
        assert [row["path"] for row in result.error.details or ()] == ["/inputs/model"]


@pytest.mark.parametrize(
    ("model", "segment"),
    [("a.b", "a.b"), ("a b", "a%20b"), ("a...b", "a...b"), ("a:b@c&d=e", "a%3Ab%40c%26d%3De")],
)
def test_another_name_is_quoted(connector: Connector, model: str, segment: str) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False, "apiVersion": "2024-10-21"}
    found = plan(connector, HOST, inputs={"model": model}, **fields)
    assert f"/openai/deployments/{segment}/chat" in found["url"]


@pytest.mark.parametrize(
    ("organization", "valid"),
    [("mine", True), ("a" * 63, True), ("a" * 64, False), ("My-1", True), ("a.b", False)],
)
def test_an_organization_of_azure_is_a_resource(
    connector: Connector, organization: str, valid: bool
) -> None:
    fields: dict[str, Any] = {"isOpenAIKey": False, "organization": organization}
    if valid:
        found = plan(connector, "", **fields)
        assert found["url"] == f"https://{organization.lower()}.openai.azure.com/openai/v1{CHAT}"
        assert "OpenAI-Organization" not in found["headers"]
        assert found["headers"]["api-key"] == "***"
    else:
        assert refused(connector, "", **fields) == ["/connection/fields/organization"]


def test_an_organization_of_openai_is_a_header(connector: Connector) -> None:
    found = plan(connector, "", organization="org-1")
    assert found["url"] == f"https://api.openai.com/v1{CHAT}"
    assert found["headers"]["OpenAI-Organization"] == "org-1"
    assert found["headers"]["Authorization"] == "Bearer ***"
    assert "OpenAI-Organization" not in plan(connector, "")["headers"]


def test_a_key_of_openai_without_its_switch_is_recognized(connector: Connector) -> None:
    for key, named in (("sk-0123456789", True), ("0123456789abcdef", False)):
        result = connector.invoke(
            "createChatCompletion",
            inputs_of("createChatCompletion"),
            {"fields": {"apiKey": key}},
        )
        assert result.error is not None
        assert ("Is OpenAI Key" in (result.error.hint or "")) is named
        assert [row["path"] for row in result.error.details or ()] == [
            "/connection/fields/endpoint"
        ]


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "http://169.254.169.254"},
        {"endpoint": "https://gateway.example/?q=1"},
        {"organization": "a.b"},
    ],
)
def test_a_faulty_address_is_not_blamed_on_the_key(
    connector: Connector, fields: dict[str, str]
) -> None:
    given = {"fields": {"apiKey": "sk-0123456789", "isOpenAIKey": False, **fields}}
    result = connector.invoke("createImage", {"prompt": "A lighthouse"}, given, dry_run=True)
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == [
        f"/connection/fields/{name}" for name in fields
    ]
    assert result.error.hint is None


# The environment's variables


@pytest.mark.parametrize("key", ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"])
@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CONNECTOR_PROXY", "ftp://proxy", "Proxy: must begin with https:// or http://"),
        ("CONNECTOR_CA_FILE", "no/such.pem", "CA File: cannot be read"),
    ],
)
def test_our_own_variables_complete_a_connection(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    key: str,
    variable: str,
    value: str,
    says: str,
) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "CONNECTOR_CONNECTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    monkeypatch.setenv(key, KEY)
    monkeypatch.setenv(variable, value)
    assert cli.main(["test-connection"]) == 1
    assert says in json.loads(capfd.readouterr().out)["error"]["message"]


OPENAI_KEY = {"OPENAI_API_KEY": KEY}
AZURE_KEY = {"AZURE_OPENAI_API_KEY": KEY}
AZURE_HOST = {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}
V1 = f"https://mine.openai.azure.com/openai/v1{CHAT}"
ENVIRONMENTS: list[tuple[dict[str, str], str, dict[str, str]]] = [
    (OPENAI_KEY, f"https://api.openai.com/v1{CHAT}", {"Authorization": "Bearer ***"}),
    (
        {**OPENAI_KEY, "OPENAI_ORG_ID": "org-1"},
        f"https://api.openai.com/v1{CHAT}",
        {"OpenAI-Organization": "org-1"},
    ),
    ({**OPENAI_KEY, "OPENAI_BASE_URL": f"{HOST}/v1"}, f"{HOST}/v1{CHAT}", {}),
    ({**AZURE_KEY, **AZURE_HOST}, V1, {"api-key": "***"}),
    (
        {**AZURE_KEY, **AZURE_HOST, "OPENAI_API_VERSION": "preview"},
        f"{V1}?api-version=preview",
        {"api-key": "***"},
    ),
    ({**OPENAI_KEY, **AZURE_KEY, **AZURE_HOST, "OPENAI_BASE_URL": HOST}, V1, {"api-key": "***"}),
    (
        {**OPENAI_KEY, **AZURE_HOST, "AZURE_OPENAI_API_KEY": ""},
        f"https://api.openai.com/v1{CHAT}",
        {},
    ),
    ({**OPENAI_KEY, "OPENAI_BASE_URL": ""}, f"https://api.openai.com/v1{CHAT}", {}),
]


@pytest.mark.parametrize(("environment", "url", "headers"), ENVIRONMENTS)
def test_the_usual_variables_make_a_connection(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    environment: dict[str, str],
    url: str,
    headers: dict[str, str],
) -> None:
    for name in (
        "OPENAI_API_KEY OPENAI_ORG_ID OPENAI_BASE_URL AZURE_OPENAI_API_KEY AZURE_OPENAI_ENDPOINT "
        "OPENAI_API_VERSION CONNECTOR_CONNECTIONS"
    ).split():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = ["invoke", "createChatCompletion", "--dry-run", "-i", "model=m"]
    assert cli.main(words) == 0
    out = capfd.readouterr().out
    assert KEY not in out
    data = json.loads(out)["data"]
    assert data["url"] == url
    assert headers.items() <= data["headers"].items()


# What leads to a provider


WAYS = ["endpoint", "organization", "isOpenAIKey"]


def with_fields(folder: Path, clock: FakeClock, kept: list[str]) -> Connector:
    """Return the connector whose kind of connection names no function and has these fields."""

    def change(raw: dict[str, Any]) -> None:
        kind = raw["connections"][0]
        del kind["handler"]
        kind["fields"] = [row for row in kind["fields"] if row["key"] in kept]

    return manifests.changed(folder, change, clock.clock())


@pytest.mark.parametrize("way", WAYS)
def test_a_kind_of_connection_needs_a_key_and_an_address(
    tmp_path: Path, fake_clock: FakeClock, way: str
) -> None:
    with_fields(tmp_path, fake_clock, ["apiKey", way]).close()


@pytest.mark.parametrize("kept", [["apiKey"], WAYS, ["apiKey", "proxy", "apiVersion"]])
def test_a_kind_of_connection_that_lacks_one_is_refused(
    tmp_path: Path, fake_clock: FakeClock, kept: list[str]
) -> None:
    with pytest.raises(ConnectorError) as caught:
        with_fields(tmp_path, fake_clock, kept)
    assert caught.value.code == "invalid_manifest"
    assert [row["path"] for row in caught.value.details or ()] == ["/connections/0/fields"]


def test_a_kind_that_names_the_function_of_keys_needs_a_key(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    def change(raw: dict[str, Any]) -> None:
        kind = raw["connections"][0]
        kind["fields"] = [row for row in kind["fields"] if row["key"] != "apiKey"]

    with manifests.changed(tmp_path, change, fake_clock.clock()) as connector:
        given = {"fields": {"isOpenAIKey": True}}
        result = connector.invoke("createChatCompletion", {}, given, dry_run=True)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_manifest", "no")


@pytest.mark.parametrize("name", ["endpoint", "apiKey", "inputs", "Fields", "x"])
def test_a_connection_has_a_key_and_fields_and_nothing_else(
    connector: Connector, name: str
) -> None:
    given = {"key": "apiKey", **connection(HOST), name: 1}
    inputs = inputs_of("createChatCompletion")
    result = connector.invoke("createChatCompletion", inputs, given, dry_run=True)
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == [f"/connection/{name}"]
    del given[name]
    assert connector.invoke("createChatCompletion", inputs, given, dry_run=True).ok


def test_every_row_has_its_case() -> None:
    assert paths.OPERATIONS.split("|") == OPERATIONS
    assert list(provider._PREVIEW_ON_V1) == PREVIEWS
    variables = {key for key, _, _ in api_key._USUAL}
    variables |= {name for _, _, others in api_key._USUAL for name in others.values()}
    assert variables == {name for environment, _, _ in ENVIRONMENTS for name in environment}


def test_the_page_about_connections_lists_the_variables(connector: Connector) -> None:
    labels = {item.key: item.label for item in connector.manifest.connections["apiKey"].fields}
    rows = []
    for key, _, others in api_key._USUAL:
        rows.append(f"| `{key}` | {labels['apiKey']} | |")
        rows += [f"| `{name}` | {labels[field]} | `{key}` |" for field, name in others.items()]
    rows += [f"| `{name}` | {labels[field]} | either key |" for field, name in api_key._OWN.items()]
    text = (Path(__file__).parent.parent / "docs/connections.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
