"""Refusals on question sets in BEIR layout: does the confidence tell a set's own questions from those of others?"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from evaluation.beir import build, load
from evaluation.metrics import area_under_curve
from rag.errors import ConfigurationError
from rag.glossary import Glossary
from rag.languages import detect
from rag.retrieve import retrieve
from rag.settings import RetrievalSettings
from rag.text import normalise
from rag.types import Embedder

_UNANSWERABLE = "unanswerable.jsonl"


def evaluate(folder: Path, strangers: Sequence[Path], embedder: Embedder, limit: int | None = None) -> dict[str, Any]:
    """Asks the set in `folder` its own questions, those of the sets in `strangers`, and those in its
    `unanswerable.jsonl` where it has them; at most `limit` of each.

    For each group other than its own: AUROC of the confidence against its own, and the share that would be answered.
    """
    questions = load(folder, limit)
    groups = {path.name: [str(item["text"]) for item in load(path, limit).questions] for path in strangers}
    if (folder / _UNANSWERABLE).is_file():
        groups["unanswerable"] = _texts(folder / _UNANSWERABLE)[:limit]
    settings = RetrievalSettings()
    with tempfile.TemporaryDirectory(prefix="lacerta-refusal-") as scratch:
        index = build(questions, embedder, Path(scratch))

        def confidences(texts: Iterable[str], name: str) -> list[float]:
            bar = tqdm(list(texts), desc=name, unit="q", leave=False, disable=None)
            return [
                retrieve(text, detect(text), index, embedder, Glossary(), settings, 3).confidence
                for text in map(normalise, bar)
            ]

        own = confidences((item["text"] for item in questions.questions), folder.name)
        others = {name: confidences(texts, name) for name, texts in groups.items()}
        index.close()
    if strangers:
        others["strangers"] = [value for path in strangers for value in others[path.name]]

    def answered(values: Sequence[float]) -> float:
        return fmean(value >= settings.refuse_below for value in values)

    return {
        "set": folder.name,
        "questions": len(own),
        "answered": answered(own),
        "others": {
            name: {"questions": len(values), "auroc": area_under_curve(own, values), "answered": answered(values)}
            for name, values in others.items()
            if values
        },
    }


def _texts(path: Path) -> list[str]:
    try:
        return [str(json.loads(line)["text"]) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{path} should hold a JSON object with a text in every line: {error!r}") from error
