import json
import os
import subprocess
import sys

import pytest

from rag.__main__ import _search_text, main
from rag.answer import Engine
from rag.settings import ROOT
from rag.types import Chunk, Hit, Retrieval
from tests.test_answer import TEXTS, ground  # noqa: F401  (a fixture)

QUESTION = "How many weeks does the internship last?"


@pytest.fixture
def environment(ground, monkeypatch):  # noqa: F811
    monkeypatch.setenv("LACERTA_CORPORA", str(ground.corpora))
    monkeypatch.setenv("LACERTA_VAR", str(ground.var))
    monkeypatch.setenv("LACERTA_THREADS", "1")
    monkeypatch.delenv("LACERTA_MODELS", raising=False)
    return ground


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(arguments)
    except SystemExit as exit:
        status = int(exit.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_ask_prints_one_answer_as_json(environment, capsys):
    status, out, _ = run(capsys, "ask", "guide", QUESTION, "--json")
    answer = json.loads(out)
    assert status == 0
    assert {"text", "language", "answerable", "confidence", "citations", "model", "timings"} <= answer.keys()
    assert answer["answerable"] is True and answer["language"] == "en" and answer["model"] == "extractive"
    citation = answer["citations"][0]
    assert citation.keys() == {"number", "source", "title", "page", "quote"}
    assert citation["number"] == 1 and citation["source"] == "en.pdf" and citation["quote"] in TEXTS["en"][0]


def test_ask_prints_text_with_its_sources(environment, capsys):
    status, out, _ = run(capsys, "ask", "guide", QUESTION)
    assert status == 0 and "six weeks" in out and "[1] Guide (en.pdf, p. 1)" in out


def test_a_refusal_is_an_answer(environment, capsys):
    status, out, _ = run(capsys, "ask", "guide", "Who won the football championship yesterday?", "--json")
    assert status == 0 and json.loads(out)["answerable"] is False


def test_search_prints_hits(environment, capsys):
    status, out, _ = run(capsys, "search", "guide", QUESTION, "-k", "2", "--json")
    hits = json.loads(out)["hits"]
    assert status == 0 and [hit["rank"] for hit in hits] == [1, 2]
    assert {"rank", "score", "document", "page", "language", "text"} <= hits[0].keys()
    assert hits[0]["document"] == "en.pdf" and hits[0]["score"] >= hits[1]["score"]
    status, out, _ = run(capsys, "search", "guide", QUESTION)
    assert status == 0 and out.startswith(" 1. ")


def test_every_feature_of_every_hit_is_explained(environment, capsys):
    _, out, _ = run(capsys, "search", "guide", QUESTION, "--json")
    hits = json.loads(out)["hits"]
    assert all({"features", "ranks", "also"} <= hit.keys() and hit["features"] and hit["ranks"] for hit in hits)
    status, out, _ = run(capsys, "search", "guide", QUESTION, "--explain")
    assert status == 0 and "Confidence" in out.splitlines()[-1]
    explained = [line.split() for line in out.splitlines()]
    for hit in hits:
        for name, value in hit["features"].items():
            assert [*name.split(), f"{value:.4f}"] in explained
        for ranker, place in hit["ranks"].items():
            assert ["place,", ranker, str(place)] in explained
    _, plain, _ = run(capsys, "search", "guide", QUESTION)
    assert set(plain.splitlines()) < set(out.splitlines())


def test_explained_values_stand_below_each_other():
    chunk = Chunk("a", "a", "Guide", "en.pdf", "en", 2, 3, 0, 4, (), "Text")
    hit = Hit(chunk, 0.5, {"lexical": 12}, {"coverage": 0.75, "cosine lead": -10.5}, ("copy.pdf",))
    assert _search_text(Retrieval((hit,), 0.875, "hu"), explain=True).splitlines() == [
        " 1. 0.500  Guide (en.pdf, pp. 2-3, en)",
        "    also in copy.pdf",
        "    Text",
        "    coverage          0.7500",
        "    cosine lead     -10.5000",
        "    place, lexical   12",
        "Confidence 0.875, language hu.",
    ]
    assert _search_text(Retrieval((), 0.0, "en")) == "Nothing was found."


@pytest.mark.parametrize("command", ["search", "ask"])
def test_filters_reach_the_engine(environment, capsys, monkeypatch, command):
    asked = []

    class Listening(Engine):
        def _domain(self, question):
            asked.append(question)
            return super()._domain(question)

    monkeypatch.setattr("rag.__main__.Engine", Listening)
    filters = ("--filter", "language=en", "--filter", "date=>=2021")
    status, _, _ = run(capsys, command, "guide", QUESTION, *filters, "--json")
    assert status == 0 and asked
    assert all(question.filters == {"language": "en", "date": ">=2021"} for question in asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["search", "guide", "x", "--filter", "hu"], "KEY=VALUE"),
        (["ask", "guide", "x", "--filter", "kind=pdf", "--filter", "kind=txt"], "given twice"),
        (["ask", "guide"], "question"),
        (["search", "guide", "x", "-k", "0"], "from 1 to 1000"),
        (["search", "guide", "x", "-k", "many"], "from 1 to 1000"),
        (["ask", "nowhere", "x"], "guide"),
        (["search", "nowhere", "x"], "guide"),
        (["ask", "guide", "x", "--model", "gpt"], "not the name of a model"),
        (["ask", "guide", "  "], "type a question"),
        (["ask", "guide", "why " * 5000], "20000"),
        (["ask", "guide", " ", "--language", "hu"], "írja be"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(environment, capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and said in err


def test_a_wrong_setting_exits_with_2(environment, capsys, monkeypatch):
    monkeypatch.setenv("LACERTA_PORT", "many")
    status, _, err = run(capsys, "ask", "guide", QUESTION)
    assert status == 2 and "LACERTA_PORT" in err


@pytest.mark.parametrize("command", ["ask", "search"])
def test_without_an_index_the_command_that_makes_one_is_named(environment, capsys, monkeypatch, tmp_path, command):
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    status, out, err = run(capsys, command, "guide", QUESTION)
    assert status == 1 and out == "" and "make ingest DOMAIN=guide" in err


def test_a_model_that_is_not_one_leaves_an_answer_and_a_reason(environment, tmp_path):
    # In a process of its own, because the reason for whoever runs the program is in the log.
    path = tmp_path / "page.gguf"
    path.write_text("<html>")
    finished = subprocess.run(
        [sys.executable, "-m", "rag", "ask", "guide", QUESTION, "--model", f"gguf:{path}", "--json"],
        cwd=ROOT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    answer = json.loads(finished.stdout)
    assert finished.returncode == 0 and answer["model"] == "extractive"
    assert "gguf:page.gguf did not answer" in answer["notices"][0]
    assert "is not a GGUF file" in finished.stderr and "Traceback" not in finished.stderr
