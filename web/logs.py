"""The log on standard error: a line for people or a JSON object, with the id of the request it belongs to.

Whatever a logger is told, the key of the settings never reaches a line.
"""

import json
import logging
import re
import sys
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from rag.settings import Settings

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being worked for, empty outside of one."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# These tell at `info` of every request that they send; one of theirs is not one of ours.
_TALKATIVE = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "asyncio", "watchfiles", "gradio", "mcp")
_SHORTEST_SECRET = 4


def request_id(offered: str = "") -> str:
    """The id that a request came with where it is a sane one, else a new one."""
    return offered if _SANE.fullmatch(offered) else uuid.uuid4().hex


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends all loggers of the process to `stream` (standard error), in the form and from the level of the settings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    form = _Json if settings.log == "json" else _Plain
    handler.setFormatter(form(settings.openai_api_key.reveal()))
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    level = getattr(logging, settings.log_level.upper())
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _Formatter(logging.Formatter):
    def __init__(self, secret: str) -> None:
        super().__init__()
        # A word as short as that stands in any text.
        self._secret = secret if len(secret) >= _SHORTEST_SECRET else ""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        values = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
            **({"request_id": REQUEST_ID.get()} if REQUEST_ID.get() else {}),
            **fields,
        }
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return self.line(self._blotted(values))

    def _blotted(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(self._secret, "***") if self._secret else value
        if isinstance(value, Mapping):
            return {self._blotted(key): self._blotted(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._blotted(item) for item in value]
        return value

    def line(self, values: dict[str, Any]) -> str:
        raise NotImplementedError


class _Json(_Formatter):
    def line(self, values: dict[str, Any]) -> str:
        return _escaped(_json(values))


class _Plain(_Formatter):
    def line(self, values: dict[str, Any]) -> str:
        exception = values.pop("exception", "")
        head = " ".join(str(values.pop(name)) for name in ("time", "level", "logger", "message"))
        line = _escaped(" ".join((head, *(f"{name}={_json(value)}" for name, value in values.items()))))
        return "\n".join((line, *map(_escaped, exception.splitlines())))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _escaped(line: str) -> str:
    """The line with what would break it, or speak to a terminal, written out: others' words stand in it."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
