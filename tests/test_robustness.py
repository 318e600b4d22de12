import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.outcome import Run, runs
from evaluation.questions import GoldQuestion
from evaluation.robustness import (
    LEADING,
    PLAIN,
    Retyped,
    Robustness,
    effects,
    measure,
    report,
    retyped,
    sections,
    spaced,
)
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.settings import Settings
from tests.files import make_domain

PAGES = {
    "stork.md": "The white stork nests on chimneys. It flies to Africa in August.\n",
    "owl.md": "A gyöngybagoly egereket fogyaszt. Tojásai harminc nap alatt kelnek ki a templomtoronyban.\n",
    "crane.md": "두루미는 겨울에 철원 평야로 날아온다. 두루미의 날개는 이 미터가 넘는다.\n",
    "heron.md": "왜가리는 강가에서 물고기를 잡아먹는다. 둥지는 높은 소나무 위에 짓는다.\n",
}
QUESTIONS = [
    ("stork", "When does the white stork fly to Africa?", "en", "August", "stork.md"),
    ("owl", "Hány nap alatt kelnek ki a gyöngybagoly tojásai?", "hu", "harminc nap", "owl.md"),
    ("crane", "두루미는 겨울에 어디로 날아오나요?", "ko", "철원 평야", "crane.md"),
    ("heron", "왜가리는 어디에 둥지를 짓나요?", "ko", "소나무 위", "heron.md"),
    ("opera", "Who wrote the opera Carmen?", "en", "", ""),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("robustness")
    sources = make_domain(folder / "corpora")
    for name, text in PAGES.items():
        (sources / name).write_text(text, encoding="utf-8")
    lines = [
        {
            "id": name,
            "question": text,
            "language": language,
            "answerable": bool(source),
            "answer": answer,
            "sources": [{"source": source, "page": 1}] if source else [],
        }
        for name, text, language, answer, source in QUESTIONS
    ]
    (sources.parent / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    assert not bring_up_to_date(settings, "birds").failures
    return settings


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    engine = Engine(settings)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def found(engine: Engine) -> Robustness:
    return measure(engine, "birds", variants=("upper_case", "decomposed", "english_keyboard"))


def ids(run: Run) -> list[str]:
    return [outcome.question.id for outcome in run.outcomes]


def test_only_changed_questions_are_asked_again(found: Robustness) -> None:
    runs = {item.variant: item.run for item in found.variants}
    assert len(found.plain.outcomes) == len(QUESTIONS)
    assert ids(runs["upper_case"]) == ["stork", "owl", "opera"]
    assert ids(runs["decomposed"]) == ["owl", "crane", "heron"]
    assert ids(runs["english_keyboard"]) == ["crane", "heron"]
    assert runs["english_keyboard"].outcomes[0].question.text == "enfnalsms rudnfdp djelfh skfdkdhskdy?"


def test_figures_are_compared_question_by_question(found: Robustness) -> None:
    decomposed = next(item for item in found.variants if item.variant == "decomposed")
    whole = decomposed.change(LEADING)
    assert whole and (whole.before, whole.after, whole.comparison.p_value) == (1, 1, 1)
    korean = decomposed.change("answers/inside", "ko")
    assert korean and korean.comparison.difference.count == 2
    assert decomposed.change(LEADING, "en") is None
    upper = next(item for item in found.variants if item.variant == "upper_case")
    refused = upper.change("refusals/refused")
    assert refused and refused.comparison.difference.count == 1


def test_a_loss_is_seen(found: Robustness) -> None:
    outcomes = (replace(one, rankings={"fused": ()}, said=None, failure="x") for one in found.plain.outcomes)
    lost = replace(found.plain, outcomes=tuple(outcomes))
    broken = Retyped("typo", lost, effects(found.plain, lost))
    change = broken.change(LEADING)
    assert change and (change.before, change.after) == (1, 0)
    assert change.comparison.difference.value == -1
    assert change.comparison.p_value == 2 / 2**4
    answered = broken.change("refusals/answered")
    assert answered and answered.after == 0


def test_the_report_has_what_was_measured(found: Robustness) -> None:
    content = json.loads(json.dumps(report(found)))
    figures = content["variants"]["decomposed"]["groups"]["ko"][LEADING]
    assert (figures["before"], figures["after"], figures["difference"]["count"]) == (1, 1, 2)
    table = sections("birds", found)[0]
    assert all(len(row) == len(table.titles) for row in table.rows)
    assert table.figure and b"<svg" in table.figure
    variants = [row[0] for row in table.rows]
    assert set(variants) == {"upper_case", "decomposed", "english_keyboard"}


def test_questions_are_taken_from_the_whole_set() -> None:
    questions = [GoldQuestion(str(number), "x", "en", "s") for number in range(10)]
    assert [question.id for question in spaced(questions, 3)] == ["0", "3", "6"]
    assert spaced(questions, 99) == questions
    assert spaced([], 3) == []


def test_a_question_keeps_all_but_its_text() -> None:
    question = GoldQuestion("q", "Őszi zápor", "hu", "s", ("eső",))
    assert retyped(question, "latin1_accents") == replace(question, text="Õszi zápor")


def test_the_command(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(settings.var))
    monkeypatch.setenv("LACERTA_CORPORA", str(settings.corpora))
    arguments = ["robustness", "birds", "--variant", "lower_case", "--limit", "2", "--no-answers"]
    assert main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["sets"]["birds"]["questions"] == 2
    page = Path(content["report"])
    assert "lower_case" in page.read_text(encoding="utf-8")
    assert json.loads((page.parent / "robustness.json").read_text(encoding="utf-8")) == content
    assert len(runs(page.parent / "birds", PLAIN)) == 1
    assert main(["robustness", "fish"]) == 2
    assert "Domains: birds" in capsys.readouterr().err
