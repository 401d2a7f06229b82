"""Images: how many requests make them, what each item contains, and invalid images."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from connector import Connector

from .conftest import FakeClock
from .support import manifests
from .support.fault_server import FaultServer, Received
from .support.front import call, connection, inputs_of, refusal

IMAGE = "createImage"
URL = "https://images.example/1"
PIECE = 1 << 20
"""Characters of base64 that are read at once."""


def made(*items: Any, **more: Any) -> dict[str, Any]:
    return {"json": {"data": list(items), **more}}


@pytest.mark.parametrize(
    ("count", "calls"), [(1, [None]), (2, [2]), (3, [1, 2]), (4, [2, 2]), (5, [1, 2, 2])]
)
def test_a_model_that_makes_two_a_call_is_called_as_often_as_needed(
    tmp_path: Path, fake_clock: FakeClock, count: int, calls: list[int | None]
) -> None:
    """One image is the services' default, and asked for by leaving the number out."""

    def two_a_call(raw: dict[str, Any]) -> None:
        raw["models"]["pairs"] = {"api": "images", "imagesPerCall": 2}

    def answer(received: Received, _: int) -> Any:
        return made(*[{"url": URL}] * received.json().get("n", 1))

    connector = manifests.changed(tmp_path, two_a_call, fake_clock.clock())
    seen = call(connector, IMAGE, answer, {"model": "pairs", "numImages": count})
    connector.close()
    assert len(seen.data) == count
    assert sorted(request.json().get("n", 1) for request in seen.requests) == [
        number or 1 for number in calls
    ]
    assert all(request.json().get("n") != 1 for request in seen.requests)
    assert seen.envelope["meta"]["warnings"] == []


def test_a_refusal_of_the_number_makes_one_call_an_image(connector: Connector) -> None:
    answers = [refusal(400, message="No.", param="n"), made({"url": URL})]
    seen = call(connector, IMAGE, answers, {"model": "mine", "numImages": 3})
    assert len(seen.data) == 3
    assert [request.json().get("n") for request in seen.requests] == [3, None, None, None]
    assert seen.envelope["meta"]["warnings"] == [
        "mine makes one image per request; 3 requests were sent."
    ]


@pytest.mark.parametrize(
    ("count", "error"),
    [(1, {"message": "No.", "param": "n"}), (2, {"message": "No.", "param": "size"})],
)
def test_another_refusal_is_the_end(
    connector: Connector, count: int, error: dict[str, Any]
) -> None:
    seen = call(connector, IMAGE, refusal(400, **error), {"numImages": count})
    assert seen.outcome == ("bad_request", "rejected", 1)


def test_if_all_calls_fail_there_are_no_images(connector: Connector) -> None:
    inputs = {"model": "dall-e-3", "numImages": 2}
    seen = call(connector, IMAGE, refusal(400, message="No."), inputs)
    assert seen.error["code"] == "bad_request"
    assert seen.error["message"].startswith("2 of 2 requests failed; the first: ")
    assert "data" not in seen.envelope


def test_if_some_calls_fail_the_images_of_the_others_are_kept(connector: Connector) -> None:
    answers = [made({"url": URL, "revised_prompt": "A boat."}), refusal(400, message="No.")]
    seen = call(connector, IMAGE, answers, {"model": "dall-e-3", "numImages": 2})
    assert seen.error["code"] == "partial_failure"
    assert seen.error["message"].startswith("1 of 2 requests failed; the first: ")
    assert seen.envelope["data"] == [
        {"url": URL, "revised_prompt": "A boat.", "contentType": "image/png"}
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"json": {}}, "The response has no images."),
        ({"json": {"data": []}}, "The response has no images."),
        ({"json": {"data": {"url": URL}}}, "The response has no images."),
        (made(URL), "An image in the response is not an object."),
        (made({"revised_prompt": "A"}), "An image in the response has neither url nor b64_json."),
        (
            made({"url": 7, "b64_json": None}),
            "An image in the response has neither url nor b64_json.",
        ),
        (made({"b64_json": "AAAA="}), "An image in the response is not base64."),
        (made({"b64_json": "AA==AAAA"}), "An image in the response is not base64."),
        (made({"b64_json": "A=AA"}), "An image in the response is not base64."),
        (made({"b64_json": "A==="}), "An image in the response is not base64."),
        (made({"b64_json": "AA*A"}), "An image in the response is not base64."),
        (made({"b64_json": "AAA\n"}), "An image in the response is not base64."),
        (made({"b64_json": "=AAA"}), "An image in the response is not base64."),
        (made({"b64_json": "AAAA===="}), "An image in the response is not base64."),
        (made({"b64_json": "AAAA!!!!"}), "An image in the response is not base64."),
        (made({"b64_json": "AAAA\r\n\r\n"}), "An image in the response is not base64."),
    ],
)
def test_what_is_no_image_is_refused(connector: Connector, answer: Any, message: str) -> None:
    seen = call(connector, IMAGE, answer)
    assert (seen.error["code"], seen.error["message"]) == ("invalid_response", message)


@pytest.mark.parametrize("data", ["AAAA", "AAA=", "AA==", "AAAAAA=="])
def test_what_is_base64_is_kept_as_it_came(connector: Connector, data: str) -> None:
    seen = call(connector, IMAGE, made({"b64_json": data, "url": "", "novel": 1}))
    assert seen.data == [{"b64_json": data, "contentType": "image/png"}]


