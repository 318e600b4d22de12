"""Retrieval figures on a question set in BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`."""

import json
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from tqdm import tqdm

from evaluation.metrics import ndcg_at, recall_at, reciprocal_rank_at
from evaluation.variants import typed
from rag.embed import embedding_fingerprint
from rag.errors import ConfigurationError
from rag.glossary import Glossary
from rag.index import Index, IndexWriter, Manifest
from rag.languages import detect
from rag.retrieve import RANKERS, find, ranking, retrieve
from rag.settings import RetrievalSettings
from rag.text import normalise
from rag.types import Chunk, Embedder

_BATCH = 256


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Documents as one chunk each, questions as `{_id, text, lang, set, ...}`, grades by question id."""

    chunks: tuple[Chunk, ...]
    questions: tuple[dict[str, Any], ...]
    relevant: dict[str, dict[str, int]]


def load(folder: Path, limit: int | None = None) -> QuestionSet:
    """Reads the folder; `limit` keeps the first questions only. Raises ConfigurationError naming what is missing."""
    try:
        corpus = _lines(folder / "corpus.jsonl")
        questions = _lines(folder / "queries.jsonl")
        relevant: dict[str, dict[str, int]] = defaultdict(dict)
        for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            question, document, grade = line.split("\t")[:3]
            if int(grade) > 0:
                relevant[question][document] = int(grade)
        chunks = tuple(_chunk(record) for record in corpus)
        kept = [record for record in questions if record["_id"] in relevant][:limit]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{folder} is not a question set in BEIR layout: {error}") from error
    return QuestionSet(chunks, tuple(kept), dict(relevant))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _chunk(record: dict[str, Any]) -> Chunk:
    text = normalise(record["text"])
    title = normalise(record.get("title") or "")
    name = str(record["_id"])
    return Chunk(name, name, title, name, detect(text or title), 1, 1, 0, len(text), (), text)


def evaluate(
    folder: Path, embedder: Embedder, k: int = 10, limit: int | None = None, variant: str = ""
) -> dict[str, Any]:
    """Indexes the set in a scratch place and asks every question; recall@1, 5, 10, mrr@10, ndcg@10 a ranker.

    The same figures by the questions' `set` and `lang` fields, with the mean over sets as `macro`; milliseconds a
    question as `latency_ms`. `variant`, a name of `evaluation.variants`, types the questions differently.
    """
    questions = load(folder, limit)
    with tempfile.TemporaryDirectory(prefix="lacerta-beir-") as scratch:
        index = build(questions, embedder, Path(scratch))
        glossary = Glossary()
        settings = RetrievalSettings()
        rows: list[dict[str, Any]] = []
        seconds: list[float] = []
        for question in tqdm(questions.questions, desc="questions", unit="q", leave=False, disable=None):
            started = time.perf_counter()
            text = typed(question, variant)
            arguments = text, detect(text), index, embedder, glossary, settings
            shown = retrieve(*arguments, limit=max(k, 10)).hits
            seconds.append(time.perf_counter() - started)
            found = find(*arguments).candidates
            rankings = {ranker: ranking(found, ranker)[: max(k, 10)] for ranker in RANKERS}
            # A hit stands for the near-duplicates that it names; a document is one chunk here, its source its id.
            named = [name for hit in shown for name in (hit.chunk.id, *hit.also)]
            rows.append({"question": question, **rankings, "fused": named[: max(k, 10)]})
        index.close()
    report: dict[str, Any] = {
        "documents": len(questions.chunks),
        "questions": len(rows),
        "latency_ms": {"p50": round(1000 * median(seconds), 2), "mean": round(1000 * fmean(seconds), 2)},
    }
    report |= _figures(rows, questions.relevant)
    for field in ("set", "lang"):
        values = sorted({row["question"][field] for row in rows if row["question"].get(field)})
        if values:
            report[f"by_{field}"] = {
                value: {"questions": len(some := [row for row in rows if row["question"].get(field) == value])}
                | _figures(some, questions.relevant)
                for value in values
            }
    if "by_set" in report:
        report["macro"] = {
            ranker: {
                metric: fmean(figures[ranker][metric] for figures in report["by_set"].values())
                for metric in report[ranker]
            }
            for ranker in (*RANKERS, "fused")
        }
    return report


def build(questions: QuestionSet, embedder: Embedder, folder: Path) -> Index:
    """An index of the set's documents in an empty folder."""
    writer = IndexWriter(folder, embedder.dimension)
    starts = range(0, len(questions.chunks), _BATCH)
    for start in tqdm(starts, desc="indexing", unit="batch", leave=False, disable=None):
        batch = questions.chunks[start : start + _BATCH]
        writer.add(batch, embedder.embed_passages([f"{chunk.title}\n{chunk.text}".strip() for chunk in batch]))
    count = writer.finish()
    Manifest("scratch", "1", "", embedding_fingerprint(embedder), embedder.dimension, "", (), count, "").save(folder)
    return Index.open_folder(folder, embedding_fingerprint(embedder))


def _figures(rows: list[dict[str, Any]], relevant: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    figures = {}
    for ranker in (*RANKERS, "fused"):
        pairs = [(row[ranker], relevant[row["question"]["_id"]]) for row in rows]
        figures[ranker] = {
            **{f"recall@{k}": fmean(recall_at(*pair, k) for pair in pairs) for k in (1, 5, 10)},
            "mrr@10": fmean(reciprocal_rank_at(*pair, 10) for pair in pairs),
            "ndcg@10": fmean(ndcg_at(*pair, 10) for pair in pairs),
        }
    return figures
