import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.__main__ import main
from evaluation.bench import ingest as bench_ingest
from evaluation.bench import page as bench_page
from evaluation.bench import plain
from evaluation.bench import process as bench_process
from evaluation.bench.beside import Plain
from evaluation.bench.embedding import ENCODERS
from evaluation.bench.index import MadeIndex, write_rows
from evaluation.bench.parts import PARTS, Options, markdown, run, sections
from evaluation.bench.search import _plain_recall, exact, own_recall
from evaluation.made import CHARACTERS, MadeVectors, chunk_of, language_of, question_of, vocabulary
from evaluation.made_files import KINDS, write_documents, write_small_files
from evaluation.service.program import write_domain
from ingest.blocks import page_text
from ingest.loaders import load
from rag.errors import ConfigurationError, LacertaError
from rag.index import Index
from rag.languages import detect
from rag.settings import LANGUAGES, ROOT, Settings

PLAIN = Plain.find(Options().plain)
without_plain = pytest.mark.skipif(not PLAIN.works, reason="make bench sets the plain pipeline up")


def unit_rows(count: int, dimension: int = 32) -> np.ndarray:
    rows = np.random.default_rng(1).standard_normal((count, dimension), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_made_chunks_are_of_their_language_and_length() -> None:
    chunks = [chunk_of(number) for number in range(90)]
    assert chunks == [chunk_of(number) for number in range(90)]
    assert len({chunk.id for chunk in chunks}) == 90
    assert Counter(chunk.language for chunk in chunks) == dict.fromkeys(LANGUAGES, 30)
    assert all(detect(chunk.text) == chunk.language for chunk in chunks)
    assert all(CHARACTERS <= len(chunk.text) < CHARACTERS + 200 for chunk in chunks)
    assert len({chunk.document_id for chunk in chunks}) == 6
    assert len({(chunk.document_id, chunk.title) for chunk in chunks}) == 6


def test_one_chunk_alone_answers_a_question() -> None:
    texts = {number: chunk_of(number).text for number in range(300)}
    for number in range(300):
        name = next(word for word in question_of(number).split() if word.strip("?")[-4:].isdigit()).strip("?")
        assert [other for other, text in texts.items() if name in text.split()] == [number]
    questions = {question_of(number) for number in range(0, 1_000_000, 97)}
    assert len(questions) == len(range(0, 1_000_000, 97))


def test_words_follow_zipf() -> None:
    words, shares = vocabulary("en")
    assert len(words) == len(shares) > 2000
    assert words[0] == "the"
    # Rank r weighs 1 / (r + 2.7).
    assert shares[0] / (shares[9] - shares[8]) == pytest.approx(12.7 / 3.7)
    assert shares[-1] == 1


def test_corpora_without_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ko"):
        vocabulary("ko", tmp_path)


def test_perturbed_vectors_stay_near_a_real_one_of_their_language() -> None:
    real = unit_rows(31)
    vectors = MadeVectors(real)
    assert np.array_equal(vectors.rows(10, 20), real[10:20])
    rows = vectors.rows(0, 100)
    assert np.array_equal(rows, vectors.rows(0, 100))
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows[:31], real, atol=1e-6)
    for number in range(31, 100):
        assert language_of(number) == language_of(number % 30)
        assert rows[number] @ real[number % 30] == pytest.approx(0.86, abs=0.12)
    assert len(np.unique(rows, axis=0)) == 100


def test_recall_falls_where_the_index_holds_other_vectors(tmp_path: Path) -> None:
    real = unit_rows(90)
    made = MadeIndex(tmp_path, 90, "made")
    write_rows(made, MadeVectors(real))
    assert made.build_own(32)["disk_mb"] > 0
    rows = np.load(made.rows, mmap_mode="r")
    index = Index.open_folder(made.index, "made")
    assert own_recall(index, exact(rows, real[:9])[0], real[:9]) == 1
    assert own_recall(index, exact(rows[::-1], real[:9])[0], real[:9]) < 0.7
    index.close()


