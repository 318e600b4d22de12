"""What each kind of evidence says, by the weights that are shipped."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rag.cite import passage_spans
from rag.cite.support import AGAINST, FEATURES, Evidence, evidence, probability, supports
from rag.types import Chunk
from rag.weights import HEADS, OTHER, SAME, weights

ENGLISH = (
    "The internship lasts six weeks. The form is handed in to Doctor Kovács at the office. Travel is not paid back."
)


def chunk(text: str, language: str = "en", title: str = "") -> Chunk:
    return Chunk("c", "d", title, "g.pdf", language, 1, 1, 0, len(text), (), text)


def found(sentence: str, passage: Chunk, language: str = "en") -> Evidence:
    return evidence([sentence], [passage], [passage_spans(passage.text)], language)[0, 0]


def test_a_copied_sentence_has_all_evidence_for_it_and_none_against() -> None:
    item = found("The internship lasts six weeks.", chunk(ENGLISH))
    assert item.head == SAME
    assert [item.features[name] for name in FEATURES[:3]] == pytest.approx([1, 1, 1], abs=1e-5)
    assert [item.features[name] for name in FEATURES[3:]] == pytest.approx([0] * 6, abs=1e-5)
    assert ENGLISH[slice(*item.span)] == "The internship lasts six weeks."


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("The internship lasts eight weeks.", "numbers"),
        ("The internship lasts eight weeks.", "numbers nearby"),
        ("The internship lasts six months.", "units"),
        ("The form is handed in to Doctor Szabolcs.", "names"),
        ("The internship does not last six weeks.", "negation"),
    ],
)
def test_what_disagrees_is_told(sentence: str, name: str) -> None:
    item = found(sentence, chunk(ENGLISH))
    assert item.features[name] == 1
    agreeing = {other for other in AGAINST - {name, "strangers"} if not other.startswith("numbers")}
    assert [item.features[other] for other in agreeing] == [0] * len(agreeing)


def test_a_number_of_another_sentence_is_there_but_not_nearby() -> None:
    text = "The internship lasts 6 weeks. Bring a form. Sign it. Have it stamped. Come to room 9."
    features = found("The internship lasts 9 weeks.", chunk(text)).features
    assert (features["numbers"], features["numbers nearby"]) == (0, 1)


def test_a_name_may_have_an_ending_or_be_said_in_other_words() -> None:
    for sentence in ("Give it to Kovácsnak.", "The form goes to Kovács."):
        assert found(sentence, chunk(ENGLISH)).features["names"] == 0
    assert found("It circles the Moon.", chunk("It is in lunar orbit.")).features["names"] == 0


def test_several_sentences_bear_one_out_together() -> None:
    item = found("The internship lasts six weeks, and the form is handed in at the office.", chunk(ENGLISH))
    assert ENGLISH[slice(*item.span)] == ENGLISH[: ENGLISH.index(" Travel")]


def test_what_stands_above_a_passage_belongs_to_it() -> None:
    sentence, text = "Danuri was launched in 2022.", "It was launched in 2022."
    with_title, without = (found(sentence, chunk(text, title=title)) for title in ("Danuri", ""))
    assert with_title.features["coverage"] == 1 > without.features["coverage"]
    assert probability(with_title) > probability(without)


def test_rare_words_weigh_more() -> None:
    passages = [chunk("The office is open."), chunk("The office is closed."), chunk("The telescope is open.")]
    spans = [passage_spans(passage.text) for passage in passages]
    items = evidence(["The office telescope."], passages, spans, "en")
    assert items[0, 2].features["coverage"] > items[0, 0].features["coverage"] > 0


@pytest.mark.parametrize(
    ("sentence", "language", "stranger"),
    [
        ("A szakmai gyakorlat hat hétig tart.", "hu", "A galaxisok színe a csillagok korától függ."),
        ("현장실습은 6주 동안 진행됩니다.", "ko", "은하의 색은 별의 나이에 달려 있습니다."),
    ],
)
def test_meaning_is_judged_across_languages(sentence: str, language: str, stranger: str) -> None:
    passage = chunk(ENGLISH)
    item = found(sentence, passage, language)
    assert item.head == OTHER and item.features["coverage"] == 0
    assert ENGLISH[slice(*item.span)] == "The internship lasts six weeks."
    assert probability(item) > 0.5 > probability(found(stranger, passage, language))


def test_what_the_student_does_not_know_is_not_judged_across_languages() -> None:
    passage = chunk("Le stage dure 6 semaines.", "other")
    judged = supports(["The internship lasts 6 weeks.", "It lasts 8 weeks."], [passage], [((0, 25),)], "en")
    assert np.isnan(judged.scores).all() and judged.numbers_agree[:, 0].tolist() == [True, False]


def test_nothing_to_judge() -> None:
    assert supports([], [chunk(ENGLISH)], [passage_spans(ENGLISH)], "en").scores.shape == (0, 1)
    assert supports(["A sentence."], [], [], "en").scores.shape == (1, 0)
    assert supports(["—"], [chunk("…")], [((0, 1),)], "en").scores[0, 0] < 0.5


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", FEATURES)
def test_evidence_counts_on_its_side_only(head: str, name: str) -> None:
    item = Evidence(head, dict.fromkeys(FEATURES, 0.5), (0, 1))
    more = replace(item, features=item.features | {name: 1.0})
    weight = weights("support")[head][name]
    assert (weight <= 0) if name in AGAINST else (weight >= 0)
    log_odds = [math.log(value / (1 - value)) for value in map(probability, (item, more))]
    assert log_odds[1] - log_odds[0] == pytest.approx(0.5 * weight)
