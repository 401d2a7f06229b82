"""Lists of models, and files, of the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from .send import (
    AZURE,
    DATED,
    OPENAI,
    Send,
    size_of,
)


def test_model_lists(send: Send) -> None:
    names = {model["id"] for model in send("/v1/models").json()["data"]}
    assert {"gpt-4o-mini", "gpt-image-1-mini", "thinker"} <= names
    assert "gpt-3.5-turbo-instruct" not in names
    assert {m["object"] for m in send("/openai/v1/models").json()["data"]} == {"model"}
    base = {m["id"]: m for m in send(f"/openai/models?{DATED}").json()["data"]}
    assert base["gpt-4o-mini"]["capabilities"]["chat_completion"] is True
    assert send("/v1/models/gpt-4o").json()["id"] == "gpt-4o"
    assert send("/v1/models/nope").status_code == 404
    assert send("/v1/models", method="HEAD").content == b""


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_files(send: Send, prefix: str) -> None:
    content = b"\x00binary\r\n--x\xff"
    upload = {"files": {"file": ("naïve.bin", content)}, "data": {"purpose": "user_data"}}
    answer = send(f"{prefix}/files", method="POST", **upload).json()
    assert (answer["bytes"], answer["filename"]) == (len(content), "naïve.bin")
    downloaded = send(f"{prefix}/files/{answer['id']}/content")
    assert size_of(downloaded.content) == (16, 16)
    assert send(f"{prefix}/files/file-missing/content").status_code == 404
    extended = FILE.replace(b'filename="a"', b"filename*=utf-8''na%C3%AFve.txt")
    form = {**FORM, **AZURE}
    raw = extended + PURPOSE % b"batch" + b"--b--"
    answer = send(f"{prefix}/files", method="POST", data=raw, headers=form).json()
    assert (answer["bytes"], answer["filename"]) == (1, "naïve.txt")


FORM = {"Content-Type": "multipart/form-data; boundary=b", **OPENAI}
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
PURPOSE = b'--b\r\nX: y\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("data", "headers", "param"),
    [
        (b"{}", {**OPENAI, "Content-Type": "application/json"}, None),
        (b"{}", {**OPENAI, "Content-Type": "multipart/form-data"}, None),
        (FILE, FORM, None),
        (FILE + b"--b--\r\n", FORM, "purpose"),
        (PURPOSE % b"user_data" + b"--b--", FORM, "file"),
        (b"--b\r\nX: y\r\n\r\nz\r\n" + FILE + b"--b--", FORM, "purpose"),
        (FILE + PURPOSE % b"theft" + b"--b--", FORM, "purpose"),
        (FILE.replace(b'; filename="a"', b"") + PURPOSE % b"batch" + b"--b--", FORM, "file"),
    ],
)
def test_refused_uploads(send: Send, data: bytes, headers: Any, param: str | None) -> None:
    response = send("/v1/files", method="POST", data=data, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
