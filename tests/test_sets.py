import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation import sets
from evaluation.__main__ import main
from evaluation.outcome import Outcome, Ranked, Run, Said, SaidSentence
from evaluation.questions import GoldQuestion, GoldSource
from rag.errors import ConfigurationError
from rag.settings import Settings

BIRDS = {
    "stork": "White storks leave for Africa in August. They come back in March.",
    "owl": "The eggs of the barn owl hatch after thirty days.",
    "crane": "Cranes dance in spring, when they look for a mate.",
}
SETTINGS: dict[str, Any] = {"refuse_below": 0.2, "documents": 7, "embedder": "balanced", "models": ["extractive"]}


def write_set(folder: Path, questions: Sequence[Mapping[str, object]], relevant: dict[str, str]) -> Path:
    documents = [{"_id": name, "title": "", "text": text} for name, text in BIRDS.items()]
    (folder / "qrels").mkdir(parents=True)
    for name, records in (("corpus", documents), ("queries", questions)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    rows = [f"{question}\t{document}\t1" for question, document in relevant.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["q\td\ts", *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "open"
    asked = [{"_id": "1", "text": "When do white storks leave for Africa?", "lang": "en", "answers": ["August"]}]
    write_set(place / "easy", asked, {"1": "stork"})
    (place / "easy" / "unanswerable.jsonl").write_text('{"_id": "u", "text": "Who wrote the opera Carmen?"}\n')
    wrong = [{"_id": "1", "text": "When do cranes dance?", "lang": "en"}]
    write_set(place / "wrong", wrong, {"1": "owl"})
    (place / "notes").mkdir()
    return place


def test_sets_are_asked_kept_and_shown_worst_first(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("LACERTA_THREADS", "1")
    assert main(["sets", str(place), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    worst, best = report["sets"]
    assert (worst["name"], best["name"]) == ("wrong", "easy")
    assert worst["rankings"]["fused"]["recall@1"]["value"] == 0
    assert worst["answers"] is None and worst["unanswered"] is None
    assert best["rankings"]["fused"]["recall@1"]["value"] == 1
    assert best["answers"]["shares"]["inside"] == {"value": 1.0, "low": 1.0, "high": 1.0, "count": 1}
    assert (best["unanswered"], best["wrongly_answered"], best["answers"]["questions"]) == (0, 0, 2)
    assert report["models"] == ["extractive"]
    assert main(["sets", str(place), "--kept"]) == 0
    assert capsys.readouterr().out == report["markdown"] + "\n"
    lines = report["markdown"].splitlines()
    assert lines[0].startswith("| set | questions | documents | recall@1 | recall@5 | recall@10 | mrr@10 | ndcg@10 |")
    assert lines[0].count("|") == lines[2].count("|")
    assert lines[3].startswith("| easy | 1 | 3 | 100.0 (100.0 to 100.0) |")
    assert lines[-1].startswith("| easy | 1 | 100.0 (100.0 to 100.0) |")


def test_a_folder_without_a_set_and_one_that_was_not_asked(place: Path, tmp_path: Path) -> None:
    assert [folder.name for folder in sets.folders(place)] == ["easy", "wrong"]
    assert sets.folders(place / "easy") == [place / "easy"]
    with pytest.raises(ConfigurationError, match="notes holds no folder with corpus.jsonl"):
        sets.folders(place / "notes")
    with pytest.raises(ConfigurationError, match='"easy" was never asked: leave out --kept'):
        sets.kept(place, replace(Settings(), var=tmp_path / "var"))


def outcome(name: str, kind: str, found: bool, text: str | None = None, answerable: bool = True) -> Outcome:
    answers = ("six weeks",) if text is not None and answerable else ()
    sources = (GoldSource("a"),) if answerable else ()
    question = GoldQuestion(name, f"{name}?", "en", kind, answers, sources, ("en",) if answerable else (), answerable)
    said = None
    if text is not None:
        said = Said(text, bool(text), "en", "extractive", (SaidSentence(text, (), True),) if text else ())
    ranking = (Ranked("a" if found else "b"),)
    return Outcome(question, {"lexical": (Ranked("b"),), "fused": ranking}, 0.9 if answerable else 0.1, said)


def test_kinds_of_a_mixed_set_count_apart() -> None:
    outcomes = (
        outcome("1", "weeks", True, "It takes six weeks."),
        outcome("2", "weeks", True, ""),
        outcome("3", "weeks", False, "", answerable=False),
        outcome("4", "weeks", False, "Two.", answerable=False),
        outcome("5", "sentences", False),
    )
    run = Run("mixed", outcomes, SETTINGS, "", "", {}, "", 1.0)
    everything, sentences, weeks = sets.figures(run)
    assert (everything.name, sentences.name, weeks.name) == ("mixed", "mixed/sentences", "mixed/weeks")
    assert (everything.questions, weeks.questions, everything.documents) == (3, 2, 7)
    assert everything.shown["recall@1"].value == pytest.approx(2 / 3)
    assert weeks.rankings["lexical"]["recall@10"].value == 0
    assert sentences.answers is None
    assert weeks.answers and weeks.answers.shares["inside"].value == 1 / 2
    assert weeks.answers.auroc.value == 1
    assert (weeks.unanswered, weeks.wrongly_answered) == (1 / 2, 1 / 2)
    shown = sets.report([run])["markdown"].splitlines()
    assert [line.split(" | ")[0] for line in shown[2:5]] == ["| mixed/sentences", "| mixed", "| mixed/weeks"]


def test_what_json_cannot_say_is_left_empty() -> None:
    made = sets.report([Run("set", (outcome("1", "set", True, "Six weeks."),), SETTINGS, "", "", {}, "", 1.0)])
    assert made["sets"][0]["answers"]["auroc"]["value"] is None
    assert "NaN" not in json.dumps(made)
