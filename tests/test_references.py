"""Every metric against rules written out apart from ours, or against another library, on the bundled questions."""

import itertools
import math
import random
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np
import pytest

from evaluation.metrics import area_under_curve
from evaluation.outcome import Outcome, Ranked
from evaluation.overlap import holds, rouge, rouge_l, rouge_tokens, token_f1
from evaluation.questions import GoldQuestion, GoldSource
from evaluation.retrieval import DOCUMENT, METRICS, PAGE, values
from evaluation.statistics import compare, mean
from rag.questions import LabelledQuestion, load_questions
from rag.settings import ROOT

DOMAINS = ("internship", "space")


@cache
def labelled() -> tuple[LabelledQuestion, ...]:
    """All answerable questions that come with the program, in three languages."""
    found = [item for name in DOMAINS for item in load_questions(ROOT / "corpora" / name / "questions.jsonl")]
    return tuple(item for item in found if item.sources)


def pairs(language: str) -> Iterator[tuple[str, str]]:
    """Each answer in a language beside itself and the five that follow it, and each behind its question."""
    answers = [item.answer for item in labelled() if item.language == language]
    for start in range(len(answers)):
        yield from ((answers[start], other) for other in answers[start : start + 6])
    yield from ((f"{item.question} {item.answer}", item.answer) for item in labelled() if item.language == language)


def shared(said: Sequence[object], wanted: Sequence[object]) -> float:
    """F1 of two bags by taking one thing after the other out of the second."""
    rest, both = list(wanted), 0
    for item in said:
        if item in rest:
            rest.remove(item)
            both += 1
    return 2 * both / (len(said) + len(wanted)) if both else 0.0


# Ranking metrics: trec_eval


@pytest.mark.parametrize("level", [DOCUMENT, PAGE])
def test_rankings_of_the_bundled_questions_are_measured_as_trec_eval_does(level: str) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    chance = random.Random(3)
    places = sorted({source for item in labelled() for source in item.sources})
    outcomes, relevant, ranked = [], {}, {}
    for item in labelled():
        order = chance.sample(places, 9)
        # A labelled place, twice: the second time it is worth nothing but takes a place.
        order.insert(chance.randrange(10), item.sources[0])
        order.insert(chance.randrange(11), item.sources[0])
        gold = tuple(GoldSource(*source) for source in item.sources)
        question = GoldQuestion(item.id, item.question, item.language, "set", (), gold, (item.language,))
        outcomes.append(Outcome(question, {"fused": tuple(Ranked(name, page, page) for name, page in order)}, 0.5))

        def key(source: tuple[str, int]) -> str:
            return source[0] if level == DOCUMENT else f"{source[0]} {source[1]}"

        relevant[f"set/{item.id}"] = {key(source): 1 for source in item.sources}
        seen: Counter[str] = Counter()
        scores = {}
        for place, source in enumerate(order[:10]):
            seen[key(source)] += 1
            again = seen[key(source)] > 1
            scores[f"{key(source)} again {place}" if again else key(source)] = 100.0 - place
        ranked[f"set/{item.id}"] = scores
    found = values(outcomes, level)["fused"]
    evaluator = pytrec_eval.RelevanceEvaluator(relevant, {"success_1,5,10", "recip_rank", "ndcg_cut_10"})
    theirs = evaluator.evaluate(ranked)
    assert len(theirs) == len(labelled()) > 150
    for name, expected in theirs.items():
        keys = ("success_1", "success_5", "success_10", "recip_rank", "ndcg_cut_10")
        assert [found[metric][name] for metric in METRICS] == pytest.approx([expected[key] for key in keys], abs=1e-9)
    assert len({round(value, 3) for value in found["ndcg@10"].values()}) > 20


# Answers: SQuAD, KorQuAD, ROUGE


KORQUAD_MARKS = string.punctuation + "《》〈〉‘’"


def squad_words(text: str) -> list[str]:
    """What the evaluation script of SQuAD 1.1 makes of an answer, by its four steps."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return [word for word in re.sub(r"\b(a|an|the)\b", " ", kept).split(" ") if word]


def korquad_letters(text: str) -> list[str]:
    """What that of KorQuAD 1.0 makes of one: no punctuation, no spaces, letter by letter."""
    return [letter for letter in text.lower() if letter not in KORQUAD_MARKS and not letter.isspace()]


def knows(marks: str, text: str) -> bool:
    """Whether a text has no punctuation but `marks`, which is all that a script removes."""
    return all(letter in marks for letter in text if unicodedata.category(letter).startswith("P"))


def test_token_f1_is_that_of_the_rules_of_squad() -> None:
    known = [pair for pair in pairs("en") if knows(string.punctuation, "".join(pair))]
    found = [token_f1(text, [answer], "en").f1 for text, answer in known]
    assert found == pytest.approx([shared(squad_words(text), squad_words(answer)) for text, answer in known])
    assert len(known) > 250 and 0.1 < float(np.mean(found)) < 0.9


def test_token_f1_in_korean_is_that_of_the_rules_of_korquad() -> None:
    known = [pair for pair in pairs("ko") if knows(KORQUAD_MARKS, "".join(pair))]
    found = [token_f1(text, [answer], "ko").f1 for text, answer in known]
    expected = [shared(korquad_letters(text), korquad_letters(answer)) for text, answer in known]
    assert found == pytest.approx(expected)
    assert len(known) > 250 and 0.1 < float(np.mean(found)) < 0.9


def test_typographic_marks_are_no_words() -> None:
    # The script of SQuAD keeps the dash, a word of its own, and so finds three words where we find two.
    assert squad_words("1.5 – 2 km") == ["15", "–", "2", "km"]
    assert token_f1("1.5 – 2 km", ["1.5 2 km"], "en").f1 == 1


@pytest.mark.parametrize("language", ["en", "hu", "ko"])
def test_a_gold_answer_is_inside_itself(language: str) -> None:
    for item in labelled():
        if item.language == language:
            assert holds(f"„{item.answer.upper()}”", [item.answer], language), item.id


def letters_in_runs(text: str) -> list[str]:
    """Runs of letters and digits, told from the rest by Unicode's categories; Hangul syllable by syllable."""
    found = []
    for kind, run in itertools.groupby(unicodedata.normalize("NFC", text).lower(), kind_of):
        letters = "".join(run)
        found += list(letters) if kind == "hangul" else [letters] if kind == "word" else []
    return found


