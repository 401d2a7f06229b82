"""The provider that a connection leads to: its address, its paths, the meaning of its errors."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from connector.errors import ConnectorError
from connector.problems import error_of, problem
from connector.providers import error_body, paths
from connector.providers.endpoint import Endpoint
from connector.providers.error_table import Meaning
from connector.text.secrets import Secret
from connector.text.strict_json import UNPAIRED, is_encodable

OPENAI_HOST = "api.openai.com"
"""OpenAI's own host. Those for a region have other prices."""

LATEST_DATED = "2024-10-21"
"""The last dated version that is generally available; no later one is expected."""

_PREVIEW_ON_V1 = (
    "/images/generations",
    "/images/edits",
    "/audio/speech",
    "/audio/transcriptions",
)
"""Azure's v1 surface serves these only with `api-version=preview` (Microsoft's v1 reference)."""

_ONLY_ON_V1 = ("/responses",)
"""Azure serves these on its v1 surface only (Microsoft's guide to the Responses API), which every
resource has, whatever version a connection names."""
_PREVIEW_DATED = "2025-04-01-preview"
"""The last dated preview version."""

_PREVIEW_ON_DATED = ("/images/edits", "/audio/speech")
"""No dated version that is generally available has these."""

DEPLOYMENT_APIS = {
    "/images/generations": "images",
    "/images/edits": "images",
    "/audio/speech": "speech",
    "/audio/transcriptions": "transcriptions",
    "/embeddings": "embeddings",
}
"""The APIs of deployments by the path that they are called at; all others serve chat."""


class Provider(NamedTuple):
    """The provider that one connection leads to.

    `surface` precedes neutral paths. `headers` are sent with each request. `key_header` is the
    header that a key is sent in, and the text before the key. `uses_deployment_names` means that
    models are named by their deployments, so that the name says nothing about the model. `dated` is
    the version of the dated surface, None on the v1 surface and on OpenAI. `deployment` is the one
    in a pasted address, `deployment_api` what it serves, as in a model's facts. `proxy` is None for
    no proxy, `ca_file` is None for the usual authorities.
    """

    name: str
    endpoint: Endpoint
    base: str
    surface: str
    headers: Mapping[str, str]
    key_header: tuple[str, str]
    uses_deployment_names: bool = False
    dated: str | None = None
    version: str | None = None
    deployment: str | None = None
    deployment_api: str = "chat"
    proxy: Secret | None = None
    ca_file: str | None = None

    @property
    def is_service_itself(self) -> bool:
        """Whether it is the vendor's own service, and no gateway or compatible server."""
        return self.name == "openai" and self.endpoint.host == OPENAI_HOST

    @property
    def legacy(self) -> bool:
        """Whether the surface has the legacy completions API."""
        return not self.uses_deployment_names or self.dated is not None

    def url(self, path: str, model: str | None = None) -> str:
        """Return the URL of a neutral path; `model` is the model that the request is about."""
        if self.dated is not None and path.startswith(_ONLY_ON_V1):
            return f"{self.base}/openai/v1{path}"
        if self.dated is None:
            version = self.version or ("preview" if self._needs_preview(path) else None)
            return f"{self.base}{self.surface}{path}" + (
                f"?api-version={version}" if version else ""
            )
        neutral = path
        if model is not None:
            if fault := self.model_fault(model):
                raise error_of("invalid_input", [problem("/inputs/model", fault, "Model")])
            path = f"/deployments/{quote(model, safe='')}{path}"
        return f"{self.base}{self.surface}{path}?api-version={self._dated_for(neutral)}"

    def _dated_for(self, path: str) -> str | None:
        if path in _PREVIEW_ON_DATED and not str(self.dated).endswith("-preview"):
            return _PREVIEW_DATED
        return self.dated

    def model_fault(self, model: str) -> str | None:
        """Return why no request can name this model, None if one can.

        On the dated surface it is part of the path, elsewhere of the body, which can hold any text.
        """
        if self.dated is not None and paths.segment_fault(model):
            return "is not the name of a deployment"
        return None if is_encodable(model) else UNPAIRED

    def _needs_preview(self, path: str) -> bool:
        return self.uses_deployment_names and path in _PREVIEW_ON_V1

    def raw_url(self, url: str, query: Sequence[tuple[str, str]]) -> str:
        """Return the URL of a caller's own path, which was checked before, with `query` added."""
        path, _, inline = url.partition("?")
        if self.uses_deployment_names and (path == "/v1" or path.startswith("/v1/")):
            path = "/openai" + path
        pairs = list(query)
        given = [*parse_qsl(inline, keep_blank_values=True), *pairs]
        named = any(key.lower() == "api-version" for key, _ in given)
        if self.uses_deployment_names and not named:
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

    def error(
        self, status: int, headers: Mapping[str, str], body: Any, excerpt: str, secret: Secret
    ) -> ConnectorError:
        """Return the error of a response with a status of 300 or more.

        `body` is the parsed body, None if it was not JSON; `excerpt` is its beginning as text. All
        parts of the error are masked with `secret`.
        """

        def masked(text: str | None) -> str | None:
            return None if text is None else secret.scrub_message(text)[:200]

        found = error_body.read(body)
        message = secret.scrub_message(found.message or excerpt or f"HTTP {status}")[:2000]
        meaning = error_body.classify(status, found, message)
        if meaning.code == "unexpected_redirect":
            message = f"The server sent a redirect (status {status}), which is never followed."
        should = headers.get("x-should-retry", "").strip().lower()
        retryable = {"true": True, "false": False}.get(should, True if status == 409 else None)
        error = ConnectorError(
            meaning.code,
            message,
            sent="rejected",
            retryable=retryable,
            http_status=status,
            provider_code=masked(error_body.name_of(found)),
            provider_param=masked(found.param),
            hint=self._hint(meaning),
        )
        error.final = should == "false"
        return error

    def _hint(self, meaning: Meaning) -> str | None:
        code, about = meaning
        if code == "not_found":
            return _HINTS_NOT_FOUND.get((self.name, about == "model"), _HINT_NOT_FOUND)
        return _HINTS.get(("", about)) or _HINTS.get((self.name, code)) or _HINTS.get(("", code))


_HINT_NOT_FOUND = "Check the path, and the address of the connection."
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
    (
        "",
        "unexpected_redirect",
    ): "Set Endpoint to the address of the API itself, which does not redirect.",
}
