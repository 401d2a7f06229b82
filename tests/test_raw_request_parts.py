"""The parts of a raw request: each problem is reported with its place, valid parts are sent."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.providers.paths import path_fault

from .conftest import FakeClock
from .support.fault_server import FaultServer, Received
from .support.front import call, connection, inputs_of

RAW = "rawRequest"
UNPAIRED = "holds an unpaired surrogate"
CONTROL = "has a line break or a control character"
NO_BASE64 = "is not base64; encode the bytes, without data: before them"
HALF = "\ud800"


def pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def binary(data: str, kind: str = "a/b") -> dict[str, str]:
    return {"contentType": kind, "encoding": "base64", "data": data}


def problems(connector: Connector, **inputs: Any) -> list[tuple[str, str, str]]:
    """The place, the input and the message of each problem."""
    given = inputs_of(RAW, **{"method": "POST", **inputs})
    result = connector.invoke(RAW, given, connection("https://api.example.com"), dry_run=True)
    assert result.error is not None
    assert result.error.code == "invalid_input"
    assert result.error.hint is None
    return [(row["path"], row["input"], row["message"]) for row in result.error.details or ()]


def test_a_header_is_refused_for_its_first_fault(connector: Connector) -> None:
    headers = [
        pair("Authorization", "x"),
        pair("X_Forwarded_Host", "x"),
        pair("a b", "x"),
        pair("X-Own", "1"),
        pair("x_own", "2"),
        pair("Y", "a\x01b"),
        pair("Y", "fine, but it is repeated"),
        pair("Content_Type", "a/b"),
    ]
    assert problems(connector, headers=headers, formData={"a": "b"}) == [
        ("/inputs/headers/0", "Header", "is reserved for the connector; leave it out"),
        ("/inputs/headers/1", "Header", "is reserved for the connector; leave it out"),
        ("/inputs/headers/2", "Header", "must have a name of letters, digits and hyphens"),
        ("/inputs/headers/4", "Header", "is duplicated; give it once"),
        (
            "/inputs/headers/5",
            "Header",
            "has a value with a character that no header may have; leave it out",
        ),
        ("/inputs/headers/6", "Header", "is duplicated; give it once"),
        ("/inputs/headers/7", "Header", "is set by the form upload; leave it out"),
    ]
    of_files = problems(connector, headers={"content-type": "a/b"}, fileData={"a": "b"})
    assert of_files == [("/inputs/headers/0", "Header", "is set by the form upload; leave it out")]


@pytest.mark.parametrize(
    "name",
    "authorization api-key x-api-key ocp-apim-subscription-key openai-organization cookie cookie2 "
    "set-cookie host content-length transfer-encoding connection keep-alive te trailer upgrade "
    "http2-settings expect accept-encoding proxy proxy-authorization proxy-connection "
    "proxy-authenticate forwarded x-forwarded-host x-host x-original-url x-rewrite-url".split(),
)
def test_a_header_of_the_connector_is_not_the_callers(connector: Connector, name: str) -> None:
    for spelled in (name, name.title(), name.upper().replace("-", "_")):
        (problem,) = problems(connector, headers={spelled: "x"})
        assert problem == (
            "/inputs/headers/0",
            "Header",
            "is reserved for the connector; leave it out",
        )


def test_a_text_that_cannot_be_sent_is_reported_with_its_place(connector: Connector) -> None:
    query = [pair("a", "b"), pair(f"a{HALF}", "x"), pair("a", HALF)]
    assert problems(connector, queryParams=query) == [
        ("/inputs/queryParams/1", "Query Parameter", UNPAIRED),
        ("/inputs/queryParams/2", "Query Parameter", UNPAIRED),
    ]
    assert problems(connector, url=f"/v1/{HALF}") == [("/inputs/url", "URL", UNPAIRED)]
    assert problems(connector, data=HALF) == [("/inputs/data", "Data", UNPAIRED)]
    in_json = f"is not strict JSON: a text {UNPAIRED}"
    assert problems(connector, data={"a": HALF}) == [("/inputs/data", "Data", in_json)]
    form = [pair("a\nb", "c"), pair(f"a{HALF}", HALF), pair("b", "c")]
    assert problems(connector, formData=form) == [
        ("/inputs/formData/0/key", "Form Data", CONTROL),
        ("/inputs/formData/1/key", "Form Data", UNPAIRED),
        ("/inputs/formData/1/value", "Form Data", UNPAIRED),
    ]


def test_a_refused_file_is_reported_with_the_place_of_its_fault(connector: Connector) -> None:
    files = [pair("a\nb", "c"), pair("b", HALF), pair("c", binary("!")), pair("d", binary("é"))]
    names = [pair("a\nb", "a"), pair("nobody", "x"), pair("b", "x\0"), pair("c", HALF)]
    assert problems(connector, fileData=files, fileDataFileNames=names) == [
        (
            "/inputs/fileDataFileNames/1",
            "File Data File Names",
            "names no key of File Data; write the same key there",
        ),
        ("/inputs/fileData/0/key", "File Data", CONTROL),
        ("/inputs/fileDataFileNames", "File Data File Names", CONTROL),
        ("/inputs/fileData/1/value", "File Data", UNPAIRED),
        ("/inputs/fileDataFileNames", "File Data File Names", UNPAIRED),
        ("/inputs/fileData/2/value/data", "File Data", NO_BASE64),
        ("/inputs/fileData/3/value/data", "File Data", NO_BASE64),
    ]


def test_a_file_name_without_any_file_is_refused(connector: Connector) -> None:
    names = [pair("a", "x"), pair("b", "y")]
    expected = [
        (
            f"/inputs/fileDataFileNames/{index}",
            "File Data File Names",
            "names no key of File Data; write the same key there",
        )
        for index in range(2)
    ]
    assert problems(connector, fileDataFileNames=names) == expected
    assert problems(connector, fileDataFileNames=names, formData={"c": "d"}) == expected


def test_file_names_are_not_blamed_for_files_that_were_refused(connector: Connector) -> None:
    for more in ({}, {"formData": {"c": "d"}}):
        found = problems(connector, fileData=7, fileDataFileNames={"a": "x"}, **more)
        assert [path for path, _, _ in found] == ["/inputs/fileData"]


def test_binary_data_is_refused_for_both_of_its_parts(connector: Connector) -> None:
    assert problems(connector, data=binary("!", "a/€")) == [
        ("/inputs/data/contentType", "Data", "must be a content type, such as image/png"),
        ("/inputs/data/data", "Data", NO_BASE64),
    ]


@pytest.mark.parametrize("form", ["formData", "fileData"])
def test_data_does_not_go_with_a_form(connector: Connector, form: str) -> None:
    expected = [("/inputs/data", "Data", "cannot go with form or file data; leave one of them out")]
    assert problems(connector, data={}, **{form: {"a": "b"}}) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"contentType": "a/b", "encoding": "base64"},
        {"contentType": "a/b", "encoding": "base64", "data": "aGk=", "more": 1},
        {"contentType": "a/b", "encoding": "hex", "data": "aGk="},
        {"contentType": "a/b", "encoding": "base64", "data": 7},
        {"contentType": None, "encoding": "base64", "data": "aGk="},
        ["contentType", "encoding", "data"],
    ],
)
def test_what_is_not_quite_a_binary_object_is_json(connector: Connector, value: Any) -> None:
    seen = call(connector, RAW, {"json": {}}, {"method": "POST", "data": value})
    assert seen.requests[0].json() == value
    assert seen.requests[0].header("content-type") == "application/json"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ('{"a": 1}', "application/json"),
        ("[]", "application/json"),
        ("7", "text/plain; charset=utf-8"),
        ('"a"', "text/plain; charset=utf-8"),
        ("{", "text/plain; charset=utf-8"),
        ("é", "text/plain; charset=utf-8"),
    ],
)
def test_a_text_is_sent_as_what_it_holds(connector: Connector, data: str, kind: str) -> None:
    seen = call(connector, RAW, {"json": {}}, {"method": "POST", "data": data})
    assert seen.requests[0].header("content-type") == kind
    assert seen.requests[0].body.decode() == data


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (7, "7"), (0.5, "0.5"), ("x", "x")]
)
def test_a_value_that_is_not_text_is_written_as_json(
    connector: Connector, value: Any, text: str
) -> None:
    inputs = {
        "method": "POST",
        "queryParams": [pair("q", value)],
        "headers": [pair("X-Own", value)],
        "formData": [pair("f", value)],
    }
    seen = call(connector, RAW, {"json": {}}, inputs)
    (request,) = seen.requests
    assert request.target.endswith(f"?q={text}")
    assert request.header("x-own") == text
    assert f'name="f"\r\n\r\n{text}\r\n'.encode() in request.body


def test_blanks_around_the_value_of_a_header_are_not_sent(connector: Connector) -> None:
    inputs = {"method": "GET", "headers": [pair("X-Own", " \t a\tb \t")]}
    assert call(connector, RAW, {"json": {}}, inputs).requests[0].header("x-own") == "a\tb"


@pytest.mark.parametrize("value", ["a\n", "\ra", "\x0ba", "a\x0c"])
def test_a_control_character_around_the_value_of_a_header_is_refused(
    connector: Connector, value: str
) -> None:
    assert problems(connector, headers=[pair("X-Own", value)]) == [
        (
            "/inputs/headers/0",
            "Header",
            "has a value with a character that no header may have; leave it out",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "accept"),
    [
        (None, "application/json"),
        ("json", "application/json"),
        ("text", "text/plain, */*"),
        ("binary", "*/*"),
    ],
)
def test_a_request_asks_for_what_it_can_read(
    connector: Connector, kind: str | None, accept: str
) -> None:
    inputs = {"method": "GET", "responseType": kind}
    assert call(connector, RAW, {"json": {}}, inputs).requests[0].header("accept") == accept
    for name in ("Accept", "ACCEPT"):
        given = {**inputs, "headers": [pair(name, "text/csv")]}
        (request,) = call(connector, RAW, {"json": {}}, given).requests
        assert [v for k, v in request.headers if k.lower() == "accept"] == ["text/csv"]


def test_a_request_without_a_body_has_no_content_type(connector: Connector) -> None:
    for inputs in ({"method": "GET"}, {"method": "POST", "formData": {}, "fileData": []}):
        (request,) = call(connector, RAW, {"json": {}}, inputs).requests
        assert request.header("content-type") is None
        assert request.body == b""


@pytest.mark.parametrize("name", ["Content-Type", "CONTENT-TYPE"])
def test_the_callers_content_type_is_the_only_one(connector: Connector, name: str) -> None:
    inputs = {"method": "POST", "data": {"a": 1}, "headers": [pair(name, "a/b")]}
    (request,) = call(connector, RAW, {"json": {}}, inputs).requests
    assert [v for k, v in request.headers if k.lower() == "content-type"] == ["a/b"]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"content-type": "image/png"}, "image/png"),
        ({"content-type": None}, "application/octet-stream"),
    ],
)
def test_a_binary_response_says_what_it_is(
    connector: Connector, headers: dict[str, Any], kind: str
) -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    answer = {"body_base64": body, "headers": headers}
    seen = call(connector, RAW, answer, {"method": "GET", "responseType": "binary"})
    assert seen.data == {"contentType": kind, "encoding": "base64", "data": body}


def test_invalid_bytes_are_replaced_in_a_text(connector: Connector) -> None:
    answer = {
        "body_base64": base64.b64encode(b"a\xffb").decode(),
        "headers": {"content-type": "text/plain; charset=utf-8"},
    }
    seen = call(connector, RAW, answer, {"method": "GET", "responseType": "text"})
    assert seen.data == "a\ufffdb"


def test_a_response_that_is_not_json_is_quoted_from_its_beginning(connector: Connector) -> None:
    answer = {"text": "<html>", "headers": {"x-request-id": "req_1"}}
    error = call(connector, RAW, answer, {"method": "GET"}).error
    assert error["code"] == "invalid_response"
    assert error["message"].startswith("The response is not JSON (")
    assert error["message"].endswith(" It begins: <html>")
    assert (error["httpStatus"], error["requestId"]) == (200, "req_1")


def test_several_files_of_one_key_take_its_names_in_turn(connector: Connector) -> None:
    files = [pair("a", "1"), pair("b", "2"), pair("a", "3"), pair("a", "4")]
    names = [pair("a", "x"), pair("a", 7)]
    inputs = {"method": "POST", "fileData": files, "fileDataFileNames": names}
    (request,) = call(connector, RAW, {"json": {}}, inputs).requests
    found = [
        line.decode() for line in request.body.split(b"\r\n") if line.startswith(b"Content-Disp")
    ]
    assert found == [
        f'Content-Disposition: form-data; name="{key}"; filename="{name}"'
        for key, name in (("a", "x"), ("b", "b"), ("a", "7"), ("a", "7"))
    ]


def test_a_file_says_what_it_is(connector: Connector) -> None:
    files = [pair("a", "é"), pair("b", binary("AP8=", "image/png"))]
    (request,) = call(connector, RAW, {"json": {}}, {"method": "POST", "fileData": files}).requests
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa9\r\n" in request.body
    assert b"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n" in request.body


# When it is tried again


@pytest.mark.parametrize(("timeout", "code"), [(10_000_000, None), (9_990_000, "server_error")])
def test_the_time_limit_is_in_milliseconds(
    connector: Connector, fake_clock: FakeClock, timeout: int, code: str | None
) -> None:
    """The first response takes 9995 seconds."""

    def answer(_: Received, index: int) -> Any:
        if index:
            return {"json": "done"}
        fake_clock.passed += 9995
        return {"status": 500}

    inputs = {"method": "GET", "timeout": timeout, "maxRetries": 1}
    seen = call(connector, RAW, answer, inputs)
    assert seen.envelope.get("error", {}).get("code") == code
    assert len(seen.requests) == (1 if code else 2)


@pytest.mark.parametrize(
    ("inputs", "status", "waits"),
    [
        ({}, 500, []),
        ({"maxRetries": 2}, 500, [0, 0]),
        ({"maxRetries": 2, "retryDelayMS": 70}, 500, [0.07, 0.07]),
        ({"maxRetries": 2, "retryDelayMS": 70}, 404, []),
        ({"maxRetries": 2, "retryDelayMS": 70, "retryAllErrors": True}, 404, [0.07, 0.07]),
        ({"maxRetries": 2, "retryDelayMS": 70, "useExponentialBackoff": True}, 500, [0.24, 0.48]),
    ],
)
def test_a_request_is_repeated_as_its_inputs_say(
    connector: Connector,
    fake_clock: FakeClock,
    inputs: dict[str, Any],
    status: int,
    waits: list[float],
) -> None:
    seen = call(connector, RAW, {"status": status}, {"method": "GET", **inputs})
    assert len(seen.requests) == 1 + len(waits)
    assert [round(seconds, 6) for seconds in fake_clock.sleeps if seconds] == [
        seconds for seconds in waits if seconds
    ]


# Where it leads


@pytest.mark.parametrize(
    ("inputs", "code", "hint"),
    [
        ({"url": "//elsewhere.example/v1"}, "blocked_target", True),
        ({"url": "//elsewhere.example/v1", "headers": {"Host": "x"}}, "blocked_target", True),
        ({"headers": {"Host": "x"}}, "invalid_input", False),
        ({"url": "/v1/\ud800"}, "invalid_input", False),
    ],
)
def test_a_url_that_is_more_than_a_path_is_refused_with_what_to_give(
    connector: Connector, inputs: dict[str, Any], code: str, hint: bool
) -> None:
    error = call(connector, RAW, {"json": {}}, inputs).error
    assert error["code"] == code
    advice = "Give the path only, such as /v1/models; the connection adds the address."
    assert error.get("hint") == (advice if hint else None)
    row = error["details"][0]
    if "url" not in inputs:
        assert row["input"] == "Header"
        return
    fault = path_fault(inputs["url"]) if hint else UNPAIRED
    assert row == {"path": "/inputs/url", "input": "URL", "message": fault}


def test_only_a_binary_response_goes_to_the_output_file(
    connector: Connector, tmp_path: Path
) -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    answer = {"body_base64": body, "headers": {"content-type": "image/png"}}
    with FaultServer([answer, {"json": {"a": 1}}, {"text": "b"}]) as server:
        to = connection(server.url)
        given = {"method": "GET", "responseType": "binary"}
        found = connector.invoke(RAW, given, to, output=tmp_path / "a")
        given = {"method": "GET", "responseType": "json"}
        value = connector.invoke(RAW, given, to, output=tmp_path / "b")
        given = {"method": "GET", "responseType": "text"}
        text = connector.invoke(RAW, given, to, output=tmp_path / "c")
    assert found.data == {"contentType": "image/png", "file": str(tmp_path / "a"), "size": 2}
    assert (value.data, text.data) == ({"a": 1}, "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"


def test_the_headers_of_a_request_are_spelled_as_is_usual(connector: Connector) -> None:
    """Names have no case; a server that thinks otherwise thinks of this one."""
    seen = call(connector, RAW, {"json": {}}, {"method": "POST", "data": {"a": 1}})
    sent = seen.requests[0].headers
    assert ("Content-Type", "application/json") in sent
    assert ("Accept", "application/json") in sent
