import json

import pytest

from evaluation.extractive import evaluate, holds
from rag.embed import bundled_student
from rag.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "answers", "language", "inside"),
    [
        ("It lasts for the Six Weeks.", ["six weeks"], "en", True),
        ("It weighs 120 kg.", ["20 kg"], "en", False),
        ("발사는 2022년 8월이다.", ["2022년8월"], "ko", True),
        ("Nothing.", [""], "en", False),
        ("Nothing.", ["something", "nothing"], "en", True),
    ],
)
def test_a_gold_answer_stands_inside_a_text(text, answers, language, inside):
    assert holds(text, answers, language) is inside


def folder(tmp_path, questions):
    documents = [
        {"_id": "a", "title": "Internship", "text": "The internship lasts six weeks. Bread is sold in the shop."},
        {"_id": "b", "title": "Comets", "text": "Comets are made of ice. Their tails point away from the Sun."},
    ]
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    lines = [f"{question['_id']}\t{document}\t1" for question, document in zip(questions, "ab", strict=True)]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(["query\tdocument\tscore", *lines]), encoding="utf-8")
    return tmp_path


def test_questions_are_answered_and_counted(tmp_path):
    questions = [
        {"_id": "1", "text": "How long does the internship last?", "answers": ["six weeks"]},
        {"_id": "2", "text": "What are comets made of?", "answers": ["stone"]},
    ]
    report = evaluate(folder(tmp_path, questions), bundled_student())
    assert report["questions"] == 2 and report["inside"] == report["first"] == report["passages"] == 0.5
    assert [half["inside"] for half in report["halves"]] == [1.0, 0.0]
    assert sum(figures["questions"] for figures in report["by_sentences"].values()) == 2


def test_a_set_without_answers_is_refused(tmp_path):
    questions = [{"_id": "1", "text": "How long?"}, {"_id": "2", "text": "What?"}]
    with pytest.raises(ConfigurationError, match='"answers"'):
        evaluate(folder(tmp_path, questions), bundled_student())
