"""Extractive answers on a question set in BEIR layout with `answers`: do the shown sentences hold one of them?"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from tqdm import tqdm

from evaluation.beir import build, load
from evaluation.overlap import holds
from rag import extractive
from rag.errors import ConfigurationError
from rag.glossary import Glossary
from rag.languages import detect
from rag.retrieve import retrieve
from rag.settings import RetrievalSettings
from rag.types import Embedder


def evaluate(folder: Path, embedder: Embedder, limit: int | None = None) -> dict[str, Any]:
    """Asks every question as the engine does and answers it from the passages, without a threshold for refusals.

    `inside` is the share of questions with a gold answer among the shown sentences, `first` in the first of them,
    `passages` in the passages that were looked through. The halves are the questions of even and of odd places.
    `milliseconds` are those of an answer, after retrieval. Raises ConfigurationError where no question has answers.
    """
    questions = load(folder, limit)
    asked = [question for question in questions.questions if question.get("answers")]
    if not asked:
        raise ConfigurationError(f'{folder / "queries.jsonl"} has no "answers": squad-en and korquad-ko have them.')
    settings = RetrievalSettings()
    glossary = Glossary()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lacerta-extractive-") as scratch:
        index = build(questions, embedder, Path(scratch))
        for question in tqdm(asked, desc="questions", unit="q", leave=False, disable=None):
            text = question["text"]
            language = detect(text)
            found = retrieve(text, language, index, embedder, glossary, settings, settings.passages, join=True)
            started = time.perf_counter()
            answer = extractive.answer(text, found, embedder)
            seconds = time.perf_counter() - started
            shown = [sentence.text for sentence in answer.sentences]
            passages = [hit.chunk.text for hit in found.hits]
            rows.append(
                {
                    "inside": holds(" ".join(shown), question["answers"], language),
                    "first": holds(" ".join(shown[:1]), question["answers"], language),
                    "passages": holds(" ".join(passages), question["answers"], language),
                    "sentences": len(shown),
                    "characters": len(" ".join(shown)),
                    "milliseconds": 1000 * seconds,
                }
            )
        index.close()
    by_count: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_count[row["sentences"]].append(row)
    return {
        **_figures(rows),
        "milliseconds": {
            "p50": round(median(row["milliseconds"] for row in rows), 1),
            "p95": round(sorted(row["milliseconds"] for row in rows)[int(0.95 * len(rows))], 1),
        },
        "halves": [_figures(half) for half in (rows[::2], rows[1::2]) if half],
        "by_sentences": {str(count): _figures(by_count[count]) for count in sorted(by_count)},
    }


def _figures(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = ("inside", "first", "passages", "sentences", "characters")
    return {"questions": len(rows)} | {name: round(fmean(row[name] for row in rows), 4) for name in names}
