from dataclasses import replace

import pytest

from evaluation.changes import Pairing, changes, digest, digests, numbers, paired
from evaluation.outcome import CitedPlace, Outcome, Ranked, Run, Said, SaidSentence
from evaluation.questions import GoldQuestion, GoldSource


def question(number: int, language: str = "en", answerable: bool = True) -> GoldQuestion:
    return GoldQuestion(
        id=f"q{number}",
        text=f"What nests in tree {number}?",
        language=language,
        set="birds",
        answers=("a heron",) if answerable else (),
        sources=(GoldSource("heron.pdf", 2),) if answerable else (),
        document_languages=("en",) if answerable else (),
        answerable=answerable,
    )


def outcome(asked: GoldQuestion, place: int = 1, text: str = "A heron nests there.", supported: bool = True) -> Outcome:
    """The labelled page comes at `place`, 0 for nowhere; the empty text is a refusal."""
    passages = [Ranked("owl.pdf", 1, 1)] * 9
    if place:
        passages.insert(place - 1, Ranked("heron.pdf", 2, 2))
    said = Said(
        text=text or "The documents do not say.",
        answered=bool(text),
        language=asked.language,
        model="extractive",
        sentences=(SaidSentence(text, (1,), True), SaidSentence("More.", (), supported)) if text else (),
        citations=(CitedPlace(1, "heron.pdf", 2, "A heron"),) if text else (),
    )
    return Outcome(asked, {"lexical": tuple(passages), "fused": tuple(passages)}, 0.5, said)


def run(*outcomes: Outcome) -> Run:
    return Run("birds", outcomes, {"refuse_below": 0.2}, "abc", "1", {}, "2026-01-01T00:00:00+00:00", 1.0)


def test_every_figure_of_every_question_that_it_applies_to() -> None:
    found = numbers(
        run(
            outcome(question(1), place=3, supported=False),
            outcome(question(2), text=""),
            outcome(question(3, answerable=False), text=""),
            replace(outcome(question(4)), said=None, failure="internal"),
            replace(outcome(question(5)), said=None),
        )
    )
    assert found["retrieval/page/fused/recall@5"] == {f"birds/q{number}": 1.0 for number in (1, 2, 4, 5)}
    assert found["retrieval/page/lexical/mrr@10"]["birds/q1"] == pytest.approx(1 / 3)
    assert found["answers/unsupported"] == {"birds/q1": 0.5}
    assert found["answers/inside"] == {"birds/q1": 1.0, "birds/q2": 0.0, "birds/q4": 0.0}
    assert found["refusals/answered"] == {"birds/q1": 1.0, "birds/q2": 0.0, "birds/q4": 0.0}
    assert found["refusals/refused"] == {"birds/q3": 1.0}


def test_a_refusal_that_became_an_answer_is_worse() -> None:
    unanswerable = question(1, answerable=False)
    found = {
        change.figure: change for change in changes(run(outcome(unanswerable, text="")), run(outcome(unanswerable)))
    }
    assert (found["refusals/refused"].before, found["refusals/refused"].after) == (1.0, 0.0)


def test_questions_are_paired_by_id_and_what_is_known_of_them() -> None:
    first = run(*(outcome(question(number)) for number in (1, 2, 3)))
    reworded = replace(question(2), text="What nests where?")
    relabelled = replace(question(3), sources=(GoldSource("heron.pdf", 3),))
    second = run(outcome(question(4)), outcome(reworded), outcome(relabelled), outcome(question(1)))
    found = paired(digests(first), digests(second))
    assert found == Pairing(("birds/q1",), (), ("birds/q4",), ("birds/q2", "birds/q3"))
    assert found.left_out() == "Questions that are not compared: 1 only in the second, 2 with another text or labels."
    assert paired(digests(second), digests(first)).first_only == ("birds/q4",)
    assert paired(digests(first), digests(first)).left_out() == ""
    assert {change.comparison.difference.count for change in changes(first, second)} == {1}


def test_the_digest_is_of_the_question_and_not_of_what_follows_from_the_index() -> None:
    asked = question(1)
    assert digest(replace(asked, document_languages=("hu",))) == digest(asked)
    assert len({digest(asked), digest(replace(asked, answers=("an owl",))), digest(replace(asked, text="?"))}) == 3


def test_changes_by_group_with_their_p_values() -> None:
    asked = [question(number, "hu" if number > 5 else "en") for number in range(1, 9)]
    before = run(*(outcome(one) for one in asked))
    after = run(*(outcome(one, place=0 if one.language == "hu" else 1) for one in asked))
    found = {(change.figure, change.group): change for change in changes(before, after)}
    whole = found["retrieval/page/fused/recall@5", "all"]
    assert (whole.before, whole.after) == (1.0, 5 / 8)
    # Three fell of three that changed: two of the eight ways to sign them are as far off.
    assert whole.comparison.p_value == 2 / 8
    assert found["retrieval/page/fused/recall@5", "hu-en"].after == 0.0
    assert found["retrieval/page/fused/recall@5", "en-en"].comparison.p_value == 1.0
    assert found["answers/inside", "hu"].comparison.difference.value == 0.0
    assert ("answers/inside", "hu-en") not in found


def test_the_same_run_twice_has_no_change() -> None:
    same = run(*(outcome(question(number), place=number) for number in range(1, 6)))
    found = changes(same, same)
    assert found and all(change.before == change.after for change in found)
    assert all(change.comparison.p_value == 1 and change.comparison.difference.value == 0 for change in found)
    assert {change.group for change in found} == {"all"}


def test_what_only_one_run_has_a_value_for_is_left_out() -> None:
    asked = [question(1), question(2)]
    before = run(outcome(asked[0]), outcome(asked[1]))
    after = run(outcome(asked[0]), outcome(asked[1], text=""))
    found = {change.figure: change for change in changes(before, after)}
    assert found["answers/unsupported"].comparison.difference.count == 1
    assert found["refusals/answered"].after == 0.5
    assert "retrieval/page/reranked/recall@5" not in found
