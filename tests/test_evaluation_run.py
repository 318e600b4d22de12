import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation import answers, retrieval
from evaluation.outcome import Outcome, Run, runs
from evaluation.questions import GoldSource
from evaluation.run import ask_beir, ask_domain, keep
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError, IndexUnavailable
from rag.index import current_version
from rag.revision import revision
from rag.settings import RetrievalSettings, Settings
from tests.files import make_domain

BIRDS = "The white stork nests on chimneys. It flies to Africa in August and returns in March.\n"
OWLS = "The barn owl hunts mice at night. Its eggs hatch after thirty days in the church tower.\n"
QUESTIONS = [
    ("stork", "When does the white stork fly to Africa?", "en", "in August", [("stork.md", 1)]),
    ("owl", "Mikor kelnek ki a gyöngybagoly tojásai?", "hu", "thirty days", [("owl.md", 1)]),
    ("nothing", "Who wrote the opera Carmen?", "en", "", []),
    ("foreign", "Quand est-ce que la cigogne blanche part pour l'Afrique chaque année?", "en", "x", [("stork.md", 1)]),
]


def write_questions(domain: Path) -> None:
    lines = [
        {
            "id": name,
            "question": text,
            "language": language,
            "answerable": bool(sources),
            "answer": answer,
            "sources": [{"source": source, "page": page} for source, page in sources],
        }
        for name, text, language, answer, sources in QUESTIONS
    ]
    (domain / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("run")
    sources = make_domain(folder / "corpora")
    (sources / "stork.md").write_text(BIRDS, encoding="utf-8")
    (sources / "owl.md").write_text(OWLS, encoding="utf-8")
    write_questions(sources.parent)
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    assert not bring_up_to_date(settings, "birds").failures
    engine = Engine(settings)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def run(engine: Engine) -> Run:
    return ask_domain(engine, "birds")


def by_id(run: Run) -> dict[str, Outcome]:
    return {outcome.question.id: outcome for outcome in run.outcomes}


def test_a_domain_is_asked_as_a_visitor_asks(run: Run, engine: Engine) -> None:
    outcome = by_id(run)["stork"]
    assert set(outcome.rankings) == {"lexical", "dense", "fused"}
    first = outcome.rankings["fused"][0]
    assert (first.document, first.first_page, first.last_page) == ("stork.md", 1, 1)
    said = outcome.said
    assert said and said.answered and "in August" in said.text
    assert (said.model, said.language) == ("extractive", "en")
    assert said.citations[0].document == "stork.md" and said.citations[0].quote in BIRDS
    assert said.passages[0].document == "stork.md" and "Africa" in said.passages[0].text
    assert 0 < said.seconds["retrieval"] <= said.seconds["total"]
    assert outcome.confidence > 0.5
    assert run.index_version == current_version(engine.settings, "birds")
    assert run.settings["embedder"].startswith("balanced") and run.settings["models"] == ["extractive"]
    assert run.settings["glossary"] == ""
    assert run.machine["cores"] >= 1


def test_refusals_and_failures_are_outcomes_too(run: Run) -> None:
    refused, failed = by_id(run)["nothing"], by_id(run)["foreign"]
    assert refused.said and not refused.said.answered and refused.confidence < run.threshold
    assert (failed.said, failed.failure) == (None, "language")
    assert failed.rankings["fused"]
    found = answers.figures(run.outcomes, run.threshold)
    assert (found.confusion.refused, found.confusion.failed) == (1, 1)
    assert found.shares["inside_exact"].value >= 1 / 3


def test_the_same_questions_come_to_the_same(run: Run, engine: Engine) -> None:
    def without_times(found: Run) -> list[Outcome]:
        return [replace(one, said=one.said and replace(one.said, seconds={})) for one in found.outcomes]

    again = ask_domain(engine, "birds")
    assert without_times(again) == without_times(run)


def test_rankings_give_figures_by_pair(run: Run) -> None:
    found = retrieval.figures(run.outcomes, retrieval.PAGE)
    assert found["hu-en"]["fused"]["recall@5"].count == 1
    assert found["all"]["fused"]["recall@5"].value == 1


def test_a_run_is_kept_below_var(run: Run, engine: Engine) -> None:
    folder = keep(run, engine.settings)
    assert folder.parent == engine.settings.var / "evaluation" / "birds"
    assert runs(engine.settings.var / "evaluation", "birds") == [folder]
    assert Run.load(folder) == run
    assert str(engine.settings.var) not in (folder / "run.json").read_text(encoding="utf-8")


def test_passages_alone(engine: Engine, run: Run) -> None:
    asked = [by_id(run)["stork"].question]
    found = ask_domain(engine, "birds", asked, answers=False, label="feedback")
    assert (found.set, len(found.outcomes), found.outcomes[0].said) == ("feedback", 1, None)
    assert found.outcomes[0].rankings == by_id(run)["stork"].rankings


def test_a_domain_that_is_not_there_or_not_ingested(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Domains: birds"):
        ask_domain(engine, "fish")
    empty = Engine(replace(engine.settings, var=tmp_path))
    with pytest.raises(IndexUnavailable, match="make ingest DOMAIN=birds"):
        ask_domain(empty, "birds")
    empty.close()


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    documents = [{"_id": "d1", "title": "Storks", "text": BIRDS}, {"_id": "d2", "title": "", "text": OWLS}]
    # The last document says the same as the first one, and is shown as such.
    documents.append({"_id": "d3", "title": "Storks", "text": BIRDS})
    questions = [
        {"_id": "q1", "text": QUESTIONS[0][1], "lang": "en", "answers": ["August"]},
        {"_id": "q2", "text": "How long until the eggs of the barn owl hatch?", "answers": ["thirty days"]},
    ]
    unanswerable = [{"_id": "u1", "text": "Who wrote the opera Carmen?"}]
    folder = tmp_path / "birds-en"
    (folder / "qrels").mkdir(parents=True)
    for name, records in (("corpus", documents), ("queries", questions), ("unanswerable", unanswerable)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("q\td\ts\nq1\td3\t1\nq2\td2\t1\n", encoding="utf-8")
    return folder


def test_a_folder_in_beir_layout_goes_the_same_way(beir: Path, tmp_path: Path) -> None:
    settings = replace(Settings(), var=tmp_path / "var", threads=1)
    run = ask_beir(beir, settings, retrieval=RetrievalSettings(refuse_below=0.15, passages=2))
    assert (run.set, run.threshold, run.settings["passages"], run.settings["documents"]) == ("birds-en", 0.15, 2, 3)
    first, second, third = run.outcomes
    assert first.question.sources == (GoldSource("d3"),)
    assert {ranked.document for ranked in first.rankings["fused"][:2]} == {"d1", "d3"}
    assert second.rankings["fused"][0].document == "d2"
    assert second.said and second.said.citations[0].document == "d2" and "thirty days" in second.said.text
    assert third.said and not third.said.answered
    assert retrieval.figures(run.outcomes)["all"]["fused"]["recall@5"].value == 1
    again = ask_beir(beir, settings, limit=1, answers=False)
    assert again.index_version == run.index_version
    assert [outcome.question.id for outcome in again.outcomes] == ["q1", "u1"]
    assert [outcome.said for outcome in again.outcomes] == [None, None]
    assert not (tmp_path / "var").exists()


def test_other_documents_are_another_version(beir: Path) -> None:
    before = ask_beir(beir, Settings(), 1, answers=False).index_version
    with (beir / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"_id": "d4", "title": "", "text": "The cuckoo lays eggs in other nests."}))
    assert ask_beir(beir, Settings(), 1, answers=False).index_version != before


def test_the_revision_says_whether_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    assert revision(tmp_path / "nowhere") == "unknown"
    git("init")
    (tmp_path / "file").write_text("one", encoding="utf-8")
    git("add", "file")
    git("commit", "-m", "one")
    git("tag", "-a", "v1", "-m", "v1")
    clean = revision(tmp_path)
    assert len(clean) >= 12 and set(clean) <= set("0123456789abcdef")
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert revision(tmp_path) == f"{clean}-dirty"