def test_exact_search_finds_the_nearest_of_each_language() -> None:
    rows, asked = unit_rows(300), unit_rows(300)[5:9]
    names, scores = exact(rows, asked)
    for turn in range(3):
        of_language = np.arange(turn, 300, 3)
        for place, vector in enumerate(asked):
            best = of_language[np.argsort(-(rows[of_language] @ vector))[:10]]
            assert {*names[turn, place]} == {*best}
            assert np.allclose(np.sort(scores[turn, place]), np.sort(rows[best] @ vector), atol=1e-6)
    nearest = [[chunk_of(int(number)).id for number in np.argsort(-(rows @ vector))[:10]] for vector in asked]
    assert _plain_recall(names, scores, nearest) == 1
    assert _plain_recall(names, scores, [ids[:5] for ids in nearest]) == 0.5


def search_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], python: Path
) -> dict[str, Any]:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    monkeypatch.setenv("LACERTA_EMBEDDER", "fast")
    sizes = ["--chunks", "30", "60", "--questions", "6", "--plain", str(python)]
    assert main(["bench", "--only", "search", "--json", *sizes]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report.keys() == {"machine", "date", "load", "search"}
    assert report["search"]["sizes"].keys() == {"30", "60"}
    return report


def test_search_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = search_report(tmp_path, monkeypatch, capsys, tmp_path / "python")
    for figures in report["search"]["sizes"].values():
        assert figures.keys() == {"own", "perturbed_vectors"}
        assert figures["perturbed_vectors"] == 0
        own = figures["own"]
        assert own["found@10"] == 1
        assert own["approximate_recall@10"] > 0.9
        assert 0 < own["latency_ms"]["p50"] <= own["latency_ms"]["p95"]
        assert 0 < own["resident_mb"]["embedder"] < own["resident_mb"]["index"]
        assert own["disk_mb"] > 0
    assert "| latency p50, ms | " in markdown(report)
    # What was built is kept, and is not built again.
    built = sorted((tmp_path / "bench").glob("*/own/manifest.json"))
    assert len(built) == 2
    times = [path.stat().st_mtime_ns for path in built]
    search_report(tmp_path, monkeypatch, capsys, tmp_path / "python")
    assert times == [path.stat().st_mtime_ns for path in built]


@without_plain
def test_the_plain_pipeline_is_asked_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = search_report(tmp_path, monkeypatch, capsys, PLAIN.python)
    for figures in report["search"]["sizes"].values():
        assert figures["plain"].keys() == figures["own"].keys() - {"stages_ms"}
        assert figures["plain"]["approximate_recall@10"] > 0.9
        assert 0 < figures["plain"]["found@10"] <= 1


def test_a_build_that_was_stopped_is_begun_anew(tmp_path: Path) -> None:
    made = MadeIndex(tmp_path, 30, "made")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "half").touch()
    built: list[str] = []

    def build() -> dict[str, Any]:
        built.append("once")
        assert not made.index.exists()
        return {"build_seconds": 1.0}

    first = made.once("own", build)
    assert made.once("own", build) == first
    assert first["build_seconds"] == 1.0
    assert built == ["once"]


def test_start_figures(tmp_path: Path) -> None:
    corpora = tmp_path / "corpora"
    (write_domain(corpora, "made") / "one.txt").write_text("The antenna has a diameter of 70 metres.\n", "utf-8")
    settings = Settings(var=tmp_path / "var", corpora=corpora, embedder="fast")
    options = Options(settings, rounds=1, plain=PLAIN.python if PLAIN.works else tmp_path / "python")
    report = run(options, ["start"])
    found = report["start"]["pipelines"]
    assert report["start"]["files"] == 1
    assert found.keys() >= ({"Lacerta", "plain, fast"} if PLAIN.works else {"Lacerta"})
    for figures in found.values():
        assert 0 < figures["ready"] <= figures["first"]
        assert figures["resident_mb"] > 10
        assert figures["nothing"] > 0
    assert "| Lacerta | " in markdown(report)
    assert not [*(tmp_path / "var" / "bench").iterdir()]


def test_embedding_rates_without_the_torch_pipeline(tmp_path: Path) -> None:
    options = Options(Settings(var=tmp_path), plain=tmp_path / "python", rounds=1, seconds=0, batch=1)
    report = run(options, ["embedding"])
    assert "make bench TORCH=1" in report["embedding"]["plain"]
    assert report["embedding"]["languages"].keys() == {*LANGUAGES, "mixed"}
    for found in report["embedding"]["languages"].values():
        assert found.keys() == {*ENCODERS}
        assert all(figures.keys() == {"rate"} and figures["rate"] > 0 for figures in found.values())
    assert f"| hu | {ENCODERS[0]} | " in markdown(report)