@pytest.mark.parametrize("size", [-4, 0, 4])
@pytest.mark.parametrize("end", ["", "AA=="])
def test_base64_is_read_in_pieces_that_leave_no_gap(
    connector: Connector, size: int, end: str
) -> None:
    data = "A" * (2 * PIECE + size) + end
    assert call(connector, IMAGE, made({"b64_json": data})).data[0]["b64_json"] == data
    for place in (PIECE - 1, PIECE, len(data) - len(end) - 1):
        broken = f"{data[:place]}!{data[place + 1 :]}"
        error = call(connector, IMAGE, made({"b64_json": broken})).error
        assert error["code"] == "invalid_response"


def test_base64_does_not_end_where_a_piece_ends(connector: Connector) -> None:
    data = "A" * (PIECE - 2) + "==" + "AAAA"
    error = call(connector, IMAGE, made({"b64_json": data})).error
    assert error["code"] == "invalid_response"


@pytest.mark.parametrize(
    ("data", "url", "stated", "kind"),
    [
        (b"\x89PNG\r\n", "data:image/webp,x", "webp", "image/png"),
        (b"\xff\xd8\xff\xe0", "data:image/webp,x", "webp", "image/jpeg"),
        (b"RIFFxxxx", "data:image/png,x", "png", "image/webp"),
        (b"\xff\xd8", "data:image/webp,x", "png", "image/webp"),
        (b"?\x89PNG", "", "jpeg", "image/jpeg"),
        (b"?", "", "png", "image/png"),
        (b"?", "", "webp", "image/webp"),
        (b"?", "", "WEBP", "image/png"),
        (b"?", "", ["webp"], "image/png"),
    ],
)
def test_the_type_is_the_most_specific_one(
    connector: Connector, data: bytes, url: str, stated: Any, kind: str
) -> None:
    """The bytes themselves, then the address, then the response."""
    item = {"b64_json": base64.b64encode(data).decode(), "url": url}
    seen = call(connector, IMAGE, made(item, output_format=stated))
    assert seen.data[0]["contentType"] == kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:image/webp;base64,x", "image/webp"),
        ("DATA:IMAGE/WEBP,x", "image/webp"),
        ("data:image/svg+xml,x", "image/svg+xml"),
        (f"data:{'a' * 99}/{'b' * 99},x", f"{'a' * 99}/{'b' * 99}"),
        (f"data:{'a' * 100}/b,x", "image/png"),
        (f"data:a/{'b' * 100},x", "image/png"),
        ("data:/webp,x", "image/png"),
        ("data:image/webp", "image/png"),
        ("data:image/wébp,x", "image/png"),
        (" data:image/webp,x", "image/png"),
    ],
)
def test_a_data_url_names_its_type(connector: Connector, url: str, kind: str) -> None:
    assert call(connector, IMAGE, made({"url": url})).data == [{"url": url, "contentType": kind}]


def test_an_image_without_bytes_stays_a_url_with_an_output_file(
    connector: Connector, tmp_path: Path
) -> None:
    items = [
        {"url": URL, "revised_prompt": "A boat."},
        {"b64_json": base64.b64encode(b"\xff\xd8\xff1").decode(), "revised_prompt": "Two boats."},
    ]
    path = tmp_path / "boat.jpg"
    with FaultServer(made(*items)) as server:
        inputs = inputs_of(IMAGE, numImages=2)
        result = connector.invoke(IMAGE, inputs, connection(server.url), output=path)
    assert result.data == [
        {"url": URL, "revised_prompt": "A boat.", "contentType": "image/png"},
        {
            "revised_prompt": "Two boats.",
            "contentType": "image/jpeg",
            "file": str(path),
            "size": 4,
        },
    ]
    assert path.read_bytes() == b"\xff\xd8\xff1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model", "is set by Model / Deployment Name; leave it out here"),
        ("prompt", "is set by Prompt; leave it out here"),
        ("n", "is set by Number of Images; leave it out here"),
        ("size", "is set by Image Size; leave it out here"),
    ],
)
def test_a_parameter_with_an_input_is_not_an_extra_parameter(
    connector: Connector, name: str, message: str
) -> None:
    inputs = inputs_of(IMAGE, extraParameters={name: "x", "quality": "low"})
    result = connector.invoke(IMAGE, inputs, connection("https://api.example.com"))
    assert result.error is not None
    assert result.error.details == [
        {
            "path": f"/inputs/extraParameters/{name}",
            "input": "Extra Parameters",
            "message": message,
        }
    ]


def test_a_request_holds_what_was_asked(connector: Connector) -> None:
    inputs = {"imageSize": "1792x1024", "extraParameters": {"quality": "low"}}
    (request,) = call(connector, IMAGE, made({"url": URL}), inputs).requests
    assert request.json() == {
        "model": "some-model",
        "prompt": "A lighthouse",
        "size": "1792x1024",
        "quality": "low",
    }


def test_an_extra_parameter_is_refused_together_with_the_rest(connector: Connector) -> None:
    inputs = {"numImages": 99, "extraParameters": {"size": "1x1"}}
    seen = call(connector, IMAGE, made({"url": URL}), inputs)
    assert seen.requests == []
    paths = sorted(row["path"] for row in seen.error["details"])
    assert paths == ["/inputs/extraParameters/size", "/inputs/numImages"]
