"""Sends one request once and turns what comes back into a whole answer or one error.

No redirect is followed, no cookie kept, no environment read; the body is bounded, decompression
included.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from connector.errors import ConnectorError
from connector.http import body, connection, exception_mapping
from connector.http.messages import Limits, Request, Response
from connector.http.response_head import Malformed
from connector.policy.deadline import Deadline
from connector.text.secrets import Secret

log = logging.getLogger("connector")
# urllib3 would log what our own line says, query included, in which a caller may repeat the key.
logging.getLogger("urllib3.connectionpool").addFilter(
    lambda record: getattr(connection.current, "exchange", None) is None
)

POOL_SIZE = 256
"""Idle connections kept for each host, at least the largest concurrency: a smaller pool would
open and throw away connections all the time."""


class _Adapter(HTTPAdapter):
    """A requests adapter with our connections and one TLS context, loaded once."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._pool: Any = None
        super().__init__(pool_connections=2, pool_maxsize=POOL_SIZE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **self._with_tls(kwargs))
        self.poolmanager.pool_classes_by_scheme = connection.POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        # Without a context for the proxy itself urllib3 would trust what the environment names.
        kwargs = self._with_tls({**kwargs, "proxy_ssl_context": self._tls})
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = connection.POOLS
        return manager

    def _with_tls(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**kwargs, "ssl_context": self._tls} if self._tls else kwargs

    def pool(self, url: str, proxies: dict[str, str] | None) -> Any:
        """Return the pool of connections to the host of `url`, found once: an adapter of ours
        leads to one host."""
        pool = self._pool
        if pool is None:
            request = PreparedRequest()
            request.url = url
            pool = self.get_connection_with_tls_context(request, True, proxies=proxies)
            self._pool = pool
        return pool  # not self._pool: another thread may close the adapter meanwhile

    def close(self) -> None:
        """Close the idle connections; a later request finds its pool anew."""
        self._pool = None
        super().close()


class Session:
    """The connections to one provider, for one connection's key.

    Safe in threads (urllib3's pool is) and across fork (a child makes its own).
    """

    def __init__(self, secure: bool, proxy: Secret | None, ca_file: str | None) -> None:
        self._secure = secure
        self._needs_tls = secure or (proxy is not None and proxy.reveal().startswith("https:"))
        self._ca_file = ca_file
        self._proxies = {"http": proxy.reveal(), "https": proxy.reveal()} if proxy else None
        self._adapters: dict[int, _Adapter] = {}

    def adapter(self) -> _Adapter:
        """Return this process's adapter."""
        pid = os.getpid()
        adapter = self._adapters.get(pid)
        if adapter is None:
            for parent in [key for key in list(self._adapters) if key != pid]:
                self._adapters.pop(parent, None)  # its sockets are the parent's: never used here
            adapter = _Adapter(tls_context(self._ca_file) if self._needs_tls else None)
            adapter = self._adapters.setdefault(pid, adapter)
        return adapter

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        for adapter in list(self._adapters.values()):
            adapter.close()

    def send(self, request: Request, headers: Mapping[str, bytes], timeout: float) -> Any:
        """Return urllib3's answer, its body unread.

        Through the adapter's pool and not its `send`, which finds the pool, the proxy and the TLS
        settings again for each request, and collects the answer's cookies.
        """
        adapter = self.adapter()
        proxied = self._proxies is not None and not self._secure
        return adapter.pool(request.url, self._proxies).urlopen(
            request.method,
            request.url if proxied else "/" + request.url.split("/", 3)[3],
            body=request.body,
            headers=headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=adapter.max_retries,
            timeout=Timeout(connect=timeout, read=timeout),
        )