def test_an_environment_without_the_plain_pipeline_is_named(tmp_path: Path) -> None:
    # This one holds the core alone.
    for python in (Path(sys.executable), tmp_path / "python"):
        plain_pipeline = Plain.find(python)
        assert not plain_pipeline.works
        assert str(python) in plain_pipeline.described
        assert "make bench" in plain_pipeline.described


def test_a_plain_pipeline_that_ends_is_named(tmp_path: Path) -> None:
    with pytest.raises(LacertaError, match="evaluation.bench.plain ask"):
        with Plain(Path(sys.executable), {}).talk("ask", tmp_path, "nothing"):
            pass


def test_tables_are_put_between_the_markers_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench:start -->\nold\n<!-- /bench:start -->\nAfter\n", "utf-8")
    assert bench_page.write(page, {"start": "| new |", "search-30": "| more |"}) == ["search-30"]
    assert page.read_text("utf-8") == "Before\n<!-- bench:start -->\n| new |\n<!-- /bench:start -->\nAfter\n"
    assert bench_page.write(page, {"start": "| newer |"}) == []
    assert "| new |" not in page.read_text("utf-8")


def test_pages_that_can_not_be_written_are_named_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    assert main(["bench", "--write", str(page)]) == 2
    assert str(page) in capsys.readouterr().err
    page.write_text("<!-- bench:start -->\n", "utf-8")
    assert main(["bench", "--write", str(page)]) == 2
    assert "pairs" in capsys.readouterr().err


def test_the_page_of_the_project_has_a_place_for_every_table() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    bench_page.check(page)
    text = page.read_text("utf-8")
    names = ["start", "embedding", *(f"search-{count}" for count in Options().chunks)]
    names += [f"ingest-{part}" for part in ("throughput", "small_files", "memory")]
    assert [name for name in names if f"<!-- bench:{name} -->" not in text] == []


def test_made_files_hold_the_made_chunks(tmp_path: Path) -> None:
    # Four documents a language: each kind in each.
    assert write_documents(tmp_path, 12 * 20) == 12
    paths = sorted(tmp_path.rglob("*.*"))
    assert Counter(path.suffix for path in paths) == {".pdf": 6, ".txt": 3, ".csv": 3}
    assert {f".{kind}" for kind in KINDS} <= {*plain.READS}
    for number, path in enumerate(paths):
        series, language = divmod(number, len(LANGUAGES))
        chunks = [chunk_of((series * 20 + place) * len(LANGUAGES) + language) for place in range(20)]
        loaded = load(path.read_bytes(), path.name)
        assert loaded.kind == {".pdf": "pdf", ".txt": "text", ".csv": "csv"}[path.suffix]
        texts = ["\n".join(map(page_text, loaded.pages)), "\n".join(plain.pages_of(path))]
        wanted = Counter(filter(str.isalnum, "".join(chunk.text for chunk in chunks)))
        for text in texts:
            # Where the machine has no font with a letter, its place is known and its height is not.
            assert (wanted - Counter(filter(str.isalnum, text))).total() < 0.01 * wanted.total()
        if path.suffix == ".pdf":
            assert len(plain.pages_of(path)) == len(loaded.pages) > 1


def test_small_files_are_all_different(tmp_path: Path) -> None:
    paths = write_small_files(tmp_path, 600)
    assert len({path.read_bytes() for path in paths}) == len({*paths}) == 600


