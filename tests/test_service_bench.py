"""The tools that put the program under load: what they take for wrong, and a few seconds of each."""

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from evaluation.__main__ import main
from evaluation.service import overhead, page, search, soak
from evaluation.service.model import FAULTS, answer_of
from evaluation.service.program import module
from evaluation.service.session import Drawn
from evaluation.service.truth import Said, Truth, question_of, source_of, text_of
from evaluation.service.visits import wrong_of

CODE = {revision: f"4004{revision:03}" for revision in range(3)}


def asked(text: str = "") -> dict[str, object]:
    passages = '<passage number="2" title="x">\nAbout the sea.\n\nThe code of Keldora-109 is 7.\n</passage>'
    question = f"{passages}\n\nQuestion: What is the code of Keldora-109?\n\nAnswer in English."
    return {"model": "m", "stream": True, "seed": 5, "messages": [{"role": "user", "content": text or question}]}


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    """Document 4 has its second revision since 100 seconds; the first ended at 200."""
    truth = Truth("harbour", tmp_path, 10)
    states = [(0.0, 200.0, dict.fromkeys(range(10), 0)), (100.0, float("inf"), {**dict.fromkeys(range(10), 0), 4: 1})]
    truth._states[:] = states
    return truth


@pytest.mark.parametrize(
    ("code", "begin", "end"), [(CODE[0], 10, 20), (CODE[0], 150, 160), (CODE[1], 150, 160), (CODE[1], 300, 310),
                               (CODE[0], 199, 300), (CODE[1], 50, 101)]
)  # fmt: skip
def test_an_answer_from_a_version_that_served_meanwhile_is_right(
    truth: Truth, code: str, begin: float, end: float
) -> None:
    assert truth.wrong(4, Said(f"The code is {code}. [1]"), begin, end) == ""


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (Said(f"The code is {CODE[0]}."), "revision 0"),
        (Said(f"The code is {CODE[2]}."), "revision 2"),
        (Said("The code is 5004001."), "islands"),
        (Said("The code is 4099000."), "harbour 99"),
        (Said("The code is 4005000."), "does not tell"),
        (Said("There are many lighthouses."), "does not tell"),
        (Said(f"The code is {CODE[1]}.", (("099.txt", "x"),)), "not there"),
        (Said(f"The code is {CODE[1]}.", ((source_of(4), "never written"),)), "never written"),
        (Said(f"The code is {CODE[1]}.", ((source_of(4), CODE[0]),)), CODE[0]),
    ],
)
def test_what_is_wrong_about_an_answer_is_named(truth: Truth, said: Said, named: str) -> None:
    assert named in truth.wrong(4, said, 300, 310)


def test_parts_of_one_answer_come_from_one_version(truth: Truth) -> None:
    old, new = text_of("harbour", 4, 0), text_of("harbour", 4, 1)
    mixed = Said(f"The code is {CODE[1]}.", ((source_of(4), old[-900:]), (source_of(4), new)))
    assert truth.wrong(4, mixed, 300, 310) and truth.wrong(4, Said(f"{CODE[0]} {CODE[1]}"), 150, 160)
    assert truth.wrong(4, Said(f"The code is {CODE[1]}.", ((source_of(4), new),)), 150, 160) == ""


def test_an_answer_that_says_it_is_not_whole_may_lack_the_code_but_not_tell_another(truth: Truth) -> None:
    assert truth.wrong(4, Said("There is", whole=False), 300, 310) == ""
    assert truth.wrong(4, Said(f"{CODE[0]}", whole=False), 300, 310)


def test_files_change_with_the_states(tmp_path: Path) -> None:
    truth = Truth("islands", tmp_path, 6)
    kinds = [truth.change() for _ in range(6)]
    assert kinds == ["updated", "added", "removed"] * 2
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {
        source_of(number): text_of("islands", number, revision) for number, revision in truth.state.items()
    }
    assert len(truth.states(0, float("inf"))) == 7
    truth.published(0)
    assert [*truth.removed] and truth.states(truth._states[-2][1] + 1, float("inf")) == [truth.state]


def test_the_model_says_the_sentence_that_fits_the_question() -> None:
    assert answer_of(asked()["messages"]) == "The code of Keldora-109 is 7. [2]"  # type: ignore[arg-type]
    assert "[" not in answer_of(asked("Hello")["messages"])  # type: ignore[arg-type]


