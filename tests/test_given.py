"""What is remembered of answers, for feedback on them."""

import time
from pathlib import Path

from web.api.given import Given, GivenAnswers

ABOUT = Given("space", "extractive", "en", True, 0.75)


def test_another_process_finds_them(tmp_path: Path) -> None:
    one, other = (GivenAnswers(tmp_path / "feedback.sqlite") for _ in range(2))
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
    one, other = (GivenAnswers(tmp_path / "feedback.sqlite", most=2) for _ in range(2))
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
    (tmp_path / "feedback.sqlite").write_text("This is no database, and long enough to be read as one." * 100)
    one = GivenAnswers(tmp_path / "feedback.sqlite")
    one.add("a", ABOUT)
    assert one.get("a") == ABOUT
    assert one.get("b") is None
