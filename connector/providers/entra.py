"""Microsoft Entra ID: tokens for Azure OpenAI, fetched by azure-identity (the extra `entra`)."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.policy.deadline import Deadline
from connector.providers.authentication import Token, TokenAuthentication
from connector.providers.azure import azure
from connector.providers.fields import field_error
from connector.providers.provider import Provider
from connector.runtime import threads
from connector.runtime.flag import Flag
from connector.runtime.interruptions import chain


class _Cloud(NamedTuple):
    """Where a cloud issues tokens, and what they are for: on the v1 surface and on the dated one.

    Source: Microsoft's documentation of the service and of its sovereign clouds.
    """

    authority: str
    scope: str
    dated_scope: str


_PUBLIC = _Cloud(
    "https://login.microsoftonline.com",
    "https://ai.azure.com/.default",
    "https://cognitiveservices.azure.com/.default",
)
_CLOUDS = {
    ".azure.us": _Cloud(
        "https://login.microsoftonline.us",
        "https://cognitiveservices.azure.us/.default",
        "https://cognitiveservices.azure.us/.default",
    ),
    ".azure.cn": _Cloud(
        "https://login.chinacloudapi.cn",
        "https://cognitiveservices.azure.cn/.default",
        "https://cognitiveservices.azure.cn/.default",
    ),
}

_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_ATTEMPTS = 2

_LABELS = {"tenantId": "Tenant ID", "clientId": "Client ID", "clientSecret": "Client Secret"}

# What Microsoft Entra ID says of a refused credential, by its own numbers.
_HINTS = {
    "90002": "The tenant does not exist: check Tenant ID.",
    "900023": "The tenant's name is not valid: check Tenant ID.",
    "700016": "The tenant has no application with this Client ID.",
    "7000215": "Client Secret is wrong: give the secret's value, not its ID.",
    "7000222": "Client Secret has expired: make a new one.",
    "700027": "The certificate is not one of this application's.",
    "7000112": "The application is disabled.",
    "53003": "A policy of the tenant blocks this sign-in.",
}
_UNREACHED = {"ServiceRequestError", "ServiceResponseError", "ConnectionError", "SSLError"}
"""Errors of azure-core and requests, wherever the library has wrapped them."""

_NUMBER = re.compile(r"AADSTS([0-9]{5,8})")


def entra(fields: Mapping[str, Any]) -> tuple[Provider, TokenAuthentication]:
    """Return where a connection's cleaned fields lead, and the tokens that go there.

    Raises ConnectorError `invalid_connection` or `blocked_target` with the field at fault.
    """
    provider = azure(fields)._replace(key_header=("Authorization", "Bearer "))
    cloud = next((c for end, c in _CLOUDS.items() if provider.endpoint.host.endswith(end)), _PUBLIC)
    make = _credential(fields, fields.get("authority") or cloud.authority)
    scope = cloud.dated_scope if provider.dated else cloud.scope

    def fetch(deadline: Deadline) -> Token:
        return _in_time(lambda: _fetch(make, scope), deadline)

    secrets = [fields[name] for name in ("clientSecret", "certificatePassword") if fields.get(name)]
    return provider, TokenAuthentication(fetch, *secrets)


def _credential(fields: Mapping[str, Any], authority: str) -> Callable[[], Any]:
    """Return what makes a credential of azure-identity. It keeps tokens of its own, so each fetch
    takes a new one: after a 401 the old token would come back."""
    kind = fields.get("credential", "clientSecret")
    options: dict[str, Any] = {"authority": authority}
    if fields.get("authority"):  # the library would ask Microsoft about an address of one's own
        options["disable_instance_discovery"] = True
    options |= _transport(fields)
    if kind == "clientSecret":
        given = [_required(fields, name) for name in ("tenantId", "clientId", "clientSecret")]
        return lambda: _library().ClientSecretCredential(*given, **options)
    if kind == "clientCertificate":
        given = [_required(fields, name) for name in ("tenantId", "clientId")]
        file = _required(fields, "certificateFile", "Certificate File")
        password = fields.get("certificatePassword")
        return lambda: _library().CertificateCredential(*given, file, password=password, **options)
    client = {"client_id": fields["clientId"]} if fields.get("clientId") else {}
    if kind == "managedIdentity":
        return lambda: _library().ManagedIdentityCredential(**client)
    if kind == "workloadIdentity":
        tenant = {"tenant_id": fields["tenantId"]} if fields.get("tenantId") else {}
        return lambda: _library().WorkloadIdentityCredential(**client, **tenant, **options)
    return lambda: _library().DefaultAzureCredential(**options)


def _required(fields: Mapping[str, Any], name: str, label: str = "") -> str:
    value = fields.get(name)
    if not value:
        raise field_error(name, label or _LABELS[name], "is required for this credential")
    return str(value)


def _transport(fields: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retry_total": _ATTEMPTS,
        "use_env_settings": False,  # no proxy, netrc or authorities of the environment
    }
    if ca_file := fields.get("caFile"):
        options["connection_verify"] = ca_file
    if proxy := fields.get("proxy"):
        options["proxies"] = {"http": proxy, "https": proxy}
    return options


def preload() -> None:
    """Import the library, if it is installed, so that no call imports it."""
    with contextlib.suppress(ConnectorError):
        _library()


def _library() -> Any:
    try:
        import azure.identity
    except ModuleNotFoundError:
        raise ConnectorError(
            "invalid_connection",
            "Microsoft Entra ID needs the extra 'entra'.",
            hint="Run: pip install 'azure-openai-service-connector[entra]'",
        ) from None
    import logging  # here: most processes never need it

    # It logs what the host says of a failure, which may hold anything.
    log = logging.getLogger("azure.identity")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
    return azure.identity


def _fetch(make: Callable[[], Any], scope: str) -> Token:
    """Return a token. Raises ConnectorError; the library's own message may hold anything."""
    credential = make()
    try:
        found = credential.get_token(scope)
    except ConnectorError:
        raise
    except Exception as error:  # noqa: BLE001 - it raises errors of several libraries
        raise _error(error) from None
    finally:
        close = getattr(credential, "close", None)
        if close is not None:
            close()
    return Token(found.token, found.expires_on - time.time())


