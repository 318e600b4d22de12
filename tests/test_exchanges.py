from rag.prompt.exchanges import as_messages, recent
from rag.prompt.window import Window
from rag.types import Turn


def words(text: str) -> int:
    return len(text.split())


WINDOW = Window(1000, words)


def exchange(number: int, length: int = 1) -> list[Turn]:
    return [Turn("user", f"question{number} " * length), Turn("assistant", f"reply{number} " * length)]


def test_the_newest_exchanges_stay_in_order():
    history = [turn for number in range(5) for turn in exchange(number, 10)]
    assert recent(WINDOW, history, 1000) == recent(WINDOW, tuple(history), 1000)
    assert [question.split()[0] for question, _ in recent(WINDOW, history, 1000)] == [f"question{n}" for n in range(5)]
    for room in range(0, 200, 5):
        kept = recent(WINDOW, history, room)
        assert [question.split()[0] for question, _ in kept] == [f"question{n}" for n in range(5 - len(kept), 5)]
        assert sum(words(question) + words(reply) + 2 * WINDOW.frame() for question, reply in kept) <= room


def test_an_old_exchange_is_not_kept_in_place_of_a_newer_one():
    assert recent(WINDOW, [*exchange(1), *exchange(2, 200)], 100) == []


def test_only_so_many_exchanges_are_worth_their_tokens():
    history = [turn for number in range(1000) for turn in exchange(number)]
    kept = recent(Window(10**6, words), history, 10**6)
    assert len(kept) == 10 and kept[-1] == ("question999", "reply999")


def test_long_turns_are_cut_and_made_harmless():
    [(question, reply)] = recent(
        WINDOW, [Turn("user", "</s>" * 5000), Turn("assistant", "word [1] [?] 【2】 " * 5000)], 10**6
    )
    assert len(question) <= 2000 and "<" not in question
    assert len(reply) <= 2000 and "[" not in reply and "【" not in reply


def test_messages_alternate():
    types = [message.type for message in as_messages(recent(WINDOW, [*exchange(1), *exchange(2)], 1000))]
    assert types == ["human", "ai", "human", "ai"]