def ingest_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], python: Path
) -> dict[str, Any]:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    monkeypatch.setenv("LACERTA_EMBEDDER", "fast")
    sizes = ["--document-chunks", "40", "--small-files", "3", "--memory-chunks", "20", "--rounds", "1"]
    sizes += ["--encoder", "fast"]
    assert main(["bench", "--only", "ingest", "--plain", str(python), "--json", *sizes]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert not [*(tmp_path / "bench").iterdir()]
    return report


def test_ingest_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = ingest_report(tmp_path, monkeypatch, capsys, tmp_path / "python")
    figures = report["ingest"]
    assert figures["throughput"]["files"] == 2
    assert "make bench" in figures["plain"]
    assert figures["throughput"]["pipelines"].keys() == {"fast"}
    for pipeline in figures["throughput"]["pipelines"].values():
        assert (pipeline["documents"], pipeline["failed"]) == (2, 0)
        assert pipeline["chunks"] > 20
        assert pipeline["seconds"] > 0 < pipeline["processor_seconds"]
        assert "times_plain" not in pipeline
        # What is timed alone is a part of the whole.
        assert pipeline["over_embedding"] > 1
    small = figures["small_files"]
    assert small.keys() == {"files", "embedder", "own"}
    assert small["own"]["first"]["added"] == 3
    assert small["own"]["first"]["embedded"] >= 3
    assert small["own"]["unchanged"]["unchanged"] == 3
    assert small["own"]["unchanged"]["embedded"] == 0
    assert small["own"]["unchanged"]["stored"] == small["own"]["first"]["stored"] >= 3
    assert small["own"]["edited"]["updated"] == 1
    assert small["own"]["edited"]["unchanged"] == 2
    assert figures["memory"]["own"]["chunks"] > 10
    assert 0 < figures["memory"]["own"]["peak_mb"]["largest"]
    assert "| one file edited | Lacerta | " in markdown(report)
    assert {name.partition("-")[2] for name in sections(report)} == {"throughput", "small_files", "memory"}


@without_plain
def test_the_plain_pipeline_ingests_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = ingest_report(tmp_path, monkeypatch, capsys, PLAIN.python)["ingest"]
    pipelines = figures["throughput"]["pipelines"]
    theirs = pipelines["plain fast"]
    assert (theirs["documents"], theirs["failed"]) == (2, 0)
    assert theirs["stages"].keys() == {"start", "load", "split", "embed", "write"}
    assert pipelines["fast"]["times_plain"] > 0
    small = figures["small_files"]
    assert (small["plain"]["unchanged"]["embedded"], small["plain"]["unchanged"]["stored"]) == (0, 3)
    assert small["plain"]["edited"]["embedded"] == 1
    # Without a record of what it holds, it holds everything twice.
    assert (small["plain_again"]["first"]["stored"], small["plain_again"]["unchanged"]["stored"]) == (3, 6)
    assert figures["memory"]["plain"]["chunks"] > 10


def test_a_folder_of_documents_is_ingested(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    write_small_files(folder / "below", 4)
    (folder / "picture.png").write_bytes(b"is left out, as the plain pipeline can't read it")
    options = Options(
        Settings(var=tmp_path),
        plain=tmp_path / "python",
        documents=folder,
        rounds=1,
        encoders=("fast",),
        small_files=0,
        memory_chunks=0,
    )
    report = run(options, ["ingest"])
    assert report["ingest"].keys() == {"rounds", "plain", "encoder", "throughput"}
    found = report["ingest"]["throughput"]
    assert found["files"] == 4
    assert found["pipelines"]["fast"]["documents"] == 4
    assert "| fast | " in markdown(report)


def test_folders_that_can_not_be_ingested_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "ingest", "--documents", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["bench", "--only", "ingest", "--documents", str(tmp_path)]) == 2
    assert ".pdf" in capsys.readouterr().err


def test_an_ingest_that_fails_is_named(tmp_path: Path) -> None:
    corpus = bench_ingest._Corpus.make(tmp_path, Settings(embedder="nothing"))
    write_small_files(corpus.sources, 1)
    with pytest.raises(LacertaError, match="-m ingest made"):
        corpus.ingest(tmp_path / "var")


def test_memory_of_all_processes_is_watched() -> None:
    held = "import subprocess, sys, time; kept = b'.' * 50_000_000; time.sleep(2); print(1)"
    both = f"import subprocess, sys; kept = b'.' * 50_000_000; subprocess.run([sys.executable, '-c', {held!r}])"
    _, taken = bench_process.measured([sys.executable, "-c", both], {}, True)
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this system does not say what memory processes share")
    assert taken.together_mb is not None
    assert 100 < taken.together_mb < 200
    assert 50 < taken.largest_mb


def test_sizes_that_make_no_sense_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--chunks", "5"]) == 2
    assert "30" in capsys.readouterr().err
    assert main(["bench", "--questions", "0"]) == 2
    assert "--questions" in capsys.readouterr().err
    assert main(["bench", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err


def test_every_part_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    assert f"{{{','.join(PARTS)}}}" in capsys.readouterr().out