def _error(error: Exception) -> ConnectorError:
    names = {type(item).__name__ for item in chain(error)}
    number = _NUMBER.search(str(error))
    if number is not None:
        return ConnectorError(
            "authentication_failed",
            f"Microsoft Entra ID refused the credential (AADSTS{number[1]}).",
            hint=_HINTS.get(number[1], "Look the number up in Microsoft's list of error codes."),
        )
    if "CredentialUnavailableError" in names:
        return ConnectorError(
            "authentication_failed",
            "This machine has no such identity.",
            hint="Choose another Credential, or give the machine a managed or workload identity.",
        )
    if names & _UNREACHED:
        return ConnectorError(
            "connect_failed", "The host that issues tokens cannot be reached.", retryable=True
        )
    if isinstance(error, ValueError):
        return ConnectorError(
            "invalid_connection",
            "The credential cannot be used.",
            hint="Check Tenant ID, and that the certificate file is PEM or PKCS 12 with its key.",
        )
    return ConnectorError(
        "authentication_failed", f"Microsoft Entra ID gave no token ({type(error).__name__})."
    )


def _in_time(work: Callable[[], Token], deadline: Deadline) -> Token:
    """Return what `work` returns, but wait no longer than the call has: azure-identity has no
    deadline, and a cancelled call must not wait for it."""
    done = Flag()
    outcome: list[Token | ConnectorError] = []
    alive = None  # kept, so that the end of the thread is noticed

    def run() -> None:
        try:
            outcome.append(work())
        except ConnectorError as error:
            outcome.append(error)
        finally:
            done.set()

    try:
        alive = threads.start(run, lambda _: done.set(), lambda _: done.set())
    except RuntimeError:  # no thread is left
        run()
    while not done.wait(threads.TURN_SECONDS):
        deadline.check("while a token was fetched")
    del alive
    if not outcome:
        raise ConnectorError("authentication_failed", "The token could not be fetched.")
    if isinstance(outcome[0], ConnectorError):
        raise outcome[0]
    return outcome[0]
