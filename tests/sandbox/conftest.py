"""A sandbox with models for these tests, and a client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connector.sandbox import Sandbox

from .send import (
    AZURE,
    FACTS,
    OPENAI,
    Send,
)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(FACTS) as sandbox:
        yield sandbox


@pytest.fixture(name="sandbox")
def fresh(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def send(sandbox: Sandbox, session: requests.Session) -> Send:
    def send(
        path: str, body: Any = None, method: str | None = None, **more: Any
    ) -> requests.Response:
        if "headers" not in more:
            azure = path.partition("?")[0].find("/openai/") >= 0
            more["headers"] = AZURE if azure else OPENAI
        if body is not None:
            more["json"] = body
        method = method or ("GET" if body is None else "POST")
        return session.request(method, sandbox.url + path, timeout=60, **more)

    return send
