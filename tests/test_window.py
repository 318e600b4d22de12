import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from rag.prompt.window import Window, shorten


def words(text: str) -> int:
    return len(text.split())


def test_a_text_is_cut_between_words():
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 12) == "one two…"
    assert shorten("one two three", 8) == "one…"


def test_a_text_without_spaces_is_cut_inside():
    assert shorten("가" * 20, 10) == "가" * 9 + "…"
    assert shorten("a " + "b" * 20, 10) == "a bbbbbbb…"


@pytest.mark.parametrize("text", ["word " * 50, "x" * 50, " " * 50, "한국어 " * 20, "\n\n\n" * 20])
def test_a_cut_text_is_never_longer_than_asked(text):
    for characters in range(1, 60):
        assert len(shorten(text, characters)) <= characters


def test_messages_cost_more_than_their_texts():
    window = Window(100, words)
    messages = [SystemMessage("one two"), HumanMessage("three")]
    assert window.size(messages) > 3
    assert window.size([*messages, HumanMessage("four five")]) == window.size(messages) + 2 + window.frame()


def test_a_text_that_is_far_too_long_is_not_counted():
    def count(text: str) -> int:
        assert len(text) < 10_000
        return len(text)

    assert Window(100, count).count("x" * 1_000_000) > 100


def test_the_longest_beginning_that_fits():
    text = " ".join(f"word{number}" for number in range(1000))
    window = Window(1000, words)
    for room in range(20, 400, 13):
        part = window.longest(text, room, 10, lambda part: f"a head of five words {part}")
        assert part is not None
        assert room * 0.8 <= words(f"a head of five words {part}") <= room
    assert window.longest(text, 5000, 10, str) == text
    assert window.longest("short", 1, 200, str) == "short"
    assert window.longest(text, 6, 200, lambda part: f"a head of five words {part}") is None
    assert window.longest(text, -5, 200, str) is None
