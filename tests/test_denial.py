import pytest

from rag.denial import declines, denies, without_the_word


@pytest.mark.parametrize(
    "reply",
    [
        "NO_ANSWER",
        "**NO_ANSWER** The passages are about something else.",
        "The passages do not contain any information about this.",
        "The provided documents don't specifically mention the price of lunch.",
        "I'm sorry, but there is no information on this in the provided passages.",
        "The price is not stated in these documents.",
        "A szövegrészek nem tartalmaznak erre vonatkozó információt.",
        "Sajnos a dokumentumokban nem szerepel az ebéd ára.",
        "Az ebéd ára nem derül ki a szövegrészekből.",
        "Nincs erre vonatkozó információ a megadott dokumentumokban.",
        "발췌문에는 점심 가격에 대한 정보가 없습니다.",
        "제공된 문서에서 해당 내용을 찾을 수 없습니다.",
        "점심 가격은 자료에 나와 있지 않습니다.",
    ],
)
def test_a_reply_that_there_is_no_answer(reply):
    assert declines(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "The documents need not be handed in.",
        "The documents do not include a contract [2].",
        "Documents cannot be handed in by mail.",
        "No information is given by telephone.",
        "A dokumentumokat nem kell leadni.",
        "A dokumentumokat nem adja vissza a tanszék.",
        "Nincs szükség a dokumentumok fordítására.",
        "자료를 제출할 필요가 없습니다.",
        "서류는 반환되지 않습니다.",
        "It lasts six weeks. The form is handed in at the office. The documents do not say where.",
        "Six weeks.",
        "",
    ],
)
def test_an_answer_is_not_taken_for_a_refusal(reply):
    assert not declines(reply)


def test_the_word_goes_from_an_answer():
    assert without_the_word("It lasts six weeks [1]. NO_ANSWER") == "It lasts six weeks [1]."
    assert denies("The passages do not say where.") and not denies("The office does not answer the telephone.")
