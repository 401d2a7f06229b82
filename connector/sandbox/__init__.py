"""The sandbox: an offline provider that speaks the OpenAI and Azure OpenAI APIs on loopback.

It lets you build and test without a network, a key or a bill. It answers over real HTTP, and it
refuses what the real services refuse. It understands nothing: a reply says what was received.
The same request always gets the same answer, and the day is always 2026-11-01.

Connections
-----------

============  =====================================================================
kind          what it speaks
============  =====================================================================
openai        `/v1/…`, `Authorization: Bearer`
azure         `/openai/v1/…`, `api-key` (or Bearer); images with `api-version=preview`
azure-dated   `/openai/deployments/NAME/…?api-version=…`, `api-key`
============  =====================================================================

Routes: chat completions, legacy completions (not on `/openai/v1`), image generations, embeddings,
the list of models and each model; on both v1 surfaces also `POST files` and
`GET files/ID/content`.

It answers to the hosts `localhost`, `*.localhost` and loopback addresses only (421 elsewhere), so
that no web page can reach it by a name of its own. `Sandbox.requests` has what was received: the
latest 10,000 requests, 64 MiB of them at most; the command `connector sandbox` keeps none.

Models
------

On Azure every name is one of a deployment. On OpenAI a model exists where the facts mention it, or
where it is one of the names that the API's description lists; also as a dated snapshot of it
(`gpt-4o-2024-08-06`), fine-tuned (`ft:gpt-4o-mini:my-org::id`) or `-oldserver`. Anything else is
404. The models of the legacy API have all retired: `sandbox-instruct` stands in for them.

Names that fail on purpose
--------------------------

========================================================  =====================================
a part of the name                                        what happens
========================================================  =====================================
key: `wrong`, `invalid`, `bad`, `revoked`                 401
key: `forbidden`                                          403
key: `noquota`                                            429 insufficient_quota on every POST
key without `sk-` (OpenAI), with it (Azure)               401
organization: `wrong` (OpenAI)                            401
model: `missing`, `nonexistent`, `unknown`, `wrong`       404 model_not_found, DeploymentNotFound
model: `oldserver` (OpenAI: `gpt-4o-oldserver`)           `max_completion_tokens` is refused
model that the facts call retired (OpenAI)                404 model_not_found
========================================================  =====================================

Names that choose an API: `instruct`, `davinci`, `babbage` are served by legacy completions,
`image` and `dall-e` by images, `embedding` by embeddings, all else by chat; facts go first.
A system message with "summar" in it gets a summary: the first twelve words.

Tools
-----

With `tool_choice` absent or `auto` the model answers with a text, unless the last message is a
user's that says `sandbox:call-tool NAME`: then it calls that tool, where the request offers it.
Several such marks make parallel calls. `required` calls the first tool where nothing is said.
Arguments fit the function's parameters and repeat the message; so does the input of a custom tool.

Faults
------

Name a fault in the header `x-sandbox-fault: NAME[:COUNT]`, in the path before everything else
(`/fault/NAME[:COUNT]/v1/models`, so an endpoint can carry it), or in the last message or the
prompt (`sandbox:NAME[:COUNT]`). With a count only the first COUNT such requests fail. `FAULTS`
lists the names and what each does.
"""

from __future__ import annotations

from connector.sandbox.answers import KINDS
from connector.sandbox.faults import FAULTS
from connector.sandbox.received import Received
from connector.sandbox.server import Sandbox

__all__ = ["FAULTS", "KINDS", "Received", "Sandbox"]
