"""The two services behind one face: base address, key, paths and the shape of their errors.

The only module that knows what Azure is. A connection's fields become one `Provider`; everything
above speaks neutral paths such as `/chat/completions`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from connector.errors import ConnectorError, problem, refused
from connector.jsontext import UNPAIRED, is_encodable
from connector.secret import Secret
from connector.transport import refusal, target
from connector.transport.target import Endpoint
from connector.transport.wording import Meaning

_OPENAI = "https://api.openai.com"
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?\Z")
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}\Z")

LATEST_DATED = "2024-10-21"
"""The last dated version that is generally available; no later one is expected."""

# What may follow the base in an address that was pasted whole.
_OPERATIONS = "chat/completions|completions|images/generations|models|responses|embeddings"
_OPENAI_TAIL = re.compile(rf"(?P<base>.*?)(/v1(/({_OPERATIONS}))?)?/*\Z")
_AZURE_TAIL = re.compile(
    rf"(?i)(?P<base>.*?)(/api/projects/[^/]+)?"
    rf"((?P<inference>/models(/.*)?)|/v1|"
    rf"/openai(/deployments/(?P<deployment>[^/]+)(/.*)?|/v1(/.*)?|/({_OPERATIONS}))?)?/*\Z"
)
_AZURE_HOST = re.compile(r".*\.azure\.(com|us|cn)\Z")

_PREVIEW_ON_V1 = ("/images/generations",)
"""Azure's v1 surface serves these only with `api-version=preview` (Microsoft's v1 reference)."""


class Provider(NamedTuple):
    """Where one connection leads.

    `deployment` is the one that a pasted address named, `deployment_api` what it serves (images,
    or chat). `deploys`: models go by the names of deployments, so that a name says nothing of the
    model. `dated` is the version of the dated surface, None on the v1 surface and on OpenAI.
    `surface` precedes neutral paths.
    """

    name: str
    endpoint: Endpoint
    base: str
    surface: str
    headers: Mapping[str, str]
    authorization: tuple[str, str, Secret]
    deploys: bool = False
    dated: str | None = None
    version: str | None = None
    deployment: str | None = None
    deployment_api: str = "chat"
    proxy: Secret | None = None
    ca_file: str | None = None

    @property
    def legacy(self) -> bool:
        """Whether the surface has the legacy completions API at all."""
        return not self.deploys or self.dated is not None

    @property
    def secret(self) -> Secret:
        """The key, for the scrubber."""
        return self.authorization[2]

    def url(self, path: str, model: str | None = None) -> str:
        """Return the address of a neutral path; `model` is the one that the request is about."""
        if self.dated is None:
            version = self.version or ("preview" if self._needs_preview(path) else None)
            return f"{self.base}{self.surface}{path}" + (
                f"?api-version={version}" if version else ""
            )
        if model is not None:
            if fault := self.model_fault(model):
                raise refused("invalid_input", [problem("/inputs/model", fault, "Model")])
            path = f"/deployments/{quote(model, safe='')}{path}"
        return f"{self.base}{self.surface}{path}?api-version={self.dated}"

    def model_fault(self, model: str) -> str | None:
        """Return why no request can name this model, None where one can. On the dated surface it
        is a part of the path, elsewhere of the body, which holds any text."""
        if self.dated is not None and target.segment_fault(model):
            return "is not the name of a deployment"
        return None if is_encodable(model) else UNPAIRED

    def _needs_preview(self, path: str) -> bool:
        return self.deploys and path in _PREVIEW_ON_V1

    def raw_url(self, url: str, query: Sequence[tuple[str, str]]) -> str:
        """Return the address of a caller's own path, already checked, with `query` added."""
        path, _, inline = url.partition("?")
        if self.deploys and (path == "/v1" or path.startswith("/v1/")):
            path = "/openai" + path
        pairs = list(query)
        given = [*parse_qsl(inline, keep_blank_values=True), *pairs]
        named = any(key.lower() == "api-version" for key, _ in given)
        if self.deploys and not named:
            pairs += self._own_version(path)
        path = quote(path, safe="/%:@!$&'()*+,;=~-._")
        inline = quote(inline, safe="/%:@!$&'()*+,;=~-._?[]")
        more = urlencode(pairs)
        query_text = "&".join(part for part in (inline, more) if part)
        return f"{self.base}{path}" + (f"?{query_text}" if query_text else "")

    def _own_version(self, path: str) -> list[tuple[str, str]]:
        on_v1 = f"{path}/".startswith("/openai/v1/")
        if on_v1:
            neutral = path.removeprefix("/openai/v1")
            version = self.version or ("preview" if self._needs_preview(neutral) else None)
        else:
            version = self.dated if path.startswith("/openai/") else None
        return [("api-version", version)] if version else []

    def failure(
        self, status: int, headers: Mapping[str, str], body: Any, excerpt: str
    ) -> ConnectorError:
        """Return the error of an answer with a status of 300 or more.

        `body` is the parsed answer, None where it was not JSON; `excerpt` its beginning as text.
        """
        found = refusal.read(body)
        message = self.secret.scrub_message(found.message or excerpt or f"HTTP {status}")[:2000]
        meaning = refusal.classify(status, found, message)
        if meaning.code == "unexpected_redirect":
            message = f"The server answered {status} with a redirect, which is never followed."
        should = headers.get("x-should-retry", "").strip().lower()
        retryable = {"true": True, "false": False}.get(should, True if status == 409 else None)
        error = ConnectorError(
            meaning.code,
            message,
            sent="rejected",
            retryable=retryable,
            http_status=status,
            provider_code=self._scrubbed(refusal.name_of(found)),
            provider_param=self._scrubbed(found.param),
            hint=self._hint(meaning),
        )
        error.final = should == "false"
        return error

    def _scrubbed(self, text: str | None) -> str | None:
        return None if text is None else self.secret.scrub_message(text)[:200]

    def _hint(self, meaning: Meaning) -> str | None:
        code, about = meaning
        if code == "not_found":
            return _HINTS_NOT_FOUND[self.name, about == "model"]
        return _HINTS.get(("", about)) or _HINTS.get((self.name, code)) or _HINTS.get(("", code))


