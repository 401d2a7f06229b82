"""Log probabilities of tokens: made up, but the same for the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from connector.sandbox.text import digest


def for_chat(pieces: Sequence[str], top: int, start: int = 0) -> dict[str, Any]:
    """Return the `logprobs` of a chat choice with the tokens `pieces`.

    Each position lists the `top` most likely tokens; `start` is the position of the first.
    """
    return {
        "content": [
            {
                **_entry(*_ranked(piece, at, 1)[0]),
                "top_logprobs": [_entry(*row) for row in _ranked(piece, at, top)],
            }
            for at, piece in enumerate(pieces, start)
        ],
        "refusal": None,
    }


def for_legacy(pieces: Sequence[str], top: int, first_is_prompt: bool) -> dict[str, Any]:
    """Return the `logprobs` of a legacy choice.

    The first token of an echoed prompt has no probability, because nothing precedes it.
    """
    offsets = [0]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    likely: list[float | None] = [_ranked(p, at, 1)[0][1] for at, p in enumerate(pieces)]
    ranked: list[dict[str, float] | None] = [
        dict(_ranked(piece, at, top)) for at, piece in enumerate(pieces)
    ]
    if first_is_prompt and pieces:
        likely[0] = ranked[0] = None
    return {
        "tokens": list(pieces),
        "token_logprobs": likely,
        "top_logprobs": ranked if top else None,
        "text_offset": offsets[:-1],
    }


def _ranked(piece: str, at: int, top: int) -> list[tuple[str, float]]:
    """Return the `top` most likely tokens at a position, starting with the chosen one."""
    chosen = 0.75 + int(digest(piece, str(at))[:4], 16) / 0x4_0000
    rows = [(piece, chosen)]
    # Each further token gets half of what remains, so that the sum stays below 1.
    rows += ((piece + "~" * rank, (1 - chosen) / 2**rank) for rank in range(1, top))
    return [(token, round(math.log(chance), 6)) for token, chance in rows[:top]]


def _entry(token: str, logprob: float) -> dict[str, Any]:
    # JSON allows lone surrogates, which UTF-8 does not.
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }
