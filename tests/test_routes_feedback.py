"""What visitors of the page say of answers: kept by the rules of the interface, taken back, about what was shown."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from rag.answer import Engine
from rag.feedback import CORRECTION_CHARACTERS, Feedback, store_of
from rag.settings import Settings
from rag.types import Question
from tests.test_answer import HOW_LONG, ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web.access.caller import Caller, Limits
from web.api.given import given_answers
from web.api.ratings import Ratings
from web.entrance import Entrance
from web.routes.feedback import create

IDENTITY = f"page-{'a' * 32}"


class Page:
    """The route with a client, and what an answer of the page leaves behind."""

    def __init__(self, client: httpx.Client, engine: Engine, ratings: Ratings) -> None:
        self.client = client
        self.engine = engine
        self.ratings = ratings

    def answered(self, question: Question = HOW_LONG, identity: str = IDENTITY) -> str:
        self.ratings.remember(identity, question.domain, question.text, self.engine.ask(question))
        return identity

    def say(self, **said: Any) -> httpx.Response:
        return self.client.post("/", json={"id": IDENTITY, "rating": "down", **said})

    def kept(self) -> list[Feedback]:
        return [*store_of(self.engine.settings).read()]


def page_of(ground: Settings, folder: Path, **settings: Any) -> Iterator[Page]:  # noqa: F811
    engine = Engine(ground)
    changed = replace(ground, var=folder, **settings)
    try:
        # The index of the ground, feedback elsewhere.
        engine.settings = changed
        ratings = Ratings(engine, given_answers(changed))
        with served(create(changed, ratings, Entrance(changed))) as client:
            yield Page(client, engine, ratings)
    finally:
        engine.close()


@pytest.fixture
def page(ground: Settings, tmp_path: Path) -> Iterator[Page]:  # noqa: F811
    yield from page_of(ground, tmp_path)


def test_an_id_of_the_page_leads_to_question_answer_passages_and_versions(page: Page) -> None:
    page.answered()
    said = page.say(reason="wrong", correction=" Seven\x00 weeks. ")
    assert said.json() == {"id": IDENTITY, "object": "feedback"}
    (kept,) = page.kept()
    assert (kept.rating, kept.reason, kept.correction) == ("down", "wrong", "Seven weeks.")
    assert kept.revision and kept.given and kept.given.domain == "guide" and kept.given.model == "extractive"
    assert kept.given.texts and kept.given.texts.question == HOW_LONG.text
    assert "six weeks" in kept.given.texts.answer
    assert ("en.pdf", 1, True) in {(item.document, item.page, item.cited) for item in kept.given.texts.passages}


def test_a_second_rating_takes_the_place_of_the_first_and_can_be_taken_back(page: Page) -> None:
    page.answered()
    page.say(reason="source")
    page.say(rating="up")
    (kept,) = page.kept()
    assert (kept.rating, kept.reason) == ("up", "") and kept.given
    for _ in range(2):
        gone = page.client.delete(f"/{IDENTITY}")
        assert gone.json() == {"id": IDENTITY, "object": "feedback", "deleted": True}
        assert page.kept() == []
    # What was taken back can be said anew, and is about the same.
    page.say()
    assert page.kept()[0].given


def test_before_anything_was_kept_there_is_nothing_to_take_back(page: Page) -> None:
    assert page.client.delete(f"/{IDENTITY}").status_code == 200
    assert not (page.engine.settings.var / "feedback.sqlite").exists()


def test_an_answer_that_is_forgotten_can_be_rated_all_the_same(page: Page) -> None:
    assert page.say(correction="Eight weeks.").status_code == 200
    (kept,) = page.kept()
    assert (kept.correction, kept.given) == ("Eight weeks.", None)


@pytest.mark.parametrize(
    "change",
    [
        {"id": f"chatcmpl-{'a' * 32}"}, {"id": "page-"}, {"id": f"{IDENTITY}\n"}, {"id": 5}, {"rating": "meh"},
        {"rating": None}, {"reason": "because"}, {"correction": "x" * (CORRECTION_CHARACTERS + 1)},
        {"correction": ["x"]}, {"correction": "\ud800"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_kept(page: Page, change: dict[str, Any]) -> None:
    body = json.dumps({"id": IDENTITY, "rating": "up", **change})
    answer = page.client.post("/", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")
    assert page.kept() == []


def test_only_ids_of_answers_are_taken_back(page: Page) -> None:
    for wrong in ("x", f"chatcmpl-{'a' * 32}", f"{IDENTITY}a", "page-*"):
        assert page.client.delete(f"/{wrong}").status_code == 400


def test_the_page_is_told_what_is_kept(page: Page) -> None:
    told = page.client.get("/").json()
    assert told["feedback"] and told["texts"] and told["correction_characters"] == CORRECTION_CHARACTERS
    assert told["reasons"][0] == "wrong"


def test_without_texts_nothing_that_was_asked_or_said_is_kept(ground: Settings, tmp_path: Path) -> None:  # noqa: F811
    for page in page_of(ground, tmp_path, feedback_texts=False):
        assert page.client.get("/").json()["texts"] is False
        page.answered()
        page.say(reason="wrong")
        (kept,) = page.kept()
        assert kept.given and kept.given.texts is None and kept.given.domain == "guide"
    assert b"internship" not in (tmp_path / "feedback.sqlite").read_bytes()


def test_switched_off_it_keeps_nothing(ground: Settings, tmp_path: Path) -> None:  # noqa: F811
    for page in page_of(ground, tmp_path, feedback=False):
        page.answered()
        assert page.client.get("/").json()["feedback"] is False
        for answer in (page.say(), page.client.delete(f"/{IDENTITY}")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "feedback_off")
    assert [*tmp_path.iterdir()] == []


def test_where_it_cannot_be_kept_the_page_is_told(ground: Settings, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "feedback.sqlite").mkdir()
    for page in page_of(ground, tmp_path):
        for answer in (page.say(), page.client.delete(f"/{IDENTITY}")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "feedback_unavailable")
            assert str(tmp_path) not in answer.text


def test_too_many_ratings_have_to_wait(ground: Settings, tmp_path: Path) -> None:  # noqa: F811
    settings = replace(ground, var=tmp_path)
    engine = Engine(ground)
    app = create(settings, Ratings(engine, given_answers(settings)), Entrance(settings))

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["caller"] = Caller(address="192.0.2.1", limits=Limits(minute=2))
        await app(scope, receive, send)

    try:
        with served(known) as client:
            said = [client.post("/", json={"id": IDENTITY, "rating": "up"}) for _ in range(3)]
        assert [answer.status_code for answer in said] == [200, 200, 429]
        assert said[2].json()["error"]["code"] == "rate_limit_exceeded" and int(said[2].headers["retry-after"]) > 0
    finally:
        engine.close()