def provider(fields: Mapping[str, Any]) -> Provider:
    """Return the provider that a connection's cleaned fields name.

    Raises ConnectorError `invalid_connection` or `blocked_target` with the field at fault.
    """
    proxy = fields.get("proxy")
    key = Secret(fields["apiKey"], *_proxy_secrets(proxy or ""))
    try:
        found = _openai(fields, key) if fields.get("isOpenAIKey") else _azure(fields, key)
    except ConnectorError as error:
        _check_proxy(proxy, error)
        raise
    _check_proxy(proxy)
    return found._replace(proxy=Secret(proxy) if proxy else None, ca_file=fields.get("caFile"))


def _check_proxy(address: str | None, other: ConnectorError | None = None) -> None:
    """Refuse an address that is no proxy's, together with what `other` refused before."""
    try:
        if address:
            target.check_proxy(address)
    except ConnectorError as error:
        row = problem("/connection/fields/proxy", error.message, "Proxy")
        if other is None:
            raise refused(error.code, [row]) from None
        raise refused(other.code, [*(other.details or ()), row], other.hint) from None


def _proxy_secrets(proxy: str) -> list[str]:
    """Return the texts of a proxy's address that an answer may quote: itself, and its login."""
    login = proxy.partition("://")[2].rpartition("@")[0]
    plain = unquote(login)
    _, _, password = login.partition(":")
    return [proxy, login, plain, password, unquote(password)]


def lacks(fields: Collection[str]) -> str | None:
    """Return what a kind of connection with these fields lacks to lead to a provider, or None."""
    if "apiKey" not in fields:
        return "must have a field apiKey"
    if not {"endpoint", "organization", "isOpenAIKey"}.intersection(fields):
        return "must have a field endpoint, organization or isOpenAIKey, which leads to a provider"
    return None


def _openai(fields: Mapping[str, Any], key: Secret) -> Provider:
    endpoint = _endpoint(fields.get("endpoint") or _OPENAI)
    if endpoint.query:
        raise _refused("endpoint", "Endpoint", "must not have a query (the part after ?)")
    match = _OPENAI_TAIL.match(endpoint.path)
    headers = {}
    if fields.get("organization"):
        headers["OpenAI-Organization"] = fields["organization"]
    return Provider(
        name="openai",
        endpoint=endpoint,
        base=endpoint.origin + (match["base"] if match else ""),
        surface="/v1",
        headers=headers,
        authorization=("Authorization", "Bearer ", key),
    )


