from email.utils import formatdate
from time import time

import pytest

from rag.errors import ModelUnavailable
from rag.models.failure import reason, retry_after
from rag.prompt import ContextTooSmall


class Response:
    status_code: int | None = None

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class StatusError(Exception):
    def __init__(self, status_code: int, text: str = "", **headers: str) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.response = Response(**headers)


class HTTPStatusError(Exception):
    """As httpx has it."""

    def __init__(self, status_code: int) -> None:
        super().__init__()
        self.response = Response()
        self.response.status_code = status_code


class ModelDied(ModelUnavailable):
    pass


class ConnectTimeout(TimeoutError):
    pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StatusError(401), "key"),
        (StatusError(403), "key"),
        (StatusError(404), "missing"),
        (StatusError(408), "timeout"),
        (StatusError(429), "rate"),
        (StatusError(400), "rejected"),
        (StatusError(307), "rejected"),
        (StatusError(500), "server"),
        (StatusError(529), "server"),
        (StatusError(504), "timeout"),
        (StatusError(400, "This model's maximum context length is 4096 tokens"), "context"),
        (StatusError(400, "the request exceeds the available context size"), "context"),
        (StatusError(401, "context length"), "key"),
        (HTTPStatusError(429), "rate"),
        (ContextTooSmall("no"), "context"),
        (ModelUnavailable("no"), "unavailable"),
        (ModelDied("no"), "died"),
        (MemoryError(), "memory"),
        (ConnectTimeout(), "timeout"),
        (ConnectionRefusedError(), "unreachable"),
        (ConnectionResetError(), "unreachable"),
        (ValueError(), "other"),
    ],
)
def test_each_error_has_a_reason(error, expected):
    assert reason(error) == expected


def test_reasons_look_through_the_causes():
    try:
        try:
            raise TimeoutError
        except TimeoutError as cause:
            raise RuntimeError("wrapped") from cause
    except RuntimeError as error:
        assert reason(error) == "timeout"


def test_errors_that_cause_each_other_end():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert reason(first) == "other" and retry_after(first) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1" * 400}, None),
        ({"retry_after": "Fri, 99 Foo 99999 99:99:99 GMT"}, None),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after_ms": "x", "retry_after": "9"}, 9.0),
    ],
)
def test_the_pause_that_a_server_asks_for(headers, seconds):
    error = RuntimeError()
    error.__cause__ = StatusError(429, **headers)
    assert retry_after(error) == seconds


def test_the_pause_may_be_a_date():
    pause = retry_after(StatusError(429, retry_after=formatdate(time() + 100, usegmt=True)))
    assert pause is not None and 50 < pause <= 100
    assert retry_after(StatusError(429, retry_after="Thu, 01 Jan 1970 00:00:00 GMT")) == 0.0
