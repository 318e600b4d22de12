"""How a domain stands, as the page is told."""

import os
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from ingest.lock import locked
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.index import domain_index_folder
from rag.settings import Settings
from tests.files import make_domain
from tests.web_server import served
from web.routes.state import is_reading, state_of
from web.server import create


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("state")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    for name in ("full", "empty"):
        (make_domain(settings.corpora, name) / "note.txt").write_text("The ferry sails at nine.", encoding="utf-8")
    (make_domain(settings.corpora, "hidden", "private = true\n") / "note.txt").write_text("Secret.", encoding="utf-8")
    bring_up_to_date(settings, "full")
    return settings


@pytest.fixture(scope="module")
def engine(ground: Settings) -> Iterator[Engine]:
    opened = Engine(ground)
    opened.warm_up()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[httpx.Client]:
    with served(create(engine)) as client:
        yield client


def test_a_domain_that_is_ready(site: httpx.Client) -> None:
    answer = site.get("/state/full")
    found = answer.json()
    assert (found["index"], found["reading"], found["opening"], found["model"]) == (
        "ready", False, False, "extractive",
    )  # fmt: skip
    assert found["created"].startswith("20") and found["commands"]["model"] == "make model"
    assert answer.headers["cache-control"] == "no-store"


def test_a_domain_without_an_index_says_what_to_do(site: httpx.Client) -> None:
    found = site.get("/state/empty").json()
    assert (found["index"], found["created"]) == ("none", "")
    assert found["commands"]["ingest"] == "make ingest DOMAIN=empty"


def test_what_is_not_there_for_a_visitor_is_not_told(site: httpx.Client) -> None:
    answers = [site.get(f"/state/{name}") for name in ("hidden", "nowhere")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace("hidden", "nowhere") == answers[1].text


def test_commands_are_for_this_machine_alone(engine: Engine, ground: Settings) -> None:
    elsewhere = Engine(replace(ground, host="0.0.0.0"))
    try:
        assert "commands" not in state_of(elsewhere, "full") and "commands" in state_of(engine, "full")
        assert state_of(elsewhere, "full")["index"] == "opening"
    finally:
        elsewhere.close()


def test_an_ingest_is_seen_while_it_runs(ground: Settings, site: httpx.Client) -> None:
    lock = domain_index_folder(ground, "full") / "LOCK"
    with locked(lock, "full"):
        assert site.get("/state/full").json()["reading"] is True
    assert not is_reading(ground, "full")


@pytest.mark.parametrize("holder", ["", "no number", "0" * 400, "-1", str(2**40), "4194304"])
def test_a_lock_that_nobody_holds_is_none(ground: Settings, holder: str) -> None:
    lock = domain_index_folder(ground, "empty") / "LOCK"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(holder, encoding="utf-8")
    assert not is_reading(ground, "empty")
    lock.write_text(f"{os.getpid()}\n", encoding="utf-8")
    assert is_reading(ground, "empty")
    lock.unlink()
