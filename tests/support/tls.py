"""The certificates of the fault server, and its broken handshakes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import trustme

from .fault_peer import HangUp, Peer

_NAMES: Final = ("localhost", "127.0.0.1")


@cache
def certificate_authority() -> trustme.CA:
    """The authority of this process, which signs every certificate that is to be trusted."""
    return trustme.CA()


def ca_file(folder: Path) -> Path:
    """Write the authority's certificate to a file that a client can trust."""
    path = folder / "ca.pem"
    certificate_authority().cert_pem.write_to_path(str(path))
    return path


@cache
def server_context(name: str) -> ssl.SSLContext:
    """The server's context of a complete handshake, by the name of its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with CERTIFICATES[name]().tempfile() as path:
        context.load_cert_chain(path)
    if name == "wants_client":
        context.verify_mode = ssl.CERT_REQUIRED
        certificate_authority().configure_trust(context)
    return context


def _good() -> trustme.Blob:
    return certificate_authority().issue_cert(*_NAMES).private_key_and_cert_chain_pem


def _self_signed() -> trustme.Blob:
    """The certificate of an unknown authority, used as a server's."""
    stranger = trustme.CA()
    return trustme.Blob(stranger.private_key_pem.bytes() + stranger.cert_pem.bytes())


def _unknown_ca() -> trustme.Blob:
    return trustme.CA().issue_cert(*_NAMES).private_key_and_cert_chain_pem


def _expired() -> trustme.Blob:
    leaf = certificate_authority().issue_cert(
        *_NAMES, not_before=datetime(2001, 1, 1), not_after=datetime(2002, 1, 1)
    )
    return leaf.private_key_and_cert_chain_pem


def _wrong_host() -> trustme.Blob:
    return certificate_authority().issue_cert("wrong.example").private_key_and_cert_chain_pem


def _not_tls(peer: Peer) -> NoReturn:
    peer.await_bytes()
    peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    raise HangUp


def _handshake_hang(peer: Peer) -> NoReturn:
    peer.hang()


def _handshake_reset(peer: Peer) -> NoReturn:
    peer.await_bytes()
    raise HangUp(reset=True)


def _handshake_close(peer: Peer) -> NoReturn:
    peer.await_bytes()
    raise HangUp


def _old_tls(peer: Peer) -> NoReturn:
    """Refuse the offered versions (alert 70), as OpenSSL does if it is limited to TLS 1.1."""
    peer.await_bytes()
    peer.send(bytes([21, 3, 1, 0, 2, 2, 70]))
    raise HangUp


CERTIFICATES: Final[dict[str, Callable[[], trustme.Blob]]] = {
    "good": _good,
    "self_signed": _self_signed,
    "unknown_ca": _unknown_ca,
    "expired": _expired,
    "wrong_host": _wrong_host,
    "wants_client": _good,  # and demands a certificate of the client
}
BROKEN_HANDSHAKES: Final[dict[str, Callable[[Peer], NoReturn]]] = {
    "not_tls": _not_tls,
    "handshake_hang": _handshake_hang,
    "handshake_reset": _handshake_reset,
    "handshake_close": _handshake_close,
    "old_tls": _old_tls,
}
