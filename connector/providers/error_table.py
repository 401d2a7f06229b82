"""The codes and sentences of error responses: of the services, and of the servers and gateways
that imitate them.

Every repetition in a pattern is bounded, so that no message takes long to match.
"""

from collections.abc import Mapping
from typing import NamedTuple

from connector.errors import ErrorCode


class Meaning(NamedTuple):
    """The error code for an error response. `about` is the subject, if known: `length` (of the
    text) or `model`."""

    code: ErrorCode
    about: str | None = None


LENGTH = Meaning("bad_request", "length")
MODEL = Meaning("not_found", "model")
FILTERED = Meaning("content_filtered")
QUOTA = Meaning("quota_exhausted")

# Codes, types and names of exceptions, in lower case, for any status except 401 and 407.
BY_NAME = {
    name: meaning
    for meaning, names in (
        (
            QUOTA,
            "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
            "project_spend_limit_exceeded organization_usage_limit_exceeded "
            "billing_hard_limit_reached budget_exceeded budgetexceedederror",
        ),
        (
            FILTERED,
            "content_filter contentfilter content_policy_violation moderation_blocked "
            "responsibleaipolicyviolation contentpolicyviolationerror data_inspection_failed "
            "datainspectionfailed",
        ),
        (
            MODEL,
            "deploymentnotfound model_not_found invalid_model unknown_model model_not_available "
            "model_not_supported model_decommissioned",
        ),
        (
            LENGTH,
            "context_length_exceeded contextwindowexceedederror exceed_context_size_error "
            "model_max_prompt_tokens_exceeded",
        ),
    )
    for name in names.split()
}
BY_STATUS: Mapping[int, ErrorCode] = {
    401: "authentication_failed",
    402: "quota_exhausted",
    403: "permission_denied",
    404: "not_found",
    407: "permission_denied",
    408: "timeout",
    410: "not_found",
    429: "rate_limited",
    451: "permission_denied",
}

# What gateways put before the message that they forward: the name of an exception, a status, a
# route, or the start of the JSON that contained the message.
WRAPPER = (
    r"(?:litellm\.)?([A-Z][A-Za-z]{1,60}(?:Error|Exception))(?::| -) {0,2}"
    r"|(?:Error code: )?[1-5][0-9]{2}(?::| -) {0,2}"
    r"|/[a-z0-9/_-]{1,60}: "
    r"|(?:b?[\"'])?\{[\"']error[\"']: ?[\"']"
    r"|(?:b?[\"'])?\{[^\n]{0,200}?[\"']message[\"']: ?[\"']"
)
MOST_WRAPPERS = 12

# How messages start, in upper or lower case, for these statuses.
SENTENCES = (
    (
        (400, 404, 422),
        LENGTH,
        (
            r"(?:this|the) (?:model|endpoint)'s maximum (?:context|prompt|input) length is ",
            r"'max_tokens' or 'max_completion_tokens' is too large: [0-9]{1,12}\. this model's max",
            r"max_tokens must be at least 1, got -",
            r"your input exceeds the context window of this model",
            r"input tokens exceed the configured limit",
            r"requested token count exceeds the model's maximum context length",
            r"the input \([0-9]{1,12} tokens\) is longer than the model's context",
            r"the input length exceeds the context",
            r"(?:the )?prompt is too long",
            r"prompt too long; exceeded",
            r"prompt exceeds max length",
            r"input length and `max_tokens` exceed context limit",
            r"the input token count (?:\([0-9]{1,12}\) )?exceeds the maximum number of tokens",
            r"please reduce the length of the messages",
            r"prompt contains [0-9]{1,12} tokens[^\n]{0,60}?, too large for model with",
            r"(?:the )?request (?:\([0-9]{1,12} tokens\) )?exceeds the available context size",
            r"(?:the number of )?tokens to keep from the initial prompt is greater than the con",
            r"trying to keep the first [0-9]{1,12} tokens when context",
            r"input is too long for requested model",
            r"too many input tokens",
            r"too many tokens: ",
            r"(?:invalid request: )?your request exceeded model token limit",
            r"invalid params, context window exceeds limit",
            r"(?:<400> [a-z.]{1,60}: )?range of input length should be",
            r"prompt token count of [0-9]{1,12} exceeds the limit",
            r"(?:input validation error: )?`inputs` (?:tokens \+ `max_new_tokens` )?must ",
            r"the (?:decoder |encoder )?prompt \(length [0-9]{1,12}\) is longer than the maximum",
            r"input prompt \([0-9]{1,12} tokens\) is too long",
            r"requested tokens \([0-9]{1,12}\) exceed context window",
            r"prompt has [0-9,]{1,12} tokens, but the configured context size is",
            r"current length is [0-9]{1,12} while limit is",
            r"invalid '(?:messages\[[0-9]{1,6}\]\.content|prompt|input)': string too long",
        ),
    ),
    (
        (400, 404, 422),
        MODEL,
        (
            r"invalid model name passed in",
            r"you passed in model=",
            r"llm provider not provided",
            r"invalid model(?: identifier| name| id)?(?::| ?[\"'`]|\.|\Z)",
            r"unknown model\b",
            r"(?:the )?model (?:[\"'`][^\n\"'`]{1,300}[\"'`]|[^ \n]{1,300}) "
            r"(?:does not exist|(?:is |was )?not found|has been decommissioned)",
            r"model (?:not found|not exist|does not exist)",
            r"model: [^ \n]{1,300}\Z",
            r"models/[^ \n]{1,300} is not found for api version",
            r"unable to access model ",
            r"[^ \n]{1,300} is not a valid model id",
            r"no endpoints found for ",
            r"the provided model identifier is invalid",
        ),
    ),
    (
        (400, 403, 422),
        FILTERED,
        (
            r"the response was filtered due to the prompt triggering",
            r"your (?:request was rejected|task failed) as a result of our safety system",
            r"your prompt may contain text that is not allowed by our safety system",
            r"this request has been blocked by our content filters",
            r"invalid prompt: your prompt was flagged",
            r"content exists risk",
            r"the request was rejected because it was considered high risk",
        ),
    ),
    (
        (400, 402, 403, 429),
        QUOTA,
        (
            r"your credit balance is too low",
            r"insufficient balance",
            r"budget has been exceeded",
        ),
    ),
)
