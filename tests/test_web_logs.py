import io
import json
import logging
from dataclasses import replace

import pytest

from rag.errors import ConfigurationError
from rag.settings import Secret, Settings
from web.logs import REQUEST_ID, configure, request_id

KEY = "sk-very-secret-key"


@pytest.fixture
def written(monkeypatch):
    """Configures the log as settings say and returns what it is written to; afterwards the log is as it was."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level

    def begin(**changes) -> io.StringIO:
        stream = io.StringIO()
        configure(replace(Settings(), openai_api_key=Secret(KEY), **changes), stream)
        return stream

    yield begin
    root.handlers[:], root.level = kept


def test_plain_lines_are_for_people(written) -> None:
    log = written()
    logging.getLogger("rag.some").warning("%s is missing", "a file", extra={"fields": {"domain": "space", "count": 2}})
    logging.getLogger("rag.some").info("not shown")
    [line] = log.getvalue().splitlines()
    assert line.endswith(' warning rag.some a file is missing domain="space" count=2') and line[10] == "T"


def test_json_lines_are_for_programs(written) -> None:
    log = written(log="json", log_level="info")
    token = REQUEST_ID.set("abc")
    logging.getLogger("rag.some").info("kész", extra={"fields": {"seconds": 0.5}})
    REQUEST_ID.reset(token)
    values = json.loads(log.getvalue())
    assert values.pop("time").endswith("Z")
    assert values == {"level": "info", "logger": "rag.some", "message": "kész", "request_id": "abc", "seconds": 0.5}


@pytest.mark.parametrize("form", ["plain", "json"])
def test_what_others_wrote_begins_no_line_of_its_own(written, form) -> None:
    log = written(log=form)
    logging.getLogger("x").warning("one\ntwo\u2028three\r\x1b[2J")
    assert len(log.getvalue().splitlines()) == 1 and "\x1b" not in log.getvalue()


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_key_never_reaches_a_line(written, form) -> None:
    log = written(log=form)
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError:
        logging.getLogger("x").exception("with %s", KEY, extra={"fields": {"list": [KEY], "nested": {KEY: KEY}}})
    assert KEY not in log.getvalue() and "***" in log.getvalue() and "ValueError" in log.getvalue()


def test_libraries_that_talk_of_every_request_are_silent_at_info(written) -> None:
    log = written(log_level="info")
    logging.getLogger("httpx").info("HTTP Request: POST https://example.org")
    assert log.getvalue() == ""


def test_ids_are_kept_where_they_are_sane() -> None:
    assert request_id("order-66.a_B") == "order-66.a_B"
    assert request_id("x" * 64) == "x" * 64
    for odd in ("", "x" * 65, "a b", "a\n", "é", "<i>"):
        assert request_id(odd) != odd and len(request_id(odd)) == 32
    assert request_id() != request_id()


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("LACERTA_LOG", "xml", "plain, json"),
        ("LACERTA_LOG_LEVEL", "loud", "debug, info"),
        ("LACERTA_LOG_QUESTIONS", "maybe", "true or false"),
        ("LACERTA_STOP_SECONDS", "-1", "between 0 and 3600"),
        ("LACERTA_STOP_SECONDS", "nan", "between 0 and 3600"),
    ],
)
def test_a_wrong_setting_is_named(variable, value, named) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable}.*{named}"):
        Settings.from_environment({variable: value})