def _note_sent(end: BaseException, exchange: connection.Exchange) -> None:
    """Let whoever settles the attempt know how far it got when an interrupt ended it."""
    with contextlib.suppress(AttributeError):  # not every exception takes attributes
        end.connector_sent = "unknown" if exchange.sent else "no"  # type: ignore[attr-defined]


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    import certifi  # what requests trusts, and installed with it

    # Not `create_default_context`: it writes the session's secrets where SSLKEYLOGFILE says.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.sslsocket_class = connection.Secured
    try:
        if ca_file is not None and not os.path.isfile(ca_file):
            raise OSError("not a file, and perhaps one that never ends")
        context.load_verify_locations(ca_file or certifi.where())
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if ca_file is None or number in (errno.EMFILE, errno.ENFILE):
            reason = os.strerror(number) if number else type(error).__name__
            raise ConnectorError(
                "connect_failed", f"The certificate authorities cannot be read ({reason})."
            ) from None
        raise ConnectorError(
            "invalid_connection",
            "CA File: cannot be read, or is not a PEM file of certificates.",
            hint="Give the path of a PEM file on the machine that runs the connector.",
        ) from None
    return context


class Sender:
    """Sends requests over one session; the key is added at the last moment."""

    def __init__(self, session: Session, authorization: tuple[str, str, Secret]) -> None:
        self._session = session
        self._header, self._prefix, self._secret = authorization

    def close(self) -> None:
        """Close the idle connections; see `Session.close`."""
        self._session.close()

    def send(
        self,
        request: Request,
        deadline: Deadline,
        limits: Limits,
        write: Callable[[bytes], Any] | None = None,
    ) -> Response:
        """Return the whole answer, whatever its status.

        With `write`, the body of a success goes there piece by piece and is empty in the answer.
        Raises ConnectorError where there is no answer; its `sent` says whether the request left.
        """
        exchange = connection.Exchange(deadline)
        connection.current.exchange = exchange
        raw: Any = None
        started = time.perf_counter()
        status: int | str = "failed"
        failure: BaseException | None
        try:
            left = max(deadline.remaining(), 0.001)
            raw = self._session.send(request, self._headers_of(request), left)
            status = raw.status
            answer = self._read(raw, request.method, limits, write)
            self._check_whole(raw, answer, exchange)
            return answer
        except (RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as e:
            failure = exception_mapping.engine_exception(e, exchange)
            if failure is None:
                failure = exception_mapping.to_error(e, exchange, answered=raw is not None)
            else:
                _note_sent(failure, exchange)
        except BaseException as end:
            _note_sent(end, exchange)
            raise
        finally:
            exchange.close()
            connection.current.exchange = None
            if raw is not None:
                raw.close()
            if log.isEnabledFor(logging.DEBUG):
                # A caller may repeat the key, which may hold a question mark itself.
                url = self._secret.scrub(request.url).partition("?")[0]
                took = (time.perf_counter() - started) * 1000
                log.debug("%s %s -> %s in %.0f ms", request.method, url, status, took)
        # Raised outside the handler: the library's exception holds the request, and so the key.
        raise failure

    def _headers_of(self, request: Request) -> dict[str, bytes]:
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        headers[self._header] = self._prefix + self._secret.reveal()
        # As bytes: urllib3 takes the text "@@@SKIP_HEADER@@@" as a sign to leave the header out.
        return {name: value.encode("latin-1") for name, value in headers.items()}

    def _read(self, raw: Any, method: str, limits: Limits, write: Any) -> Response:
        headers = self._headers(list(raw.headers.items()))
        status = raw.status
        if not 200 <= status <= 599:
            raise Malformed("a status beyond all")
        cut = False
        if status >= 300:
            content, cut = body.beginning(raw, headers, limits.error)
        elif write is not None:
            pieces = body.decoded(raw, headers, limits.body)
            for piece in body.scrubbed(pieces, self._secret):
                write(piece)
            content = b""
        else:
            content = body.whole(raw, headers, limits.body)
        request_id = headers.get("x-request-id") or headers.get("apim-request-id")
        return Response(status, headers, content, request_id, cut)

    def _headers(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        text = "\n".join(f"{name}\n{value}" for name, value in pairs)
        scrub = self._secret.scrub
        if scrub(text) is not text:  # rare: looked for once in all of them, not in each
            pairs = [(scrub(name), scrub(value)) for name, value in pairs]
        found: dict[str, str] = {}
        for name, value in pairs:
            name = name.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def _check_whole(self, raw: Any, answer: Response, exchange: connection.Exchange) -> None:
        # A body that only the end of the connection ends looks whole when it was cut from outside.
        # An error's status says what happened, whatever became of its body.
        framed = "content-length" in answer.headers or raw.chunked
        if exchange.cut and not framed and answer.status < 300:
            raise TimeoutError
