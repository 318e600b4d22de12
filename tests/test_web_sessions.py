"""How many visits the page remembers."""

import asyncio
import json
from html import escape
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App
from starlette.routing import Mount

from rag.answer import Engine
from rag.settings import Settings
from tests.test_answer import ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web import page, server
from web.entrance import Entrance
from web.kept import Keeper
from web.talk import PARTS, Talk
from web.texts import texts


def visit(client: httpx.Client, number: int) -> None:
    asking = next(item for item in client.get("/en/config").json()["dependencies"] if len(item["inputs"]) == 3)
    session = {"session_hash": f"visitor{number}", "fn_index": asking["id"]}
    data = {"data": ["How long does the internship last?", "guide", None], **session}
    assert client.post("/en/gradio_api/queue/join", json=data).status_code == 200
    with client.stream("GET", "/en/gradio_api/queue/data", params=session) as events:
        assert any("process_completed" in line for line in events.iter_lines())


def test_gradio_can_be_told_how_often_it_looks() -> None:
    with gr.Blocks() as blocks:
        pass
    blocks.queue()
    # Under other names it would look as often as it likes, and nobody would notice.
    assert {"sleep_when_free", "progress_update_sleep_when_free"} <= vars(blocks._queue).keys()


def test_only_the_last_visits_are_remembered(ground: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(page, "SESSIONS", 3)
    engine = Engine(ground)
    try:
        app = server.create(engine)
        pages = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == "/en")
        assert isinstance(pages, App)
        with served(app) as client:
            for number in range(6):
                visit(client, number)
        assert list(pages.state_holder.session_data) == ["visitor3", "visitor4", "visitor5"]
    finally:
        engine.close()


def test_a_visit_that_was_forgotten_is_told_so(ground: Settings) -> None:  # noqa: F811
    engine = Engine(ground)
    try:
        with served(server.create(engine)) as client:
            asking = next(item for item in client.get("/en/config").json()["dependencies"] if len(item["inputs"]) == 3)
            session = {"session_hash": "late", "fn_index": asking["id"]}
            order = json.dumps({"text": "How long does the internship last?", "count": 2})
            client.post("/en/gradio_api/queue/join", json={"data": [order, "guide", None], **session})
            with client.stream("GET", "/en/gradio_api/queue/data", params=session) as events:
                said = "".join(events.iter_lines())
            assert "forgotten" in said and "six weeks" not in said
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("what", "order", "words"),
    [
        ("restore", json.dumps({"json": "{}"}), "chat_not_restored"),
        ("ask", "", "question_missing"),
        ("ask", json.dumps({"text": "Why?", "at": -1}), "chat_bad_order"),
    ],
)
def test_what_can_not_be_done_leaves_what_a_forgotten_visit_shows(
    ground: Settings,  # noqa: F811
    what: str,
    order: str,
    words: str,
) -> None:
    engine = Engine(ground)
    talk = Talk(engine, "en", Entrance(ground), Keeper(engine, "en"))
    request = gr.Request(session_hash="late")

    async def first() -> list[Any]:
        if what == "restore":
            return await talk.restore(order, "guide", {}, request)
        return [values async for values in talk.ask(order, "guide", {}, request)][0]

    try:
        changed = dict(zip(PARTS, asyncio.run(first()), strict=False))
    finally:
        engine.close()
    assert escape(texts("en")[words]) in changed["said"]
    assert [part for part in PARTS if changed[part] != gr.skip()] in (["said"], ["said", "kept"])
