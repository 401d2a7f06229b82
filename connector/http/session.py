"""The pool of connections to one host, in each process, and its TLS settings."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter

from connector.errors import ConnectorError
from connector.http import connection
from connector.http.connection import Exchange, Release
from connector.http.messages import Request
from connector.http.response_head import StrictResponse
from connector.runtime import forks
from connector.text.secrets import Secret

POOL_SIZE = 256
"""Idle connections kept for each host. A pool smaller than the largest concurrency would open and
close connections all the time."""


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
        # Without a context for the proxy, urllib3 would trust authorities from the environment.
        kwargs = self._with_tls({**kwargs, "proxy_ssl_context": self._tls})
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = connection.POOLS
        return manager

    def _with_tls(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**kwargs, "ssl_context": self._tls} if self._tls else kwargs

    def pool(self, url: str, proxies: dict[str, str] | None) -> Any:
        """Return the pool of connections to the host of `url`; each adapter leads to one host."""
        pool = self._pool
        if pool is None:
            request = PreparedRequest()
            request.url = url
            pool = self.get_connection_with_tls_context(request, True, proxies=proxies)
            self._pool = pool
        return pool  # not self._pool: another thread may close the adapter meanwhile

    def close(self) -> None:
        """Close the idle connections; a later request makes a new pool."""
        pool, self._pool = self._pool, None
        super().close()
        if pool is not None:
            pool.pool.close()  # urllib3 would wait until the pool is deleted


class Session:
    """The connections to one host, for one connection's key.

    Safe in threads (urllib3's pool is) and across fork (a child makes its own).
    """

    def __init__(self, secure: bool, proxy: Secret | None, ca_file: str | None) -> None:
        self._secure = secure
        self._needs_tls = secure or (proxy is not None and proxy.reveal().startswith("https:"))
        self._ca_file = ca_file
        self._proxies = {"http": proxy.reveal(), "https": proxy.reveal()} if proxy else None
        self._adapters: dict[int, _Adapter] = {}
        self.is_direct = proxy is None
        """Whether no proxy is used."""

    def adapter(self) -> _Adapter:
        """Return this process's adapter."""
        process = forks.generation()
        adapter = self._adapters.get(process)
        if adapter is None:
            for parent in [key for key in list(self._adapters) if key != process]:
                self._adapters.pop(parent, None)  # its sockets belong to the parent process
            adapter = _Adapter(tls_context(self._ca_file) if self._needs_tls else None)
            adapter = self._adapters.setdefault(process, adapter)
        return adapter

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        for adapter in list(self._adapters.values()):
            adapter.close()

    def open(
        self, exchange: Exchange, request: Request, headers: dict[str, str]
    ) -> tuple[StrictResponse, Release]:
        """Send a request; return its response, the body unread, and what releases the connection.

        Call the latter when the body was read or is not needed.
        """
        pool = self.adapter().pool(request.url, self._proxies)
        tunnel = self._proxies is not None and self._secure
        if self._proxies is not None and not tunnel:  # a proxy needs the whole URL
            target, headers = request.url, {**headers, **pool.proxy_headers}
        else:
            target = "/" + request.url.split("/", 3)[3]
        opened: tuple[StrictResponse, Release]
        opened = pool.open(exchange, request.method, target, headers, request.body, tunnel)
        return opened


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts the authorities in `ca_file`; if None, the usual ones.

    Raises ConnectorError `invalid_connection` if the file cannot be used.
    """
    import certifi  # the authorities that requests trusts; installed with it

    # Not `create_default_context`, which writes session secrets to the file SSLKEYLOGFILE names.
    context = connection.TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    try:
        if ca_file is not None and not os.path.isfile(ca_file):
            raise OSError("not a regular file; it may be endless")
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