def _azure(fields: Mapping[str, Any], key: Secret) -> Provider:
    endpoint = _endpoint(_azure_address(fields, key))
    match = _AZURE_TAIL.match(endpoint.path)
    query = {name.lower(): value for name, value in parse_qsl(endpoint.query)}
    if set(query) - {"api-version"}:
        raise _refused("endpoint", "Endpoint", "may have no query but api-version")
    if match and match["base"] and _AZURE_HOST.match(endpoint.host):
        # Only gateways have a path before the service's own.
        raise _refused("endpoint", "Endpoint", "is not the address of a resource or a deployment")
    if match and match["inference"]:
        query = {}  # the address of another API of the same resource, with versions of its own
    version = fields.get("apiVersion") or query.get("api-version") or None
    if version and not _DATED.match(version) and version not in ("v1", "preview", "latest"):
        raise _refused("endpoint", "Endpoint", "has an api-version that is no version")
    dated = version if version and _DATED.match(version) else None
    deployment = unquote(match["deployment"] or "") if match else ""
    if deployment and target.segment_fault(deployment):
        raise _refused("endpoint", "Endpoint", "names a deployment that cannot be one")
    return Provider(
        name="azure",
        endpoint=endpoint,
        base=endpoint.origin + (match["base"] if match else ""),
        surface="/openai" if dated else "/openai/v1",
        headers={},
        authorization=("api-key", "", key),
        deploys=True,
        dated=dated,
        version=None if dated else version,
        deployment=deployment or None,
        deployment_api="images" if endpoint.path.endswith("/images/generations") else "chat",
    )


def _azure_address(fields: Mapping[str, Any], key: Secret) -> str:
    if fields.get("endpoint"):
        return str(fields["endpoint"])
    resource = fields.get("organization")
    if not resource:
        hint = "Set Endpoint to the address that the Azure portal shows under Keys and Endpoint."
        if key.reveal().startswith("sk-"):
            hint = "The key looks like one of OpenAI's: set Is OpenAI Key to true. " + hint
        row = problem(
            "/connection/fields/endpoint", "is required for Azure OpenAI Service", "Endpoint"
        )
        raise refused("invalid_connection", [row], hint=hint)
    if not _RESOURCE.match(resource):
        raise _refused("organization", "Organization", "is not the name of an Azure resource")
    return f"https://{resource}.openai.azure.com"


def _endpoint(text: str) -> Endpoint:
    try:
        endpoint = target.parse_endpoint(text)
        if endpoint.path:
            _check_base(endpoint.path)
        return endpoint
    except ConnectorError as error:
        raise _refused("endpoint", "Endpoint", error.message, error.code) from None


def _check_base(path: str) -> None:
    if target.path_fault(path):
        raise ConnectorError("invalid_connection", "has a path that is not plain")


def _refused(
    field: str, label: str, message: str, code: str = "invalid_connection"
) -> ConnectorError:
    return refused(code, [problem(f"/connection/fields/{field}", message, label)])


_HINTS_NOT_FOUND = {
    ("openai", True): "Set Model / Deployment Name to a model that your account can use.",
    ("openai", False): "Check the path, and Endpoint if it is set.",
    ("azure", True): "Set Model / Deployment Name to the name of a deployment of this resource; "
    "a new one takes some minutes to be found.",
    ("azure", False): "Check Endpoint and API Version: the resource has no such path in this "
    "version (blank selects the v1 API).",
}
_HINTS: Mapping[tuple[str, str | None], str] = {
    ("openai", "authentication_failed"): "Check API Key (it begins with sk-) and Organization; "
    "for a key of an Azure resource set Is OpenAI Key to false.",
    ("azure", "authentication_failed"): "Check that API Key belongs to the resource of Endpoint; "
    "for a key that begins with sk- set Is OpenAI Key to true.",
    ("azure", "permission_denied"): "Check the resource's network rules and that it allows keys.",
    ("openai", "permission_denied"): "Check the key's permissions and the country it is used from.",
    ("", "quota_exhausted"): "Add credit or raise the spend limit; waiting does not help.",
    ("", "rate_limited"): "Retry later, lower Concurrency, or ask the provider for a higher limit.",
    ("", "content_filtered"): "Change the text; on Azure the deployment's content filter decides.",
    ("", "length"): "Send a shorter text, or use a model with a larger context.",
    ("", "bad_request"): "Read the message; providerParam names the parameter at fault.",
    ("", "unexpected_redirect"): "Set Endpoint to the address that answers itself.",
}

# Which variables fill which field; the first row whose key is set decides the provider.
_USUAL: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    (
        "AZURE_OPENAI_API_KEY",
        {"isOpenAIKey": False},
        {"endpoint": "AZURE_OPENAI_ENDPOINT", "apiVersion": "OPENAI_API_VERSION"},
    ),
    (
        "OPENAI_API_KEY",
        {"isOpenAIKey": True},
        {"organization": "OPENAI_ORG_ID", "endpoint": "OPENAI_BASE_URL"},
    ),
)


def from_environment(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the connection that the services' usual variables describe, None for none."""
    for key, fixed, others in _USUAL:
        if environment.get(key):
            found = {f: environment[name] for f, name in others.items() if environment.get(name)}
            return {"fields": {"apiKey": environment[key], **fixed, **found}}
    return None


def environment_help() -> str:
    """Return, for a person, the variables that `from_environment` reads."""
    return ", or ".join(f"{key} with {' and '.join(o.values())}" for key, _, o in _USUAL)