def test_the_model_writes_at_its_rate_and_tells_when() -> None:
    with module("evaluation.service.model", "--seconds", "0.01", "--words", "30") as server:
        with httpx.Client(trust_env=False) as client:
            told = client.post(f"{server}/chat/completions", json=asked())
            times = client.get(server).json()
    assert told.text.count('"content"') == 30 and told.text.endswith("data: [DONE]\n\n")
    came, began = times["times"]["5"]
    assert began - came >= 0.01 and times["failed"] == {}


def test_the_model_fails_in_every_way() -> None:
    found = []
    with module("evaluation.service.model", "--faulty", "1") as server, httpx.Client(trust_env=False) as client:
        for _ in FAULTS:
            try:
                told = client.post(f"{server}/chat/completions", json=asked(), timeout=0.5)
                found.append(str(told.status_code) if told.status_code != 200 else told.text[-60:])
            except httpx.TransportError as error:
                found.append(type(error).__name__)
        assert client.get(server).json()["failed"] == dict.fromkeys(FAULTS, 1)
    by_name = dict(zip(FAULTS, found, strict=True))
    assert by_name["refused"] in ("ReadError", "RemoteProtocolError")
    assert by_name["500"] == "500" and by_name["429"] == "429"
    assert by_name["hangs"] == by_name["hangs in the middle"] == "ReadTimeout"
    whole = [name for name, text in by_name.items() if text.endswith("[DONE]\n\n")]
    assert whole == ["nothing", "another language"]


def test_overhead_over_a_model_server(tmp_path: Path) -> None:
    report = overhead.measure(tmp_path, [1, 2], answers=2, rate=500, processes=1)
    for found in report["streams"].values():
        assert found["direct"]["p50"] >= 2
        assert found["through"]["p50"] >= found["before"]["p50"] and found["cached"] == 1
    assert len(overhead.markdown(report)) == 6


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_search_is_asked_by_wrk(tmp_path: Path) -> None:
    report = search.measure(tmp_path, 60, [1], [2], seconds=1)
    (figures,) = report["figures"]
    assert figures["requests_per_second"] > 0 and figures["p95"] >= figures["p50"] > 0
    assert figures["refused"] == figures["broken"] == 0
    assert len(search.markdown(report)) == 5


def test_some_seconds_of_everything(tmp_path: Path) -> None:
    options = soak.Options(
        minutes=0.25, processes=2, visitors=4, pause=0.1, faulty=0.2, ingest_seconds=3, kill_seconds=5, documents=6
    )
    report = soak.run(options, tmp_path)
    assert report["examples"] == [] and report["wrong"] == 0
    assert sum(report["ingests"].values()) >= 1 and report["kills"] >= 1 and report["faults"]
    assert sum(found.get("right", 0) for found in report["visits"].values()) > 50
    assert "Wrong: 0." in soak.markdown(report)[0]


def test_visitors_of_the_page_each_get_the_answers_to_their_own_questions(tmp_path: Path) -> None:
    report = page.measure(tmp_path, visitors=6, seconds=4, think_seconds=0.1, processes=1)
    assert report["examples"] == [] and report["wrong"] == 0
    assert report["outcomes"]["right"] > 1 and report["seconds"]["answer"]["p95"] > 0
    assert "Wrong: 0." in page.markdown(report)[0]


def test_a_mixed_up_page_is_seen(truth: Truth) -> None:
    asked, other = question_of(4), question_of(5)
    answer = {"text": f"It is {CODE[0]}.", "answerable": True, "notices": [], "citations": []}
    exchanges = [{"question": asked, "answer": answer}]
    kept = {"domain": "harbour", "exchanges": exchanges, "references": []}
    html = f'<p>{asked}</p><div class="text">It is {CODE[0]}.</div>'
    right = Drawn(html, kept, 0.1, 0.2)
    assert wrong_of(truth, [4], right, 20) == ""
    for mixed in (
        replace(right, html=html.replace(CODE[0], "4005000")),
        replace(right, html=html.replace(asked, other)),
        replace(right, html=asked),
        replace(right, conversation=kept | {"domain": "islands"}),
        replace(right, conversation=kept | {"exchanges": [*exchanges, *exchanges]}),
        replace(
            right, conversation=kept | {"exchanges": [{"question": asked, "answer": answer | {"text": "4005000"}}]}
        ),
    ):
        assert wrong_of(truth, [4], mixed, 20)


def test_a_wrong_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["service", "nothing"])
    assert "overhead" in capsys.readouterr().err


def test_questions_name_one_document() -> None:
    assert len({question_of(number) for number in range(60)}) == 60
