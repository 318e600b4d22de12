import json
from dataclasses import replace
from pathlib import Path

import pytest

import ingest.split
import rag.weights
from evaluation.__main__ import main
from evaluation.compare import Compared, against_first, compare, markdown, plotted, section
from evaluation.configuration import AS_SET, Configuration
from evaluation.outcome import Run
from ingest.pipeline import bring_up_to_date
from rag.errors import ConfigurationError
from rag.settings import RetrievalSettings, Settings
from tests.files import make_domain
from tests.test_changes import outcome, question, run

TOPICS = {
    "stork": "The white stork nests on chimneys. It flies to Africa in August and returns in March.",
    "owl": "The barn owl hunts mice at night. Its eggs hatch after thirty days in the church tower.",
    "heron": "The grey heron stands in shallow water. It eats fish, frogs and the occasional vole.",
}
QUESTIONS = [
    ("stork", "When does the white stork fly to Africa?", "in August"),
    ("owl", "How long until the eggs of the barn owl hatch?", "thirty days"),
    ("heron", "What does the grey heron eat?", "fish, frogs"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("compare")
    sources = make_domain(folder / "corpora")
    paragraph = " ".join([*TOPICS.values()])
    for name, text in TOPICS.items():
        (sources / f"{name}.md").write_text(f"# {name}\n\n{text} {paragraph}\n\n" * 4, encoding="utf-8")
    lines = [
        {
            "id": name,
            "question": text,
            "language": "en",
            "answerable": True,
            "answer": answer,
            "sources": [{"source": f"{name}.md", "page": 1}],
        }
        for name, text, answer in QUESTIONS
    ]
    questions = sources.parent / "questions.jsonl"
    questions.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1)
    assert not bring_up_to_date(settings, "birds").failures
    return settings


@pytest.fixture(scope="module")
def compared(settings: Settings) -> tuple[Compared, ...]:
    texts = ("", "embedder=fast", "chunk_tokens=60,passages=2", "fusion.same.coverage=0,fusion.same.titles=-9")
    return compare(settings, "birds", [*map(Configuration.parse, texts)])


def test_a_configuration_is_told_in_words() -> None:
    found = Configuration.parse(" embedder=fast, passages=8,refuse_below=0.1, model=gguf:a.gguf")
    assert found.label == "embedder=fast, passages=8, refuse_below=0.1, model=gguf:a.gguf"
    changed = found.settings(Settings())
    assert (changed.embedder, changed.models) == ("fast", ("gguf:a.gguf",))
    assert changed.reranker == Settings().reranker
    assert found.retrieval(RetrievalSettings()) == RetrievalSettings(passages=8, refuse_below=0.1)
    assert Configuration.parse("").label == AS_SET


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("embedder", "should be key=value"),
        ("top_k=5", "'top_k' can't be compared. Keys: embedder, model"),
        ("passages=many", "passages should be a number, is now 'many'"),
        ("passages=0", "at least 1, is now 0"),
        ("passages=3,passages=4", "comes twice"),
        ("chunk_tokens=5", "at least 20, is now 5"),
        ("weights=nowhere.json", "no file of weights nowhere.json"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Configuration.parse(text)


def test_constants_are_changed_for_the_time_of_a_run(tmp_path: Path) -> None:
    before = ingest.split.TARGET_TOKENS, ingest.split.LIMIT_TOKENS, rag.weights.PATH
    own = rag.weights.weights("fusion")
    file = tmp_path / "weights.json"
    file.write_text(json.dumps({"fusion": own | {"same": own["same"] | {"titles": 7.0}}}), encoding="utf-8")
    changed = Configuration.parse(f"chunk_tokens=100,weights={file},fusion.same.cosine lead=0.5")
    with pytest.raises(ZeroDivisionError), changed.in_force():
        assert ingest.split.TARGET_TOKENS == 100
        assert ingest.split.LIMIT_TOKENS - 100 == before[1] - before[0]
        weights = rag.weights.weights("fusion")["same"]
        assert (weights["titles"], weights["cosine lead"]) == (7.0, 0.5)
        assert weights["coverage"] == own["same"]["coverage"]
        raise ZeroDivisionError
    assert (ingest.split.TARGET_TOKENS, ingest.split.LIMIT_TOKENS, rag.weights.PATH) == before
    assert rag.weights.weights("fusion") == own
    with pytest.raises(ConfigurationError, match="no weight for fusion.same.luck"):
        Configuration.parse("fusion.same.luck=1").in_force().__enter__()


def test_every_configuration_is_asked_the_same(compared: tuple[Compared, ...], settings: Settings) -> None:
    base, fast, small, blind = (item.run for item in compared)
    assert [item.set for item in (base, small)] == ["birds as set", "birds chunk_tokens=60, passages=2"]
    assert len({tuple(outcome.question for outcome in item.outcomes) for item in (base, fast, small, blind)}) == 1
    assert base.settings["embedder"].startswith("balanced") and fast.settings["embedder"].startswith("student")
    assert small.settings["chunks"] > base.settings["chunks"]
    assert (small.settings["chunk_tokens"], small.settings["passages"]) == (60, 2)
    assert blind.settings["fusion.same.titles"] == -9
    # The same index, other weights.
    assert blind.index_version == base.index_version != small.index_version
    assert blind.outcomes[0].rankings["fused"] != base.outcomes[0].rankings["fused"]
    assert [path.name for path in (settings.var / "index").iterdir()] == ["birds"]


def test_the_table_holds_each_against_the_first(compared: tuple[Compared, ...]) -> None:
    part = section(compared)
    assert part.titles[:3] == ("figure", AS_SET, "embedder=fast")
    assert all(len(row) == len(part.titles) for row in part.rows)
    recall = {row[0]: row for row in part.rows}["retrieval/document/shown/recall@5"]
    assert recall[1:3] == ("100.0", "100.0 (+0.0, p 1.000)")
    drawn = plotted(compared)
    assert drawn.rows == part.rows and drawn.figure and b"chunk_tokens=60" in drawn.figure
    text = markdown(compared)
    assert text.count("\n|") == len(part.rows) + 2 and "-9 |" in text


def test_differences_are_of_the_same_questions() -> None:
    def as_compared(text: str, found: Run) -> Compared:
        return Compared(Configuration.parse(text), found)

    asked = [question(number) for number in range(1, 9)]
    first = run(*(outcome(one) for one in asked))
    second = run(*(outcome(one, place=int(one.id > "q4")) for one in asked[1:]))
    row = against_first([as_compared("", first), as_compared("passages=2", second)])["retrieval/page/shown/recall@5"]
    assert row[0].comparison is None and row[0].value == 1.0
    assert row[1].value == pytest.approx(4 / 7)
    assert row[1].comparison and row[1].comparison.difference.count == 7
    assert row[1].comparison.p_value == 2 / 8


def test_one_command_writes_table_and_report(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(settings.var))
    monkeypatch.setenv("LACERTA_CORPORA", str(settings.corpora))
    assert main(["compare", "birds", "--with", "passages=2", "--limit", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["label"] for item in found["configurations"]] == [AS_SET, "passages=2"]
    assert [Run.load(Path(item["kept"])).settings["passages"] for item in found["configurations"]] == [6, 2]
    assert Path(found["table"]).read_text(encoding="utf-8") == found["markdown"]
    assert "passages=2" in Path(found["report"]).read_text(encoding="utf-8")
    assert found["figures"]["refusals/answered"][1]["p_value"] == 1.0
    assert main(["compare", "birds", "--with", "chunks=2"]) == 2
    assert main(["compare", "fish", "--with", "passages=2"]) == 2
    assert "Domains: birds" in capsys.readouterr().err


def test_a_folder_in_beir_layout_shares_one_index(tmp_path: Path) -> None:
    folder = tmp_path / "birds-en"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": name, "title": "", "text": text} for name, text in TOPICS.items()]
    asked = [{"_id": f"q-{name}", "text": text, "answers": [answer]} for name, text, answer in QUESTIONS]
    for name, records in (("corpus", documents), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    labels = "".join(f"q-{name}\t{name}\t1\n" for name in TOPICS)
    (folder / "qrels" / "test.tsv").write_text(f"q\td\ts\n{labels}", encoding="utf-8")
    settings = replace(Settings(), var=tmp_path / "var", threads=1)
    first, second = compare(settings, str(folder), [*map(Configuration.parse, ("", "passages=1"))])
    assert first.run.index_version == second.run.index_version
    assert (first.run.set, len(second.run.outcomes)) == ("birds-en as set", 3)
    assert {len(item.said.passages) for item in second.run.outcomes if item.said} == {1}
    with pytest.raises(ConfigurationError, match="chunk_tokens is for domains"):
        compare(settings, str(folder), [Configuration.parse("chunk_tokens=100")])
