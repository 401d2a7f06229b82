"""The names of models on api.openai.com that the manifest's facts do not list.

Only the names: the manifest says when a model retires.
"""

from __future__ import annotations

import re

# The chat models that the API's description lists; then those for embeddings, moderation,
# images, audio and the legacy API, whose real models have all been retired: `sandbox-instruct`
# replaces them.
KNOWN = frozenset(
    """
    gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5 gpt-5.4 gpt-5.4-mini gpt-5.4-nano
    gpt-5.3-chat-latest gpt-5.2 gpt-5.2-chat-latest gpt-5.1 gpt-5.1-mini gpt-5.1-chat-latest
    gpt-5 gpt-5-mini gpt-5-nano gpt-5-chat-latest gpt-4.1 gpt-4.1-mini gpt-4.1-nano
    gpt-4o gpt-4o-mini gpt-4o-audio-preview gpt-4o-mini-audio-preview gpt-audio gpt-audio-mini
    gpt-4o-search-preview gpt-4o-mini-search-preview chatgpt-4o-latest
    gpt-4-turbo gpt-4-turbo-preview gpt-4 gpt-4-0613 gpt-4-1106-preview gpt-4-0125-preview
    gpt-3.5-turbo gpt-3.5-turbo-1106 gpt-3.5-turbo-0125 o4-mini o3 o3-mini o1
    text-embedding-3-small text-embedding-3-large text-embedding-ada-002
    omni-moderation-latest gpt-image-1 gpt-image-1-mini gpt-image-1.5 gpt-image-2
    gpt-4o-mini-tts tts-1 tts-1-hd whisper-1 gpt-4o-transcribe gpt-4o-mini-transcribe
    gpt-3.5-turbo-instruct sandbox-instruct
    """.split()
)

_FINE_TUNED = re.compile(r"ft:([^:]+):[^:]+:[^:]*:[^:]+")
_SNAPSHOT = re.compile(r"(.+)-(20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))", re.ASCII)
_OLD_SERVER = "-oldserver"


def base(name: str, today: str) -> str:
    """Return the base model of a variant, or the name itself if it is not a variant.

    Variants are fine-tuned models (`ft:BASE:org:name:id`), dated snapshots (`BASE-2024-07-18`, not
    after `today`), and the sandbox's own `BASE-oldserver`.
    """
    tuned = _FINE_TUNED.fullmatch(name)
    name = (tuned[1] if tuned else name).removesuffix(_OLD_SERVER)
    snapshot = _SNAPSHOT.fullmatch(name)
    return snapshot[1] if snapshot and snapshot[2] <= today else name
