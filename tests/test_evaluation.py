import json
from pathlib import Path

import pytest

from evaluation.__main__ import main

DOCUMENTS = {
    "d1": "The primary mirror of the telescope is 6.5 metres across.",
    "d2": "A szakmai gyakorlat hat hétig tart.",
    "d3": "Voyager 1 was launched in September 1977.",
}
QUESTIONS = [
    {"_id": "q1", "text": "How wide is the mirror?", "lang": "en", "set": "one"},
    {"_id": "q2", "text": "Hány hétig tart a gyakorlat?", "lang": "hu", "set": "two"},
    {"_id": "q3", "text": "When was Voyager launched?", "lang": "en", "set": "one"},
]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    lines = [json.dumps({"_id": name, "title": "", "text": text}) for name, text in DOCUMENTS.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)), encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    # The last label is wrong on purpose: a figure that can't fall would prove nothing.
    (tmp_path / "qrels" / "test.tsv").write_text("q\td\ts\nq1\td1\t1\nq2\td2\t1\nq3\td2\t1\n", encoding="utf-8")
    return tmp_path


def test_beir_figures(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["beir", str(beir), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["documents"], report["questions"]) == (3, 3)
    assert report["fused"]["recall@1"] == pytest.approx(2 / 3)
    assert report["by_set"]["one"]["fused"]["recall@1"] == pytest.approx(1 / 2)
    assert report["by_lang"]["hu"]["lexical"]["recall@1"] == 1
    assert report["macro"]["fused"]["recall@1"] == pytest.approx((1 / 2 + 1) / 2)
    assert set(report["dense"]) == {"recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10"}
    assert report["latency_ms"]["p50"] > 0


def test_a_folder_that_is_no_question_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["beir", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err


def test_an_unknown_domain_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["domain", "nothing"]) == 2
    assert "internship" in capsys.readouterr().err
