import math
from dataclasses import replace

import pytest

from evaluation.answers import Confusion, figures, figures_by, measured, wording
from evaluation.outcome import CitedPlace, Outcome, Run, Said, SaidSentence
from evaluation.questions import GoldQuestion, GoldSource

QUESTION = GoldQuestion(
    "q", "How long?", "en", "set", ("six weeks",), (GoldSource("a.pdf", 1), GoldSource("b.pdf", 4)), ("en",)
)
STRANGE = GoldQuestion("s", "Who?", "hu", "set", answerable=False)


def said(text: str, *cited: tuple[str, int], unsupported: int = 0, language: str = "en", **more: object) -> Said:
    parts = [part for part in text.split("|") if part]
    sentences = [SaidSentence(part, (1,), number >= unsupported) for number, part in enumerate(parts)]
    citations = [CitedPlace(1, document, page, "") for document, page in cited]
    return replace(Said(" ".join(parts), True, language, "m", tuple(sentences), tuple(citations)), **more)  # type: ignore[arg-type]


def refused(language: str = "en") -> Said:
    return Said("I found no answer to this, six weeks or not.", False, language, "")


def outcome(question: GoldQuestion, answer: Said | None, confidence: float = 0.5, failure: str = "") -> Outcome:
    return Outcome(question, {}, confidence, answer, failure)


def test_what_is_said_and_cited() -> None:
    answer = said("The internship lasts Six Weeks.", ("a.pdf", 1), ("a.pdf", 1), ("b.pdf", 2), ("c.pdf", 1))
    found = measured(outcome(QUESTION, answer))
    assert (found["inside_exact"], found["inside"]) == (0, 1)
    # Without the article four words, two of them the answer's.
    assert found["token_f1"] == pytest.approx(2 * 2 / (4 + 2))
    assert found["rouge_1"] == found["rouge_l"] == pytest.approx(2 * 2 / (5 + 2))
    assert found["rouge_2"] == pytest.approx(2 * 1 / (4 + 1))
    # Three documents are cited, two of them labelled; of three pages one.
    assert (found["cited"], found["citation_precision"], found["citation_recall"]) == (1, 2 / 3, 1)
    assert (found["cited_page"], found["citation_precision_page"], found["citation_recall_page"]) == (1, 1 / 3, 1 / 2)
    assert (found["language"], found["faithful"]) == (1, 1)


def test_a_label_without_a_page_is_met_by_any() -> None:
    question = replace(QUESTION, sources=(GoldSource("a.pdf"),))
    found = measured(outcome(question, said("Six weeks.", ("a.pdf", 1), ("a.pdf", 9))))
    assert (found["citation_precision_page"], found["citation_recall_page"]) == (1, 1)


def test_a_refusal_gains_nothing() -> None:
    found = measured(outcome(QUESTION, refused("hu")))
    assert {found[name] for name in ("inside", "inside_exact", "token_f1", "rouge_1", "rouge_2", "rouge_l")} == {0}
    assert (found["cited"], found["citation_recall"], found["language"]) == (0, 0, 0)
    assert not {"citation_precision", "faithful"} & found.keys()
    assert measured(outcome(QUESTION, None, failure="language"))["inside"] == 0
    assert measured(outcome(QUESTION, None)) == {}
    assert measured(outcome(STRANGE, refused("hu"))) == {"language": 1}


def test_fidelity_is_that_of_the_question_s_language() -> None:
    foreign = said("A szakmai gyakorlat hat hétig tart, és a hallgatónak naplót kell vezetnie.")
    assert measured(outcome(QUESTION, foreign))["faithful"] == 0
    assert measured(outcome(replace(QUESTION, language="hu"), foreign)) | {"faithful": 1, "language": 0} == measured(
        outcome(replace(QUESTION, language="hu"), foreign)
    )


def test_marks_and_the_words_around_are_not_what_is_said() -> None:
    shown = "The documents say:\n\nSix weeks [2]. [1] Or more. [?]"
    answer = replace(said("Six weeks [2].|Or more."), text=shown)
    assert wording(outcome(QUESTION, answer)) == "Six weeks. Or more."
    plain = replace(answer, sentences=(), text="Six weeks. [1] Or more. [?]")
    assert wording(outcome(QUESTION, plain)) == "Six weeks. Or more."
    assert wording(outcome(QUESTION, refused())) == wording(outcome(QUESTION, None)) == ""


def test_figures_of_several() -> None:
    outcomes = [
        outcome(
            QUESTION, said("Six weeks.|More.|Less.", unsupported=2, seconds={"total": 1.0}, prompt_tokens=100), 0.9
        ),
        outcome(QUESTION, said("Five.", seconds={"total": 3.0, "first_token": 2.0}), 0.4),
        outcome(QUESTION, refused(), 0.1),
        outcome(QUESTION, None, 0.2, "language"),
        outcome(STRANGE, refused("hu"), 0.1),
        outcome(STRANGE, said("Valaki.", unsupported=1, language="hu", seconds={"total": 5.0}), 0.4),
        outcome(QUESTION, None),
    ]
    found = figures(outcomes, 0.3)
    assert (found.questions, found.threshold, found.models) == (6, 0.3, {"m": 3})
    assert (found.shares["inside"].value, found.shares["inside"].count) == (1 / 4, 4)
    assert (found.shares["language"].value, found.shares["language"].count) == (1, 5)
    # Three sentences of five, in three answers.
    assert found.unsupported.value == pytest.approx(3 / 5)
    assert found.confusion == Confusion(answered=2, wrongly_refused=1, wrongly_answered=1, refused=1, failed=1)
    # Of eight pairs 0.9 and 0.4 stand above in three, 0.2 and 0.1 in one, two are ties.
    assert found.auroc.value == pytest.approx((2 + 1.5 + 0.5 + 1) / 8)
    assert found.auroc.low < found.auroc.value < found.auroc.high
    total = found.seconds["total"]
    assert (total.mean, total.p50, total.p95, total.count) == (3, 3, pytest.approx(4.8), 3)
    assert found.seconds["first_token"].count == found.tokens["prompt_tokens"].count == 1
    assert math.isnan(found.tokens["completion_tokens"].mean)
    assert (found.length["sentences"].mean, found.length["characters"].p50) == (pytest.approx(5 / 3), 7)


def test_figures_by_language() -> None:
    outcomes = (outcome(QUESTION, said("Six weeks.")), outcome(STRANGE, refused("hu")))
    run = Run("set", outcomes, {"refuse_below": 0.2}, "", "", {}, "", 1.0)
    found = figures_by(run)
    assert list(found) == ["all", "en", "hu"]
    assert found["hu"].confusion == Confusion(refused=1)
    assert math.isnan(found["hu"].auroc.value) and math.isnan(found["hu"].unsupported.value)
    assert found["en"].shares["inside_exact"].value == 0
    assert figures((), 0.2).questions == 0
