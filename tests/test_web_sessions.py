"""How many visits the page remembers."""

import httpx
import pytest
from gradio.routes import App
from starlette.routing import Mount

from rag.answer import Engine
from rag.settings import Settings
from tests.test_answer import ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web import page, server


def visit(client: httpx.Client, number: int) -> None:
    asking = next(item for item in client.get("/en/config").json()["dependencies"] if len(item["inputs"]) == 3)
    session = {"session_hash": f"visitor{number}", "fn_index": asking["id"]}
    data = {"data": ["How long does the internship last?", "guide", None], **session}
    assert client.post("/en/gradio_api/queue/join", json=data).status_code == 200
    with client.stream("GET", "/en/gradio_api/queue/data", params=session) as events:
        assert any("process_completed" in line for line in events.iter_lines())


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
