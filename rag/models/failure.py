"""Why a model failed, as one of a few reasons that a visitor may be told. Knows no provider's error classes."""

from collections.abc import Iterator

from rag.errors import ModelUnavailable
from rag.prompt import ContextTooSmall

_STATUS = {401: "key", 403: "key", 404: "missing", 408: "timeout", 429: "rate", 504: "timeout"}
# Every provider has its own classes for the same few faults; their names agree well enough.
_NAMES = {
    "timeout": ("APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"),
    "broken": ("RemoteProtocolError", "ReadError", "IncompleteRead", "JSONDecodeError"),
    "unreachable": ("APIConnectionError", "ConnectError", "ConnectionError", "NetworkError"),
    "memory": ("MemoryError",),
}

ADVICE = {
    "key": "its access key was not accepted: check LACERTA_OPENAI_API_KEY, or the key of its provider.",
    "unreachable": "it cannot be reached: check LACERTA_OPENAI_BASE_URL, and that the server runs.",
    "timeout": "it did not reply in time: check the server, or raise LACERTA_MODEL_TIMEOUT.",
    "rate": "it is receiving too many requests: try again later, or raise the limits of its account.",
    "missing": "the server does not know this model: check the name in LACERTA_MODELS.",
    "context": "the question does not fit into its context: raise LACERTA_CONTEXT_TOKENS.",
    "memory": "there is not enough memory: name a smaller model in LACERTA_MODELS.",
}
"""What whoever runs the program can do, by reason."""


def reason(error: BaseException) -> str:
    """`key`, `unreachable`, `timeout`, `rate`, `server`, `missing`, `rejected`, `context`, `memory`, `broken`,
    `unavailable` or `other`: the `reason_...` message that fits the error or what caused it."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ContextTooSmall):
            return "context"
        if isinstance(cause, ModelUnavailable):
            return "unavailable"
        status = getattr(cause, "status_code", None)
        if isinstance(status, int) and status >= 400:
            return _STATUS.get(status, "server" if status >= 500 else "rejected")
    names = {base.__name__ for cause in chain for base in type(cause).__mro__}
    return next((reason for reason, known in _NAMES.items() if names.intersection(known)), "other")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
