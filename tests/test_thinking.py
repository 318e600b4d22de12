import pytest

from rag.models.thinking import Thinking


def read(*pieces: str, begun: bool = False) -> tuple[str, Thinking]:
    thinking = Thinking(begun)
    text = "".join(thinking.feed(piece) for piece in pieces)
    return text + thinking.finish(), thinking


CASES = [
    ("Six weeks.", "Six weeks."),
    ("  \n Six weeks.", "Six weeks."),
    ("<think>\nSix or seven?\n</think>\n\nSix.", "Six."),
    ("<think></think>Six.", "Six."),
    ("\n<Think>Six?</THINK>Six.", "Six."),
    ("<thinking>a</thinking><think>b</think>Six.", "Six."),
    ("<think>a < b </thin k></think>Six.", "Six."),
    ("[THINK]hm[/THINK]Six.", "Six."),
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Six.", "Six."),
    ("<|channel|>final<|message|>Six.", "Six."),
    ("<think>never ends", ""),
    ("<think>", ""),
    ("</thi", "</thi"),
    ("<", "<"),
    ("", ""),
    ("<thin air> is", "<thin air> is"),
    ("Write <think>so</think> in HTML.", "Write <think>so</think> in HTML."),
    ("A <b>bold</b> answer </think>", "A <b>bold</b> answer </think>"),
    ("<think>가나</think>답입니다.", "답입니다."),
]


@pytest.mark.parametrize(("text", "answer"), CASES)
def test_the_answer_is_what_stands_behind_the_reasoning_wherever_it_is_cut(text, answer):
    assert read(text)[0] == answer
    assert read(*text)[0] == answer
    for place in range(len(text)):
        for other in range(place, len(text)):
            assert read(text[:place], text[place:other], text[other:])[0] == answer


def test_the_answer_is_not_held_back():
    thinking = Thinking()
    assert thinking.feed("<think>hm</think>") == ""
    assert [thinking.feed(piece) for piece in ("Six", " <", "think> weeks")] == ["Six", " <", "think> weeks"]


def test_long_reasoning_is_not_kept():
    thinking = Thinking()
    thinking.feed("<think>")
    for _ in range(1000):
        assert thinking.feed("x" * 1000) == ""
    assert len(thinking._held) < 20


@pytest.mark.parametrize("tag", ["</think>", "</thinking>"])
def test_reasoning_that_began_in_the_prompt_is_recognised_by_its_end(tag):
    text = f"Six or seven?\n{tag}\n\nSix."
    for pieces in ((text,), tuple(text)):
        given, thinking = read(*pieces)
        assert given == text
        assert given[thinking.stray :].strip() == "Six."


def test_a_tag_within_a_line_ends_no_reasoning():
    assert read("The tag </think> ends it.\nSo does\n\n</think> this.")[1].stray == 0


def test_a_model_that_is_known_to_begin_with_reasoning():
    for pieces in (("Six or seven?\n</think>\n\nSix.",), tuple("Six or seven?\n</think>\n\nSix.")):
        assert read(*pieces, begun=True)[0] == "Six."
    # This time it did not.
    assert read("Six ", "weeks.", begun=True)[0] == "Six weeks."
