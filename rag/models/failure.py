"""Why a model failed, as one of a few reasons that a visitor may be told. Knows no provider's error classes."""

import math
import time
from collections.abc import Iterator
from email.utils import mktime_tz, parsedate_tz

from rag.errors import ModelUnavailable

_STATUS = {401: "key", 403: "key", 404: "missing", 408: "timeout", 429: "rate", 504: "timeout"}
# Every provider has its own classes for the same few faults; their names agree well enough.
_NAMES = {
    "context": ("ContextTooSmall", "ContextOverflowError"),
    "died": ("ModelDied",),
    "timeout": ("APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"),
    "broken": (
        "RemoteProtocolError", "ReadError", "IncompleteRead", "JSONDecodeError", "UnicodeDecodeError", "SSEError",
        "ResponseTooLarge",
    ),
    "unreachable": ("APIConnectionError", "ConnectError", "ConnectionError", "NetworkError"),
    "memory": ("MemoryError",),
    # What a server reports within a stream has no status.
    "server": ("APIError",),
}  # fmt: skip
_LOST = ("RemoteProtocolError", "ReadError", "ConnectionResetError")
# How servers (OpenAI, vLLM, llama-server, text-generation-inference) say that a prompt is too long for the model.
_TOO_LONG = ("context length", "context_length", "context size", "context window", "must have less than")

ADVICE = {
    "key": "its access key was not accepted: check LACERTA_OPENAI_API_KEY, or the key of its provider.",
    "unreachable": "it cannot be reached: check LACERTA_OPENAI_BASE_URL, and that the server runs.",
    "timeout": "it did not reply in time: check the server, or raise LACERTA_MODEL_TIMEOUT.",
    "rate": "it is receiving too many requests: try again later, or raise the limits of its account.",
    "missing": "the server does not know this model: check the name in LACERTA_MODELS, and LACERTA_OPENAI_BASE_URL,"
    " which ends in /v1 for most servers.",
    "context": "the question does not fit into its context: raise LACERTA_CONTEXT_TOKENS.",
    "memory": "there is not enough memory: name a smaller model in LACERTA_MODELS.",
    "empty": "it wrote nothing, or nothing but reasoning: raise LACERTA_ANSWER_TOKENS if it reasons at length.",
    "broken": "it stopped in the middle, or did not send what a server of its kind sends: check the server, and"
    " LACERTA_OPENAI_BASE_URL.",
}
"""What whoever runs the program can do, by reason."""


def reason(error: BaseException) -> str:
    """`key`, `unreachable`, `timeout`, `rate`, `server`, `missing`, `rejected`, `context`, `memory`, `broken`, `died`,
    `unavailable` or `other`: the `reason_...` message that fits the error or what caused it.

    The chain has two of its own: `empty` and `resting`.
    """
    causes = list(_causes(error))
    for cause in causes:
        names = {base.__name__ for base in type(cause).__mro__}
        if names.intersection(_NAMES["context"]):
            return "context"
        if names.intersection(_NAMES["died"]):
            return "died"
        if isinstance(cause, ModelUnavailable):
            return "unavailable"
        # Clients of providers carry it themselves, those of httpx in their response.
        status = getattr(cause, "status_code", None) or getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int) and status >= 300:
            too_long = status in (400, 413, 422) and any(text in str(cause).lower() for text in _TOO_LONG)
            return "context" if too_long else _STATUS.get(status, "server" if status >= 500 else "rejected")
    names = {base.__name__ for cause in causes for base in type(cause).__mro__}
    return next((reason for reason, known in _NAMES.items() if names.intersection(known)), "other")


def connection_lost(error: BaseException) -> bool:
    """Whether a connection that stood was closed from the other side, with or without a part of the reply."""
    names = {base.__name__ for cause in _causes(error) for base in type(cause).__mro__}
    return not names.isdisjoint(_LOST)


def retry_after(error: BaseException) -> float | None:
    """The seconds after which a server asked to be tried again (RFC 9110, section 10.2.3), None if it did not."""
    for cause in _causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", None)
        if headers is None:
            continue
        for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
            seconds = _seconds(str(headers.get(header) or ""))
            if seconds is not None:
                return max(seconds * unit, 0.0)
    return None


def _seconds(value: str) -> float | None:
    """Seconds from now, written as a number or as a date."""
    try:
        seconds = float(value)
    except ValueError:
        date = parsedate_tz(value)
        try:
            return mktime_tz(date) - time.time() if date else None
        except (ValueError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
