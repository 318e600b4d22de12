from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.outcome import (
    CitedPlace,
    Outcome,
    Ranked,
    Run,
    Said,
    SaidSentence,
    ShownPassage,
    by,
    load_outcomes,
    runs,
    save_outcomes,
)
from evaluation.questions import GoldQuestion, GoldSource
from rag.errors import ConfigurationError

QUESTION = GoldQuestion(
    "hu-1",
    'Hány óra?\u2028"240"?',
    "hu",
    "space",
    ("240 óra", "árvíztűrő"),
    (GoldSource("a.pdf", 2), GoldSource("b.md", None, 3)),
    ("hu", "ko"),
)
SAID = Said(
    text="240 óra. [1]\n\n시간 🚀 \\ \u0085",
    answered=True,
    language="hu",
    model="openai:x",
    sentences=(SaidSentence("240 óra.", (1, 2), True), SaidSentence("시간", (), False)),
    citations=(CitedPlace(1, "a.pdf", 2, "240\n óra"),),
    passages=(ShownPassage("a.pdf", "Cím", 2, 3, "hu", 0.1 + 0.2, "240\f óra"),),
    seconds={"total": 1 / 3, "first_token": 1e-9},
    prompt_tokens=0,
    completion_tokens=12,
    notices=("Figyelem",),
)
OUTCOMES = (
    Outcome(QUESTION, {"lexical": (), "fused": (Ranked("a.pdf", 1, 2), Ranked("b.md"))}, 0.7, SAID),
    Outcome(
        replace(QUESTION, id="ko-1", set="other", language="ko", sources=(), answerable=False),
        {},
        0.0,
        None,
        "language",
    ),
)
RUN = Run(
    set="BEIR set/ű",
    outcomes=OUTCOMES,
    settings={"models": ["extractive"], "refuse_below": 0.25, "reranker": ""},
    revision="0123456789ab-dirty",
    index_version="20260101T000000000000Z",
    machine={"cores": 2, "memory_gb": 8.5},
    time="2026-01-02T03:04:05+00:00",
    seconds=12.345,
)


def test_nothing_is_lost_on_disk(tmp_path: Path) -> None:
    save_outcomes(tmp_path / "some.jsonl", OUTCOMES)
    assert load_outcomes(tmp_path / "some.jsonl") == OUTCOMES
    assert len((tmp_path / "some.jsonl").read_bytes().split(b"\n")) == 3


def test_a_run_is_kept_by_set_time_revision_and_version(tmp_path: Path) -> None:
    first = RUN.save(tmp_path)
    assert first.parent.parent == tmp_path
    assert first.name == "20260102T030405Z-0123456789ab-dirty-20260101T000000000000Z"
    assert Run.load(first) == RUN
    assert RUN.threshold == 0.25
    later = replace(RUN, time="2026-01-02T03:04:06+00:00", outcomes=()).save(tmp_path)
    again = RUN.save(tmp_path)
    assert again.name == f"{first.name}-2"
    assert runs(tmp_path, RUN.set) == [first, again, later]
    assert runs(tmp_path, "nothing") == []


def test_a_run_that_was_broken_off_is_none(tmp_path: Path) -> None:
    folder = RUN.save(tmp_path)
    lines = (folder / "outcomes.jsonl").read_text(encoding="utf-8").split("\n")
    (folder / "outcomes.jsonl").write_text(lines[0], encoding="utf-8")
    with pytest.raises(ConfigurationError, match="should have 2 outcomes, has 1"):
        Run.load(folder)
    (folder / "outcomes.jsonl").write_text(f"{lines[0]}\n{lines[1][:50]}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        Run.load(folder)
    (folder / "run.json").unlink()
    with pytest.raises(ConfigurationError, match="no run"):
        Run.load(folder)
    assert runs(tmp_path, RUN.set) == []


def test_a_run_of_another_format_is_named(tmp_path: Path) -> None:
    folder = replace(RUN, format=0).save(tmp_path)
    with pytest.raises(ConfigurationError, match="format 0"):
        Run.load(folder)


def test_groups() -> None:
    assert {name: len(some) for name, some in by(OUTCOMES, "set").items()} == {"other": 1, "space": 1}
    assert list(by(OUTCOMES, "pair")) == ["hu-hu", "ko-ko"]
