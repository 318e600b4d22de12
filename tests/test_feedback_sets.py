"""Feedback as a visitor leaves it, through the commands that make questions of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main
from evaluation.candidates import Candidate, one_line, write
from evaluation.questions import from_domain
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.feedback import Given, Passage, Store, Texts, given_of, store_of
from rag.index import Manifest, current_version, domain_index_folder
from rag.questions import load_questions
from rag.settings import Settings
from rag.types import Question
from tests.files import make_domain

BIRDS = "The white stork nests on chimneys. It flies to Africa in August and returns in March.\n"
OWLS = "The barn owl hunts mice at night. Its eggs hatch after thirty days in the church tower.\n"
STORK = "When does the white stork fly to Africa?"
OWL = "How long until the eggs of the barn owl hatch?"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("feedback")
    sources = make_domain(folder / "corpora")
    (sources / "stork.md").write_text(BIRDS, encoding="utf-8")
    (sources / "owl.md").write_text(OWLS, encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    assert not bring_up_to_date(settings, "birds").failures
    return settings


@pytest.fixture
def place(ground: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The domain with its index, without questions and feedback."""
    (ground.corpora / "birds" / "questions.jsonl").unlink(missing_ok=True)
    for path in ground.var.glob("feedback.sqlite*"):
        path.unlink()
    for name in ("VAR", "CORPORA"):
        monkeypatch.setenv(f"LACERTA_{name}", str(getattr(ground, name.lower())))
    monkeypatch.setenv("LACERTA_THREADS", "1")
    return ground


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command; its exit status and what it printed, as JSON where that was asked for."""

    def run(*arguments: object) -> tuple[int, Any]:
        status = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        text = printed.out or printed.err
        return status, json.loads(text) if "--json" in arguments and printed.out else text

    return run


def given(question: str = STORK, **changes: Any) -> Given:
    texts = Texts(question, "In August [1].", (Passage("stork.md", 1, "It flies to Africa in August."),))
    return replace(Given("birds", "openai:m", "en", True, 0.9, "v1", texts), **changes)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def accept_all(path: Path, **changes: Any) -> None:
    records = [record | {"status": "accepted"} | changes for record in lines(path)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def manifest(settings: Settings) -> Manifest:
    version = current_version(settings, "birds") or ""
    return Manifest.load(domain_index_folder(settings, "birds") / version)


def test_an_answer_that_was_liked_becomes_a_question(place: Settings, tmp_path: Path, told: Callable[..., Any]) -> None:
    engine = Engine(place)
    try:
        answer = engine.ask(Question(STORK, "birds"))
        refusal = engine.ask(Question("Who wrote the opera Carmen?", "birds"))
    finally:
        engine.close()
    store = store_of(place)
    store.keep("a", "up", given=given_of("birds", STORK, answer, "v1"), revision="r1")
    store.keep("b", "up", given=given_of("birds", "Who wrote the opera Carmen?", refusal, "v1"))
    status, report = told("feedback", "birds", "--json")
    assert status == 0 and report["counts"] == {"up": 2, "down": 0}
    assert (report["feedback"][0]["question"], report["feedback"][0]["revision"]) == (STORK, "r1")
    file = tmp_path / "candidates.jsonl"
    status, report = told("feedback", "birds", "--candidates", file, "--json")
    assert report["candidates"] == {"known": 0, "repeated": 0, "bare": 0, "written": 2, "file": str(file)}
    found = {record["question"]: record for record in lines(file)}
    stork, carmen = found[STORK], found["Who wrote the opera Carmen?"]
    assert stork["status"] == "candidate" and stork["sources"] == [{"source": "stork.md", "page": 1}]
    assert "in August" in stork["answer"] and stork["answer"] in one_line(BIRDS, 1000)
    assert (carmen["answerable"], carmen["sources"], carmen["answer"]) == (False, [], "")
    # Nobody has looked at them yet: they are no questions, and none are taken.
    with pytest.raises(ConfigurationError, match="python -m evaluation accept"):
        load_questions(file)
    status, report = told("accept", file, "birds", "--json")
    assert (status, report["added"], report["waiting"]) == (0, [], 2)
    assert not (place.corpora / "birds" / "questions.jsonl").exists()
    accept_all(file)
    status, report = told("accept", file, "birds", "--json")
    assert status == 0 and len(report["added"]) == 2
    kept = from_domain(place.corpora / "birds" / "questions.jsonl", manifest(place))
    assert {question.text for question in kept} == {STORK, "Who wrote the opera Carmen?"}
    assert "status" not in (place.corpora / "birds" / "questions.jsonl").read_text(encoding="utf-8")
    # Never twice, and no candidate again.
    status, report = told("accept", file, "birds", "--json")
    assert (status, report["added"], report["known"]) == (0, [], 2)
    assert len(load_questions(place.corpora / "birds" / "questions.jsonl")) == 2
    status, report = told("feedback", "birds", "--candidates", tmp_path / "more.jsonl", "--json")
    assert report["candidates"]["known"] == 2 and not (tmp_path / "more.jsonl").exists()


def test_a_correction_becomes_an_answer_without_sources(
    place: Settings, tmp_path: Path, told: Callable[..., Any]
) -> None:
    # It was answered out of the wrong document; the right one is found for the correction.
    store = store_of(place)
    store.keep("a", "down", "Wrong bird!", given(OWL), "wrong", "thirty days")
    store.keep("b", "down", "Just bad", given("Where does it nest?"))
    store.keep("c", "up", given=given(OWL))
    file = tmp_path / "candidates.jsonl"
    status, report = told("feedback", "birds", "--candidates", file, "--json")
    assert report["candidates"] == {"known": 0, "repeated": 1, "bare": 1, "written": 1, "file": str(file)}
    (record,) = lines(file)
    assert (record["answer"], record["sources"], record["answerable"]) == ("thirty days", [], True)
    assert record["origin"]["ratings"] == {"down": 1, "up": 1} and record["origin"]["comment"] == "Wrong bird!"
    first, second = record["proposed"]
    assert (first["source"], first["page"], first["holds"]) == ("owl.md", 1, True)
    assert second["source"] == "stork.md" and "holds" not in second
    accept_all(file)
    status, report = told("accept", file, "birds", "--json")
    assert status == 1 and "from proposed to sources" in report["refused"][0]["why"]
    accept_all(file, sources=[{"source": "owl.md", "page": 1}])
    status, report = told("accept", file, "birds", "--json")
    assert (status, report["added"]) == (0, [record["id"]])


def test_what_does_not_fit_is_refused_and_the_rest_is_taken(
    place: Settings, tmp_path: Path, told: Callable[..., Any]
) -> None:
    target = place.corpora / "birds" / "questions.jsonl"
    # Without a line break at its end.
    first = Candidate("old", "Where does the stork nest?", "en", "on chimneys", sources=(("stork.md", 1),)).record()
    del first["status"]
    target.write_text(json.dumps(first), encoding="utf-8")
    target.chmod(0o640)
    good = Candidate("new", f" {STORK}\x1b[2J\n", "en", "in August", sources=(("stork.md", 1),))
    wrong: dict[str, dict[str, Any]] = {
        "no document 'none.md'": {"id": "w1", "question": "w1?", "sources": [{"source": "none.md", "page": 1}]},
        "there is no 2": {"id": "w2", "question": "w2?", "sources": [{"source": "stork.md", "page": 2}]},
        "should be one of en, hu, ko": {"id": "w3", "question": "w3?", "language": "de"},
        "needs an answer": {"id": "w4", "question": "w4?", "answer": " "},
        "answerable questions have sources": {"id": "w5", "question": "w5?", "answerable": False},
        "another question has this id": {"id": "old", "question": "w6?"},
        "id: String should match": {"id": "../w7", "question": "w7?"},
        "question: String should have at most": {"id": "w8", "question": "w8" * 2000},
        "status: Input should be": {"id": "w9", "question": "w9?", "status": "yes"},
        "sources.0.page": {"id": "w10", "question": "w10?", "sources": [{"source": "stork.md", "page": "1"}]},
        "question should be a text": {"id": "w11", "question": "\u202e\x00"},
    }
    records = [good.record() | {"status": "accepted"} | change for change in ({}, *wrong.values())]
    texts = [*map(json.dumps, records), "{", "[" * 100_000, json.dumps(good.record() | {"status": "rejected"})]
    file = tmp_path / "candidates.jsonl"
    file.write_text("\n".join(texts), encoding="utf-8")
    status, report = told("accept", file, "birds", "--json")
    assert status == 1 and report["added"] == ["new"] and report["rejected"] == 1
    whys = [item["why"] for item in report["refused"]]
    assert len(whys) == len(wrong) + 2
    for why, fault in zip(whys, wrong, strict=False):
        assert fault in why
    kept = load_questions(target)
    assert [item.question for item in kept] == ["Where does the stork nest?", f"{STORK}[2J"]
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.glob("questions.jsonl*")] == ["questions.jsonl"]


def test_questions_that_are_wrong_already_are_mended_first(
    place: Settings, tmp_path: Path, told: Callable[..., Any]
) -> None:
    target = place.corpora / "birds" / "questions.jsonl"
    record = Candidate("old", "Where?", "en", "there", sources=(("gone.md", 1),)).record()
    del record["status"]
    target.write_text(json.dumps(record), encoding="utf-8")
    before = target.read_bytes()
    file = tmp_path / "candidates.jsonl"
    write(file, [Candidate("new", STORK, "en", "in August", sources=(("stork.md", 1),))])
    accept_all(file)
    status, text = told("accept", file, "birds")
    assert status == 2 and "gone.md" in text and target.read_bytes() == before


def test_the_list_shows_what_visitors_typed_as_data(place: Settings, told: Callable[..., Any]) -> None:
    store = Store(place.var / "feedback.sqlite")
    store.keep("a", "down", "one\ntwo\x1b[31m \u202ered", given("Why?\r\nrating up" + "y" * 5000), "other", "x\x07")
    status, text = told("feedback", "--rating", "down")
    assert status == 0 and "comment:    one two[31m red" in text and "Why? rating up" in text
    assert not {sign for sign in text if sign != "\n" and not sign.isprintable()}
    assert max(map(len, text.splitlines())) < 200 and "0 up, 1 down" in text
    assert told("feedback", "--rating", "up", "--json")[1]["feedback"] == []
    assert told("feedback", "--since", "2999-01-01", "--json")[1]["feedback"] == []
    assert len(told("feedback", "--since", "1d", "--json")[1]["feedback"]) == 1


def test_wrong_arguments_are_told(place: Settings, tmp_path: Path, told: Callable[..., Any]) -> None:
    for arguments, said in (
        (("feedback", "fish"), "Domains: birds"),
        (("feedback", "--since", "soon"), "2026-01-31"),
        (("feedback", "--candidates", tmp_path / "x"), "for one domain"),
        (("accept", tmp_path / "none", "birds"), "can't be read"),
        (("accept", tmp_path / "none", "fish"), "birds"),
    ):
        status, text = told(*arguments)
        assert status == 2 and said in text
    store_of(place).keep("a", "up", given=given())
    (tmp_path / "there").write_text("looked through", encoding="utf-8")
    status, text = told("feedback", "birds", "--candidates", tmp_path / "there")
    assert status == 2 and "name another file" in text
    assert (tmp_path / "there").read_text(encoding="utf-8") == "looked through"
