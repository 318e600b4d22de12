"""Sentences made by rule, and the figures made of them, on a set small enough to foresee."""

import json
import random
from pathlib import Path

import pytest

from evaluation import made_sentences as made
from evaluation.__main__ import main
from evaluation.citations import MISCITED, PASSAGES, SUPPORTED, UNSUPPORTED, evaluate, examples

CHANCE = random.Random(0)
TOWNS = (
    "Alder Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Larch Maple Oak Pine Rowan Spruce Walnut Yew Beech Ash"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of towns, a document each, with a question that its first sentence answers."""
    lines, questions, relevant = [], [], ["query-id\tcorpus-id\tscore"]
    for number, town in enumerate(TOWNS.split(), start=3):
        text = (
            f"The town of {town} has {number * 11} houses, which Mayor Quentin {town}son keeps in order. It lies in the"
            f" valley of the river {town}water. Every {number} years its people hold a feast, and they dance all night."
        )
        lines.append({"_id": town, "title": town, "text": text})
        answer = f"Quentin {town}son"
        questions.append({"_id": f"q{town}", "text": f"Who keeps {town} in order?", "lang": "en", "answers": [answer]})
        relevant.append(f"q{town}\t{town}\t1")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(relevant), encoding="utf-8")
    return tmp_path


def test_examples_are_what_they_are_said_to_be(folder: Path) -> None:
    found = examples([folder])
    assert found == examples([folder]) != examples([folder], seed=1)
    assert {example.kind for example in found} == {SUPPORTED, UNSUPPORTED, MISCITED}
    for example in found:
        assert len(example.passages) == PASSAGES == len({passage.id for passage in example.passages})
        assert (example.right is None) == (example.kind == UNSUPPORTED)
        assert (example.right == example.claimed) == (example.kind == SUPPORTED)
        if example.rule == "copied":
            assert example.right is not None and example.sentence in example.passages[example.right].text
        if example.rule == "same article":
            assert all(example.sentence not in passage.text for passage in example.passages)


def test_an_article_is_in_one_half_only(folder: Path) -> None:
    halves = {False: set(), True: set()}  # type: dict[bool, set[str]]
    for example in examples([folder]):
        halves[example.measured] |= {passage.title for passage in example.passages}
    assert halves[False] and halves[True] and not halves[False] & halves[True]


def test_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluate([folder])
    counts = report["all"]["sentences"]
    assert set(report["by_language"]) == {"en"} and counts == report["by_language"]["en"]["sentences"]
    # Negated sentences are counted by their rule alone.
    rules = report["all"]["rules"]
    negated = rules.pop("unsupported: negated")
    assert negated["sentences"] and counts[SUPPORTED] + counts[UNSUPPORTED] == sum(
        rule["sentences"] for rule in rules.values()
    )
    assert rules["supported: copied"]["right"] == 1
    assert 0.5 < report["all"]["auroc"] <= 1
    assert main(["citations", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == evaluate([folder])
    assert main(["citations", str(folder)]) == 0
    assert "| supported: copied | 1.000 of" in capsys.readouterr().out
    assert main(["citations", str(folder / "nothing")]) == 2


@pytest.mark.parametrize(
    ("question", "answer", "language", "expected"),
    [
        ("Who wrote the book?", "ann Lee", "en", "Ann Lee wrote the book."),
        ("What is the largest city?", "Paris", "en", "The largest city is Paris."),
        ("What is it called?", "Paris", "en", ""),
        # The verb belongs to the question.
        ("Who did it?", "Ann", "en", ""),
        ("가장 큰 도시는 어디인가?", "서울", "ko", "가장 큰 도시는 서울입니다."),
        ("책을 쓴 사람은?", "김", "ko", "책을 쓴 사람은 김입니다."),
        ("다음 중 아닌 것은 무엇인가?", "김", "ko", ""),
        ("언제 열렸는가?", "1990년", "ko", ""),
        ("Ki írta?", "Anna", "hu", ""),
    ],
)
def test_statements(question: str, answer: str, language: str, expected: str) -> None:
    assert made.statement(question, answer, language) == expected


@pytest.mark.parametrize(
    ("rule", "text", "language", "expected"),
    [
        (
            made.shortened,
            "The long river runs through the town, as it did.",
            "en",
            "The long river runs through the town.",
        ),
        (made.shortened, "그는 왔고, 우리는 모두 함께 오래 기다렸다.", "ko", "우리는 모두 함께 오래 기다렸다."),
        (made.reordered, "The river is long, the town is small.", "en", "The town is small, The river is long."),
        (made.respelt, "It has 1,200 houses.", "en", "It has 1200 houses."),
        (made.respelt, "It has 6 houses.", "en", "It has six houses."),
        (made.negated, "It was large.", "en", "It was not large."),
        (made.negated, "It was not large.", "en", ""),
        (made.negated, "그는 왔다.", "ko", "그는 왔다고 볼 수 없다."),
        (made.other_number, "It has no numbers.", "en", ""),
        (made.other_unit, "It has no units.", "en", ""),
    ],
)
def test_rules(rule, text: str, language: str, expected: str) -> None:
    assert rule(text, language, CHANCE) == expected


def test_rules_of_chance() -> None:
    text = "The old town of Alder has 12 houses beside the river."
    assert made.dropped(text, "en", CHANCE).split() < text.split() or len(made.dropped(text, "en", CHANCE)) < len(text)
    changed = made.other_number(text, "en", CHANCE)
    assert "12" not in changed and changed.replace(changed.split()[6], "12") == text
    assert "weeks" not in made.other_unit("It lasts 6 weeks.", "en", CHANCE)
    assert made.other_name(text, "en", CHANCE, (), ["Birch"]) == text.replace("Alder", "Birch")
    assert made.merged("It is old.", "It is big.", "en") == "It is old, and It is big."
    assert made.merged("그는 왔다.", "그는 갔다.", "ko") == "그는 왔고, 그는 갔다."
