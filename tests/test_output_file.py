"""The file of a binary result (`output`): complete or absent, and as private as before."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.files.output_file import OutputFile
from connector.sandbox import Sandbox
from tests.support import canary
from tests.support.fault_server import FaultServer

BINARY = {"method": "GET", "responseType": "binary"}


def fields(url: str) -> dict[str, Any]:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": url}}


requests: list[int] = []
"""How many requests each `fetch` made."""


def fetch(connector: Connector, answer: Any, path: Path, **inputs: Any) -> Any:
    with FaultServer(answer) as server:
        result = connector.invoke(
            "rawRequest", {**BINARY, **inputs}, fields(server.url), output=path
        )
    requests.append(len(server.requests))
    return result


def test_a_result_goes_to_its_file(connector: Connector, tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_text("old")
    result = fetch(connector, {"text": "new"}, path)
    assert result.data == {"file": str(path), "size": 3, "contentType": "text/plain"}
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_last_attempt_is_in_the_file(connector: Connector, tmp_path: Path) -> None:
    broken = {"repeat": {"text": "x", "times": 200_000}, "close": "mid_body"}
    result = fetch(connector, [broken, {"text": "new"}], tmp_path / "out", maxRetries=1)
    assert result.meta["attempts"] == 2
    assert (tmp_path / "out").read_text() == "new"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"repeat": {"text": "x", "times": 200_000}, "close": "mid_body"},
        {"repeat": {"text": "x", "times": 200_000}, "chunked_truncated": True},
        {"text": "x", "gzip_corrupt": True},
    ],
)
def test_a_failure_leaves_the_old_file_and_no_other(
    connector: Connector, tmp_path: Path, answer: dict[str, Any]
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    assert not fetch(connector, answer, path).ok
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def unusable(folder: Path) -> dict[str, Path]:
    (folder / "file").touch()
    return {
        "a folder": folder,
        "no such folder": folder / "none" / "out",
        "below a file": folder / "file" / "out",
        "a name that is too long": folder / ("x" * 300),
        "a name with a NUL": folder / "a\0b",
    }


@pytest.mark.parametrize(
    "name",
    ["a folder", "no such folder", "below a file", "a name that is too long", "a name with a NUL"],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(
    connector: Connector, tmp_path: Path, name: str
) -> None:
    result = fetch(connector, {"text": "x"}, unusable(tmp_path)[name])
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert requests[-1] == 0


@pytest.mark.parametrize("moment", ["write", "finish"])
def test_a_disk_that_fills_up_is_not_called_a_broken_connection(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    begin = OutputFile.begin

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> None:
            if moment == "write":
                raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.file.close()
            if moment == "finish":
                raise OSError(errno.ENOSPC, "No space left on device")

    def full(sink: Any) -> None:
        begin(sink)
        sink._file = Full(sink._file)

    monkeypatch.setattr(OutputFile, "begin", full)
    result = fetch(connector, {"text": "x"}, tmp_path / "out", maxRetries=3)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "unknown")
    assert "No space left on device" in result.error.message
    assert result.meta["attempts"] == 1
    assert list(tmp_path.iterdir()) == []


def test_two_invocations_to_the_same_file_do_not_mix(connector: Connector, tmp_path: Path) -> None:
    import threading

    path = tmp_path / "out"
    bodies = iter("abcdefgh")

    def answer(_: Any, __: int) -> dict[str, Any]:
        return {"repeat": {"text": next(bodies), "times": 300_000}}

    with FaultServer(answer) as server:

        def work() -> None:
            result = connector.invoke("rawRequest", BINARY, fields(server.url), output=path)
            assert result.ok, result.to_dict()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    content = path.read_text()
    assert content == content[0] * 300_000
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_file_follows_links_and_leaves_other_files_alone(
    connector: Connector, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, link, other = tmp_path / "real.png", tmp_path / "link.png", tmp_path / "link-2.png"
    link.symlink_to(target)
    other.write_text("precious")
    inputs = {"prompt": "A boat", "numImages": 2}
    result = connector.invoke("createImage", inputs, sandbox.connection("openai"), output=link)
    assert [item["file"] for item in result.data] == [str(link), str(tmp_path / "link-3.png")]
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"\x89PNG")
    assert other.read_text() == "precious"


def test_an_output_that_is_no_file_is_refused_before_anything_is_sent(
    connector: Connector, sandbox: Sandbox, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    inputs = {"prompt": "A boat"}
    to = sandbox.connection("openai")
    result = connector.invoke("createImage", inputs, to, output=tmp_path / "pipe")
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert sandbox.requests == []


# Its mode and its owner


@pytest.fixture
def umask() -> Iterator[Any]:
    """Sets the umask, until the test ends."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("old", [0o600, 0o640, 0o664, 0o666, 0o755, 0o200])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_file_that_is_replaced_keeps_its_mode(
    connector: Connector, tmp_path: Path, umask: Any, old: int, mask: int
) -> None:
    path = tmp_path / "out"
    path.touch()
    path.chmod(old)
    umask(mask)
    assert fetch(connector, {"text": "new"}, path).ok
    assert (mode(path), path.stat().st_size) == (old, 3)