def kind_of(letter: str) -> str:
    if "HANGUL SYLLABLE" in unicodedata.name(letter, ""):
        return "hangul"
    return "word" if unicodedata.category(letter)[0] in "LN" else "other"


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """By its definition, from the ends of both."""

    @cache
    def length(one: int, other: int) -> int:
        if not one or not other:
            return 0
        if first[one - 1] == second[other - 1]:
            return length(one - 1, other - 1) + 1
        return max(length(one - 1, other), length(one, other - 1))

    return length(len(first), len(second))


def grams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


@pytest.mark.parametrize("language", ["en", "hu", "ko"])
def test_rouge_is_that_of_its_definition(language: str) -> None:
    found = []
    for text, answer in pairs(language):
        said, wanted = letters_in_runs(text), letters_in_runs(answer)
        assert rouge_tokens(text) == said
        for size in (1, 2):
            assert rouge(text, [answer], size).f1 == pytest.approx(shared(grams(said, size), grams(wanted, size)))
        longest = common_subsequence(said, wanted)
        assert rouge_l(text, [answer]).f1 == pytest.approx(2 * longest / (len(said) + len(wanted)))
        found.append(longest)
    assert len(found) > 150 and max(found) > 5


def letters(texts: Iterable[str]) -> Counter[str]:
    return Counter(
        letter for text in texts for letter in unicodedata.normalize("NFC", text).lower() if letter.isalnum()
    )


def test_no_letter_is_dropped_as_the_common_package_drops_hangul() -> None:
    """rouge-score splits at whatever is no Latin letter or digit of ASCII (its tokenize.py, `[^a-z0-9]+`)."""
    korean = [text for item in labelled() if item.language == "ko" for text in (item.question, item.answer)]
    hungarian = [text for item in labelled() if item.language == "hu" for text in (item.question, item.answer)]
    for texts in (korean, hungarian):
        kept = letters(token for text in texts for token in rouge_tokens(text))
        common = letters(token for text in texts for token in re.split(r"[^a-z0-9]+", text.lower()))
        assert kept == letters(texts)
        assert common.total() < kept.total()
    hangul = sum(number for letter, number in letters(korean).items() if kind_of(letter) == "hangul")
    assert hangul > 1000
    assert not [letter for letter in re.split(r"[^a-z0-9]+", "누리호 발사") if letter]
    # Two answers that have nothing in common but their spaces, and one that is the same.
    assert (rouge_l("누리호 발사", ["날씨 흐림"]).f1, rouge_l("누리호 발사", ["누리호 발사"]).f1) == (0, 1)


# Confidence and chance: scipy


def test_the_area_under_the_curve_is_that_of_mann_and_whitney() -> None:
    stats = pytest.importorskip("scipy.stats")
    chance = np.random.default_rng(5)
    for size in (3, 40, 500):
        first, second = (chance.normal(middle, 1, size).round(1) for middle in (1, 0))
        expected = stats.mannwhitneyu(first, second).statistic / size**2
        assert area_under_curve([*first], [*second]) == pytest.approx(expected, abs=1e-12)
    assert area_under_curve([0.2, 0.9], [0.1, 0.2]) == (1 + 0.5 + 1 + 1) / 4


@pytest.mark.parametrize("size", [40, 181, 750])
def test_intervals_are_those_of_scipy_s_percentile_bootstrap(size: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(size).random(size).round(2)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    ours = mean([*values])
    width = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * width)


def test_p_values_are_those_of_scipy_s_permutation_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    chance = np.random.default_rng(9)

    def theirs(differences: np.ndarray, resamples: float) -> float:
        options = {"permutation_type": "samples", "n_resamples": resamples, "rng": 2}
        return float(stats.permutation_test((differences, np.zeros_like(differences)), paired_mean, **options).pvalue)

    def paired_mean(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean(first - second, axis=axis)

    for size in (5, 12):
        differences = chance.normal(0.3, 1, size)
        assert compare([0.0] * size, [*differences]).p_value == pytest.approx(theirs(differences, math.inf), abs=1e-9)
    for shift in (0.0, 0.1, 0.2):
        differences = chance.normal(shift, 1, 200)
        found = compare([0.0] * 200, [*differences]).p_value
        # Two draws of 10,000 signs each: three standard errors of the difference between them.
        error = 3 * math.sqrt(2 * found * (1 - found) / 10_000)
        assert found == pytest.approx(theirs(differences, 9_999), abs=error + 2e-4)
