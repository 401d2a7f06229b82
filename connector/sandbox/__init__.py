"""The sandbox: an offline provider that speaks the OpenAI and Azure OpenAI APIs on loopback.

Use it to build and test without a network, a key or a bill. It serves real HTTP and rejects what
the real services reject. It runs no model: a reply describes the request that was received.
The same request always gets the same response, and the date is always 2026-11-01.

Connections
-----------

============  =====================================================================
kind          paths and authentication
============  =====================================================================
openai        `/v1/…`, `Authorization: Bearer`
azure         `/openai/v1/…`, `api-key` (or Bearer); images with `api-version=preview`
azure-dated   `/openai/deployments/NAME/…?api-version=…`, `api-key`
echo          `/echo/…`, the key in any header: for connectors to other services
============  =====================================================================

Routes: chat completions, legacy completions (not on `/openai/v1`), image generations and edits,
embeddings, speech, transcriptions, moderations (only on `/v1`), the list of models and each
model; on both v1 surfaces also responses, `POST files` and `GET files/ID/content`.

A response in the background is `queued` until it is first looked at. Its ID holds it, so that the
sandbox keeps nothing.

Below `/echo` every path answers with the request itself: `{"method", "path", "query", "headers",
"body"}`.

It serves the hosts `localhost`, `*.localhost` and loopback addresses only (421 for others), so that
no web page can reach it through its own host name. `Sandbox.requests` lists what was received:
the latest 10,000 requests, up to 64 MiB in total; the command `connector sandbox` keeps none.

Models
------

On Azure every name is accepted as the name of a deployment. On OpenAI a model exists if the
manifest's model facts or the API's description list it; so do its dated snapshots
(`gpt-4o-2024-08-06`), its fine-tuned versions (`ft:gpt-4o-mini:my-org::id`) and its name with
`-oldserver`. Any other model is 404. All real models of the legacy API have been retired; use
`sandbox-instruct` instead.

Names that fail on purpose
--------------------------

========================================================  =====================================
if the name contains                                      the response is
========================================================  =====================================
key: `wrong`, `invalid`, `bad`, `revoked`                 401
key: `forbidden`                                          403
key: `noquota`                                            429 insufficient_quota on every POST
key without `sk-` (OpenAI), with it (Azure)               401
organization: `wrong` (OpenAI)                            401
model: `missing`, `nonexistent`, `unknown`, `wrong`       404 model_not_found, DeploymentNotFound
model: `oldserver` (OpenAI: `gpt-4o-oldserver`)           `max_completion_tokens` is refused
model that the facts list as retired (OpenAI)             404 model_not_found
========================================================  =====================================

The model's facts say which API serves it. Without them, the name decides: `instruct`, `davinci` and
`babbage` are served by legacy completions, `image` and `dall-e` by images, `embedding` by
embeddings, `tts` by speech, `whisper` and `transcribe` by transcriptions, all others by chat.
A moderation flags the texts that contain `sandbox:filter`.
If a system message contains "summar", the reply is a summary: the first twelve words.

Tools
-----

If `tool_choice` is absent or `auto`, the reply is text, unless the last message is from the user
and contains `sandbox:call-tool NAME`: then the model calls that tool, if the request offers it.
Several such marks make parallel calls. With `required` and no mark, it calls the first tool.
The arguments match the function's parameters and repeat the message. A custom tool gets the message
as its input.

Limits
------

With `requests_per_minute` or `tokens_per_minute` it answers 429 to what exceeds them, on all
surfaces together, and its `x-ratelimit-…` headers say what is left. Each limit refills
continuously, up to that of one minute. `minute` shortens the minute. Without limits it enforces
none, and the headers state high ones.

Faults
------

Name a fault in the header `x-sandbox-fault: NAME[:COUNT]`, at the start of the path
(`/fault/NAME[:COUNT]/v1/models`, so that an endpoint can contain it), or in the last message or the
prompt (`sandbox:NAME[:COUNT]`). With a count, only the first COUNT such requests fail. `FAULTS`
lists the names and what each does.
"""

from __future__ import annotations

from connector.sandbox.faults import FAULTS
from connector.sandbox.request_log import Received
from connector.sandbox.responses import KINDS
from connector.sandbox.server import Sandbox

__all__ = ["FAULTS", "KINDS", "Received", "Sandbox"]