@pytest.mark.parametrize(("mask", "new"), [(0o000, 0o666), (0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_gets_what_the_umask_leaves(
    connector: Connector, tmp_path: Path, umask: Any, mask: int, new: int
) -> None:
    umask(mask)
    assert fetch(connector, {"text": "new"}, tmp_path / "out").ok
    assert mode(tmp_path / "out") == new


@pytest.mark.parametrize("old", [0o600, 0o640, 0o200, 0o755])
def test_the_temporary_file_is_never_wider_than_the_file(
    tmp_path: Path, umask: Any, monkeypatch: pytest.MonkeyPatch, old: int
) -> None:
    path = tmp_path / "out"
    path.touch()
    path.chmod(old)
    umask(0)
    seen = []
    take_over = os.fchmod

    def fchmod(descriptor: int, wanted: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        take_over(descriptor, wanted)

    monkeypatch.setattr(os, "fchmod", fchmod)
    sink = OutputFile(path)
    sink.begin()
    (part,) = tmp_path.glob("*.part")
    seen.append(mode(part))
    sink.write(b"x")
    sink.abort()
    assert len(seen) == 2
    assert not any(found & ~old for found in seen)


@pytest.mark.parametrize("old", [0o444, 0o400, 0o555, 0o000])
def test_a_read_only_file_is_refused_before_anything_is_sent(
    connector: Connector, tmp_path: Path, old: int
) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    path.chmod(old)
    result = fetch(connector, {"text": "new"}, path)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert requests[-1] == 0
    assert mode(path) == old
    path.chmod(0o600)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_read_only_file_is_refused(connector: Connector, tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.touch()
    path.chmod(0o444)
    link.symlink_to(path)
    assert fetch(connector, {"text": "new"}, link).error.code == "invalid_input"
    assert requests[-1] == 0


def test_a_file_that_the_system_protects_is_refused_before_anything_is_sent(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    real = os.open

    def protected(name: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if Path(name) == path:
            raise PermissionError(errno.EPERM, "Operation not permitted")  # an immutable file's
        return real(name, flags, mode, **more)

    monkeypatch.setattr(os, "open", protected)
    result = fetch(connector, {"text": "new"}, path)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert requests[-1] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("owner", [(12345, 12346), (12345, 0), (0, 12346)])
def test_a_file_that_is_replaced_keeps_its_owner_and_group(
    connector: Connector, tmp_path: Path, owner: tuple[int, int]
) -> None:
    path = tmp_path / "out"
    path.touch()
    path.chmod(0o640)
    os.chown(path, *owner)
    assert fetch(connector, {"text": "new"}, path).ok
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode(path)) == (*owner, 0o640)
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["st_uid", "st_gid"])
def test_a_file_whose_owner_cannot_be_kept_is_refused_before_anything_is_sent(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    real = os.fstat

    class Other:
        """What the system says of a file that belongs to somebody else than `path`."""

        def __init__(self, descriptor: int) -> None:
            self.found = real(descriptor)

        def __getattr__(self, wanted: str) -> Any:
            return getattr(self.found, wanted) + (wanted == name)

    def fchown(*_: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fstat", Other)
    monkeypatch.setattr(os, "fchown", fchown)
    result = fetch(connector, {"text": "new"}, path)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    assert "owner" in result.error.message
    assert requests[-1] == 0
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "precious"


def test_further_images_are_as_private_as_the_named_file(
    connector: Connector, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "image.png"
    path.touch()
    path.chmod(0o600)
    inputs = {"prompt": "A boat", "numImages": 2}
    assert connector.invoke("createImage", inputs, sandbox.connection("openai"), output=path).ok
    assert {file.name: mode(file) for file in tmp_path.iterdir()} == {
        "image.png": 0o600,
        "image-2.png": 0o600,
    }


def test_images_that_are_created_read_only_are_all_written(
    connector: Connector, sandbox: Sandbox, tmp_path: Path, umask: Any
) -> None:
    umask(0o222)
    inputs = {"prompt": "A boat", "numImages": 3}
    to = sandbox.connection("openai")
    assert connector.invoke("createImage", inputs, to, output=tmp_path / "image.png").ok
    assert [mode(path) for path in tmp_path.iterdir()] == [0o444] * 3


def test_other_hard_links_keep_the_old_content(connector: Connector, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    (tmp_path / "other").hardlink_to(tmp_path / "out")
    assert fetch(connector, {"text": "new"}, tmp_path / "out").ok
    assert (tmp_path / "out").read_text() == "new"
    assert (tmp_path / "other").read_text() == "old"


def test_a_system_without_file_owners_needs_none(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "fchown")
    monkeypatch.delattr(os, "fchmod")
    (tmp_path / "out").write_text("old")
    assert fetch(connector, {"text": "new"}, tmp_path / "out").ok
    assert (tmp_path / "out").read_text() == "new"


def test_a_further_result_stays_on_the_file_system_of_the_link(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the link leads to may lie on another, to which nothing can be renamed."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "other" / "real.png")
    replace = os.replace

    def within_one(old: Path, new: Path) -> None:
        if Path(old).parent != Path(new).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(old, new)

    monkeypatch.setattr(os, "replace", within_one)
    image = {"b64_json": "iVBORw0KGgo="}
    with FaultServer({"json": {"data": [image, image]}}) as server:
        to = {"fields": {"apiKey": "sk-0123456789", "isOpenAIKey": True, "endpoint": server.url}}
        inputs = {"prompt": "x", "numImages": 2}
        result = connector.invoke("createImage", inputs, to, output=tmp_path / "link.png")
    assert result.ok, result.to_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link-2.png", "link.png", "other"]


@pytest.mark.parametrize(
    ("name", "content_type", "right"),
    [
        ("a.jpg", "image/png", ".png"),
        ("a.jpeg", "image/jpeg", None),
        ("a.wav", "audio/mpeg", ".mp3"),
        ("a.wav", "audio/x-wav", None),
        ("a.png", "application/json; charset=utf-8", ".json"),
        ("a", "image/png", None),
        ("a.dat", "image/png", None),
        ("a.png", "application/octet-stream", None),
    ],
)
def test_a_warning_names_the_right_extension(
    name: str, content_type: str, right: str | None, connector: Connector, tmp_path: Path
) -> None:
    answer = {"headers": {"content-type": content_type}, "text": "x"}
    result = fetch(connector, answer, tmp_path / name)
    assert result.ok
    warnings = result.meta["warnings"]
    assert (right is None) == (warnings == [])
    assert all(f"; {right} is the right extension." in text for text in warnings)
