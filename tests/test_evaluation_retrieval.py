import math
import random

import pytest

from evaluation import metrics
from evaluation.outcome import Outcome, Ranked
from evaluation.questions import GoldQuestion, GoldSource
from evaluation.retrieval import DOCUMENT, METRICS, PAGE, figures, values

pytrec_eval = pytest.importorskip("pytrec_eval")


def question(name: str, *sources: GoldSource, language: str = "en", languages: tuple[str, ...] = ("en",)):
    return GoldQuestion(name, f"{name}?", language, "set", (), sources, languages if sources else (), bool(sources))


def outcome(asked: GoldQuestion, fused: list[Ranked], lexical: list[Ranked] | None = None) -> Outcome:
    rankings = {"fused": tuple(fused)} | ({"lexical": tuple(lexical)} if lexical is not None else {})
    return Outcome(asked, rankings, 0.5)


def pages(*places: str) -> list[Ranked]:
    """`a1-2` is a passage of document a from page 1 to 2."""
    found = []
    for place in places:
        first, _, last = place[1:].partition("-")
        found.append(Ranked(place[0], int(first), int(last or first)))
    return found


def test_by_document_and_by_page() -> None:
    asked = outcome(question("q", GoldSource("b", 3)), pages("a1", "b1", "b2-3"))
    by_document, by_page = (values([asked], level)["fused"] for level in (DOCUMENT, PAGE))
    assert [by_document[name]["set/q"] for name in METRICS] == pytest.approx([0, 1, 1, 1 / 2, 1 / math.log2(3)])
    assert [by_page[name]["set/q"] for name in METRICS] == pytest.approx([0, 1, 1, 1 / 3, 1 / 2])


def test_each_label_counts_once_and_all_are_wanted() -> None:
    # b comes twice: its second place is taken, but worth nothing. The best order is b, c.
    asked = outcome(question("q", GoldSource("b", 1), GoldSource("c", 1)), pages("b1", "b2", "c1"))
    gained, best = 1 + 1 / 2, 1 + 1 / math.log2(3)
    assert values([asked])["fused"]["ndcg@10"]["set/q"] == pytest.approx(gained / best)


def test_grades_are_gains() -> None:
    asked = outcome(question("q", GoldSource("b", None, 3), GoldSource("c", None, 1)), pages("c1", "b1"))
    gained, best = 1 + 3 / math.log2(3), 3 + 1 / math.log2(3)
    assert values([asked])["fused"]["ndcg@10"]["set/q"] == pytest.approx(gained / best)


def test_a_page_that_is_not_known_is_not_the_labelled_one() -> None:
    asked = outcome(question("q", GoldSource("b", 1)), [Ranked("b")])
    assert values([asked], PAGE)["fused"]["recall@10"] == {"set/q": 0}
    assert values([asked], DOCUMENT)["fused"]["recall@10"] == {"set/q": 1}


def test_questions_without_a_source_or_a_ranking() -> None:
    assert values([outcome(question("q"), pages("a1"))]) == {}
    empty = outcome(question("q", GoldSource("a")), [])
    assert values([empty])["fused"]["mrr@10"] == {"set/q": 0}
    with pytest.raises(ValueError, match="chapter"):
        values([], "chapter")


def test_figures_by_pair_with_intervals() -> None:
    outcomes = [
        outcome(question("1", GoldSource("a"), language="hu"), pages("a1"), pages("b1")),
        outcome(question("2", GoldSource("a"), language="hu"), pages("b1"), pages("b1")),
        outcome(question("3", GoldSource("a")), pages("a1"), pages("a1")),
        outcome(question("4", GoldSource("a"), languages=("hu", "ko")), pages("a1"), pages("a1")),
        outcome(question("5"), pages("a1"), pages("a1")),
    ]
    found = figures(outcomes)
    assert list(found) == ["all", "en-en", "en-hu+ko", "hu-en"]
    assert (found["all"]["fused"]["recall@1"].value, found["all"]["fused"]["recall@1"].count) == (3 / 4, 4)
    assert found["hu-en"]["lexical"]["recall@1"].value == 0
    estimate = found["hu-en"]["fused"]["recall@1"]
    assert (estimate.value, estimate.low, estimate.high, estimate.count) == (1 / 2, 0, 1, 2)


def test_the_same_as_trec_eval_and_our_own_metrics_on_made_rankings() -> None:
    chance = random.Random(5)
    documents = [f"d{number}" for number in range(30)]
    outcomes, relevant, ranked = [], {}, {}
    for number in range(200):
        gold = {name: chance.randint(1, 4) for name in chance.sample(documents, chance.randint(1, 6))}
        order = chance.sample(documents, chance.randint(0, 10))
        asked = question(str(number), *(GoldSource(name, None, grade) for name, grade in gold.items()))
        outcomes.append(outcome(asked, [Ranked(name) for name in order]))
        relevant[f"set/{number}"] = gold
        # What is not ranked stands behind all that is.
        ranked[f"set/{number}"] = {name: 100.0 - place for place, name in enumerate(order)} or {"nothing": 1.0}
    found = values(outcomes)["fused"]
    evaluator = pytrec_eval.RelevanceEvaluator(relevant, {"success_1,5,10", "recip_rank", "ndcg_cut_10"})
    for name, theirs in evaluator.evaluate(ranked).items():
        expected = [theirs[key] for key in ("success_1", "success_5", "success_10", "recip_rank", "ndcg_cut_10")]
        assert [found[metric][name] for metric in METRICS] == pytest.approx(expected, abs=1e-9)
        order = list(ranked[name])
        own = [metrics.recall_at(order, relevant[name], k) for k in (1, 5, 10)]
        own += [metrics.reciprocal_rank_at(order, relevant[name], 10), metrics.ndcg_at(order, relevant[name], 10)]
        assert own == pytest.approx(expected, abs=1e-9)
