"""What is counted and logged of real questions, put to the whole server on loopback."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rag.answer import Engine
from rag.models import ChatModel, estimate_tokens
from rag.types import Question, Retrieved, Usage
from tests.doubles import ScriptedChat
from tests.test_answer import ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web.front import route_of
from web.logs import configure
from web.metrics import Metrics
from web.observe import observe
from web.server import create
from web.stopping import Flow

QUESTION = "How long does the internship last?"
REPLY = "The internship lasts six weeks. [1]"


@pytest.fixture(scope="module")
def place(ground) -> Iterator[Any]:  # noqa: F811
    """A server whose first model is scripted: its client, model and log."""
    settings = replace(ground, models=("openai:scripted",), log="json", log_level="info", cached_answers=0)
    engine = Engine(settings)
    chat = ScriptedChat(replies=[], calls=[])
    engine._models._models["openai:scripted"] = ChatModel("openai:scripted", chat, 3000, estimate_tokens)
    engine.warm_up()
    handlers, level, written = logging.getLogger().handlers[:], logging.getLogger().level, io.StringIO()
    configure(settings, written)
    with served(create(engine)) as client:
        yield SimpleNamespace(client=client, chat=chat, log=written, engine=engine)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    engine.close()


def values(text: str) -> dict[tuple[str, ...], float]:
    """Each series as its name and `label=value` pairs."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counted(place, do) -> dict[tuple[str, ...], float]:
    """The series that `do` changed, with the difference."""
    before = values(place.client.get("/metrics").text)
    do()
    after = values(place.client.get("/metrics").text)
    return {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}


def ask(place, *replies: Any, text: str = QUESTION, domain: str = "guide", **headers: str) -> Any:
    # One that failed before would rest.
    place.engine._chain._breaker.succeeded("openai:scripted")
    place.chat.replies[:] = list(replies)
    body = {"model": domain, "messages": [{"role": "user", "content": text}]}
    return place.client.post("/v1/chat/completions", json=body, headers=headers)


def test_an_answer_is_counted_by_domain_model_and_stage(place) -> None:
    found = counted(place, lambda: ask(place, REPLY))
    assert found[("lacerta_questions_total", "domain=guide", "language=en", "outcome=answered")] == 1
    assert found[("lacerta_answers_total", "model=openai:scripted")] == 1
    assert found[("lacerta_first_token_seconds_count", "domain=guide")] == 1
    assert found[("lacerta_answer_seconds_count", "domain=guide")] == 1
    assert found[("lacerta_stage_seconds_count", "stage=retrieval")] == 1
    route = ("method=POST", "route=/v1/chat/completions", "status=200")
    assert found[("lacerta_requests_total", *route)] == 1


def test_a_refusal_is_none_of_the_answers(place) -> None:
    found = counted(place, lambda: ask(place, text="Who won the football championship yesterday?"))
    assert found[("lacerta_questions_total", "domain=guide", "language=en", "outcome=refused")] == 1
    assert not any(key[0] == "lacerta_answers_total" for key in found)


def test_a_model_that_fails_is_counted_with_its_reason(place) -> None:
    found = counted(place, lambda: ask(place, ConnectionError("no"), ConnectionError("no")))
    failures = {key: value for key, value in found.items() if key[0] == "lacerta_model_failures_total"}
    assert failures == {("lacerta_model_failures_total", "model=openai:scripted", "reason=unreachable"): 1}
    assert found[("lacerta_answers_total", "model=extractive")] == 1


def test_a_search_and_the_page_are_counted(place) -> None:
    def look() -> None:
        place.client.post("/v1/search", json={"domain": "guide", "query": "internship"})
        place.client.get("/en/")
        place.client.get("/nowhere/" + "x" * 50)

    found = counted(place, look)
    assert found[("lacerta_searches_total", "domain=guide", "outcome=found")] == 1
    assert found[("lacerta_requests_total", "method=GET", "route=/{language}/", "status=200")] == 1
    assert found[("lacerta_requests_total", "method=GET", "route=other", "status=404")] == 1


def test_the_index_that_serves_is_told(place) -> None:
    found = values(place.client.get("/metrics").text)
    assert found[("lacerta_index_ready", "domain=guide")] == 1
    assert found[("lacerta_index_chunks", "domain=guide")] == 5
    assert found[("lacerta_index_info", "domain=guide", "version=1")] == 1
    # 2026-01-01T00:00:00Z
    assert found[("lacerta_index_created_timestamp_seconds", "domain=guide")] == 1767225600
    assert found[("process_resident_memory_bytes",)] > 1e6


def test_no_text_of_a_visitor_is_counted_or_logged(place) -> None:
    secret = "zebra-crossing-4711"
    ask(place, REPLY, text=f"How long does the internship last, {secret}?", domain="guide")
    ask(place, text=secret, domain=secret)
    place.client.get(f"/en/?q={secret}")
    place.client.get(f"/{secret}")
    assert secret not in place.client.get("/metrics").text
    assert secret not in place.log.getvalue()


