"""What is remembered of answers, for feedback on them."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rag.feedback import Given, Passage, Texts
from web.api.given import GivenAnswers

ABOUT = Given("space", "extractive", "en", True, 0.75)


def test_another_process_finds_them(tmp_path: Path) -> None:
    one, other = (GivenAnswers(tmp_path / "given.sqlite") for _ in range(2))
    assert other.get("a") is None
    one.add("a", ABOUT)
    assert one.get("a") == ABOUT
    latest = time.monotonic() + 30
    while other.get("a") is None:
        assert time.monotonic() < latest
        time.sleep(0.01)
    assert other.get("a") == ABOUT
    assert other.get("b") is None


def test_of_too_many_the_oldest_go(tmp_path: Path) -> None:
    one, other = (GivenAnswers(tmp_path / "given.sqlite", most=2) for _ in range(2))
    for name in "abc":
        one.add(name, ABOUT)
    assert one.get("b") == one.get("c") == ABOUT
    latest = time.monotonic() + 30
    while other.get("c") is None:
        assert time.monotonic() < latest
        time.sleep(0.01)
    assert other.get("b") == ABOUT
    assert one.get("a") is None and other.get("a") is None


def test_one_process_alone_needs_no_file() -> None:
    alone = GivenAnswers()
    alone.add("a", ABOUT)
    assert alone.get("a") == ABOUT and alone.get("b") is None


def test_a_file_that_cannot_be_used_only_makes_them_unknown(tmp_path: Path) -> None:
    (tmp_path / "given.sqlite").write_text("This is no database, and long enough to be read as one." * 100)
    one = GivenAnswers(tmp_path / "given.sqlite")
    one.add("a", ABOUT)
    assert one.get("a") == ABOUT
    assert one.get("b") is None


def test_texts_are_remembered_of_fewer_and_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (GivenAnswers(tmp_path / "given.sqlite", most_texts=2) for _ in range(2))
    told = replace(ABOUT, index_version="v1", texts=Texts("Why?", "Because [1].", (Passage("a.pdf", 2, "because"),)))
    for name in "abc":
        one.add(name, told)
    assert one.get("c") == told and one.get("a") == replace(told, texts=None)
    wait_for(lambda: other.get("c") is not None)
    assert other.get("b") == told and other.get("a") == replace(told, texts=None)
    monkeypatch.setattr("web.api.given._TEXTS_SECONDS", -1.0)
    one.add("d", ABOUT)
    wait_for(lambda: other.get("d") is not None)
    assert other.get("c") == replace(told, texts=None) and other.get("d") == ABOUT
    assert b"Because" not in (tmp_path / "given.sqlite").read_bytes()


def wait_for(condition: Callable[[], bool]) -> None:
    latest = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.01)
