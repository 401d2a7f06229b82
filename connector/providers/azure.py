"""Azure OpenAI Service: from a connection's fields to a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from connector.problems import error_of, problem
from connector.providers import paths
from connector.providers.fields import endpoint_of, field_error
from connector.providers.paths import OPERATIONS
from connector.providers.provider import DEPLOYMENT_APIS, Provider

_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?\Z")
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}\Z")
_AZURE_TAIL = re.compile(
    rf"(?i)(?P<base>.*?)(/api/projects/[^/]+)?"
    rf"((?P<inference>/models(/.*)?)|/v1|"
    rf"/openai(/deployments/(?P<deployment>[^/]+)(/.*)?|/v1(/.*)?|/({OPERATIONS}))?)?/*\Z"
)
_AZURE_HOST = re.compile(r".*\.azure\.(com|us|cn)\Z")


def azure(fields: Mapping[str, Any]) -> Provider:
    """Return the provider that `fields` lead to: endpoint, or organization, and apiVersion.

    Raises ConnectorError `invalid_connection` or `blocked_target` that names the invalid field.
    """
    endpoint = endpoint_of(_address(fields))
    match = _AZURE_TAIL.match(endpoint.path)
    query = {name.lower(): value for name, value in parse_qsl(endpoint.query)}
    if set(query) - {"api-version"}:
        raise field_error(
            "endpoint", "Endpoint", "may have no query (the part after ?) but api-version"
        )
    if match and match["base"] and _AZURE_HOST.match(endpoint.host):
        # Only gateways have a path before the service's own.
        raise field_error(
            "endpoint", "Endpoint", "is not the address of a resource or a deployment"
        )
    if match and match["inference"]:
        query = {}  # the address of another API of the same resource, which has other versions
    version = fields.get("apiVersion") or query.get("api-version") or None
    if version and not _DATED.match(version) and version not in ("v1", "preview", "latest"):
        raise field_error(
            "endpoint",
            "Endpoint",
            "must have a date, YYYY-MM-DD, as its api-version",
        )
    dated = version if version and _DATED.match(version) else None
    deployment = unquote(match["deployment"] or "") if match else ""
    if deployment and paths.segment_fault(deployment):
        raise field_error("endpoint", "Endpoint", "names no usable deployment")
    return Provider(
        name="azure",
        endpoint=endpoint,
        base=endpoint.origin + (match["base"] if match else ""),
        surface="/openai" if dated else "/openai/v1",
        headers={},
        key_header=("api-key", ""),
        uses_deployment_names=True,
        dated=dated,
        version=None if dated else version,
        deployment=deployment or None,
        deployment_api=_deployment_api(endpoint.path),
    )


def _deployment_api(path: str) -> str:
    return next((api for tail, api in DEPLOYMENT_APIS.items() if path.endswith(tail)), "chat")


def _address(fields: Mapping[str, Any]) -> str:
    if fields.get("endpoint"):
        return str(fields["endpoint"])
    resource = fields.get("organization")
    if not resource:
        hint = "Set Endpoint to the address that the Azure portal shows under Keys and Endpoint."
        row = problem(
            "/connection/fields/endpoint", "is required for Azure OpenAI Service", "Endpoint"
        )
        raise error_of("invalid_connection", [row], hint=hint)
    if not _RESOURCE.match(resource):
        raise field_error(
            "organization",
            "Organization",
            "must be the name of an Azure resource: letters, digits and hyphens",
        )
    return f"https://{resource}.openai.azure.com"