def test_a_request_has_an_id_that_its_log_lines_carry(place) -> None:
    sane = ask(place, REPLY, **{"X-Request-Id": "order-66.a"})
    assert sane.headers.get_list("x-request-id") == ["order-66.a"]
    lines = [json.loads(line) for line in place.log.getvalue().splitlines()]
    mine = {line["logger"]: line for line in lines if line.get("request_id") == "order-66.a"}
    assert mine.keys() == {"lacerta.answer", "lacerta.request"}
    answer = mine["lacerta.answer"]
    assert (answer["domain"], answer["language"], answer["outcome"]) == ("guide", "en", "answered")
    assert answer["model"] == "openai:scripted" and answer["timings"]["total"] > 0
    assert mine["lacerta.request"]["route"] == "/v1/chat/completions" and mine["lacerta.request"]["status"] == 200


@pytest.mark.parametrize("offered", ["", "a" * 65, "two words", "x\tz", "<b>", "a;b=c", "é"])
def test_an_id_that_is_not_sane_is_replaced(place, offered) -> None:
    given = place.client.get("/healthz", headers=[(b"X-Request-Id", offered.encode())]).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", given)


def test_the_page_carries_the_id_of_its_request(place) -> None:
    place.chat.replies[:] = [REPLY]
    config = place.client.get("/en/config").json()
    asking = next(item for item in config["dependencies"] if len(item["inputs"]) == 3)
    session = {"session_hash": "visitor1", "fn_index": asking["id"]}
    domain = "guide"
    joined = place.client.post(
        "/en/gradio_api/queue/join",
        json={"data": [QUESTION, domain, None], **session},
        headers={"X-Request-Id": "from-the-page"},
    )
    assert joined.status_code == 200
    with place.client.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": "visitor1"}) as events:
        assert any("process_completed" in line for line in events.iter_lines())
    lines = [json.loads(line) for line in place.log.getvalue().splitlines()]
    mine = [line for line in lines if line.get("request_id") == "from-the-page"]
    assert [line["outcome"] for line in mine if line["logger"] == "lacerta.answer"] == ["answered"]


def test_whoever_leaves_is_counted(place) -> None:
    metrics, flow = Metrics(place.engine.settings, place.engine.domains), Flow(1)
    engine = observe(place.engine, metrics, flow)
    place.chat.replies[:] = [REPLY]
    events = engine.stream(Question(QUESTION, "guide"))
    assert isinstance(next(events), Retrieved) and flow.active == 1
    events.close()
    assert flow.active == 0
    found = values(metrics.render()[0].decode())
    assert found[("lacerta_questions_total", "domain=guide", "language=en", "outcome=left")] == 1
    assert found[("lacerta_answers_in_progress",)] == 0


def test_answers_that_are_given_again_are_counted_and_cost_no_tokens(ground) -> None:  # noqa: F811
    engine = Engine(ground)
    metrics = Metrics(engine.settings, engine.domains)
    observed = observe(engine, metrics, Flow(1))
    for fresh in (False, False, False, True):
        observed.ask(Question(QUESTION, "guide", fresh=fresh))
    found = values(metrics.render()[0].decode())
    results = {key[1]: value for key, value in found.items() if key[0] == "lacerta_cache_total"}
    assert results == {"result=hit": 2, "result=miss": 1, "result=fresh": 1}
    assert not any(key[0] == "lacerta_tokens_total" for key in found)
    engine.close()


def test_a_failure_is_counted_by_its_code(place) -> None:
    metrics = Metrics(place.engine.settings, place.engine.domains)
    engine = observe(place.engine, metrics, Flow(1))
    list(engine.stream(Question("x" * 5000, "guide")))
    list(engine.stream(Question("x", "y" * 50)))
    found = values(metrics.render()[0].decode())
    assert found[("lacerta_question_failures_total", "code=too_long", "domain=guide")] == 1
    assert found[("lacerta_question_failures_total", "code=unknown_domain", "domain=other")] == 1


def test_tokens_are_counted_by_kind(place) -> None:
    place.chat.replies[:] = [REPLY]
    answer = place.engine.ask(Question(QUESTION, "guide"))
    metrics = Metrics(place.engine.settings, place.engine.domains)
    metrics.answer("guide", replace(answer, usage=Usage(120, 20, 7)))
    metrics.answer("guide", replace(answer, usage=Usage(), model="openai:someone-elses"))
    found = values(metrics.render()[0].decode())
    tokens = {key[1]: value for key, value in found.items() if key[0] == "lacerta_tokens_total"}
    assert tokens == {"kind=prompt": 120, "kind=evaluated": 20, "kind=completion": 7}
    assert found[("lacerta_answers_total", "model=other")] == 1


def test_names_stay_few(place) -> None:
    metrics = Metrics(place.engine.settings, place.engine.domains)
    for number in range(1000):
        metrics.failure("guide", f"code{number}")
        metrics.request("other", f"METHOD{number}", 200)
    found = values(metrics.render()[0].decode())
    assert len([key for key in found if key[0] == "lacerta_question_failures_total"]) <= 65
    assert [key[1] for key in found if key[0] == "lacerta_requests_total"] == ["method=other"]


def test_routes_are_patterns() -> None:
    for path, route in {
        "/hu/gradio_api/queue/join": "/{language}/gradio_api/queue",
        "/hu/gradio_api/heartbeat/abc": "/{language}/gradio_api/heartbeat",
        "/hu/gradio_api/file=/etc/passwd": "/{language}/gradio_api/other",
        "/ko/assets/a.js": "/{language}/assets",
        "/ko": "/{language}/",
        "/static/css/tokens.css": "/static",
        "*": "other",
    }.items():
        assert route_of({}, path) == route
    assert route_of({"route": SimpleNamespace(path="/search")}, "/v1/search") == "/v1/search"
