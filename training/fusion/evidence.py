"""The evidence that retrieval finds on question sets: features of every candidate of every question."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from evaluation.beir import QuestionSet, build, load
from rag.glossary import Glossary
from rag.languages import detect
from rag.retrieve import find
from rag.settings import RetrievalSettings
from rag.types import Embedder


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found for one question.

    `features` is (n, f) in the order of `names`; `same` (n,) is whether a passage is in the question's language,
    `groups` its language group, `relevant` (n,) whether it answers. `kind` is the set, with the question's own `set`
    where it has one. `training` is False for those that are only measured on.
    """

    kind: str
    question: str
    language: str
    names: tuple[str, ...]
    features: np.ndarray
    same: np.ndarray
    groups: tuple[str, ...]
    relevant: np.ndarray
    total: int
    training: bool
    answerable: bool = True


def held_out(question: str) -> bool:
    """Every other question, the same whatever set it appears in."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 1


def collect(folder: Path, embedder: Embedder, foreign: list[Path]) -> list[Candidates]:
    """Asks every question of a set, and those of `foreign` sets, which it does not answer."""
    questions = load(folder)
    with tempfile.TemporaryDirectory() as scratch:
        index = build(questions, embedder, Path(scratch))
        found = [
            _candidates(folder.name, record, questions, index, embedder)
            for record in tqdm(questions.questions, desc=folder.name, leave=False)
        ]
        path = folder / "unanswerable.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        strangers = [("unanswerable", json.loads(line)) for line in lines]
        for other in foreign:
            asked = [record for record in load(other).questions]
            strangers += [(other.name, record) for record in asked[:: max(1, len(asked) // 100)]]
        for name, record in strangers:
            row = _candidates(f"{folder.name}|{name}", record, questions, index, embedder, answerable=False)
            found.append(row)
        index.close()
    return found


def _candidates(
    kind: str, record: dict, questions: QuestionSet, index, embedder: Embedder, answerable: bool = True
) -> Candidates:
    text = record["text"]
    language = detect(text)
    found = find(text, language, index, embedder, Glossary(), RetrievalSettings()).candidates
    names = tuple(found[0].features) if found else ()
    relevant = questions.relevant.get(record.get("_id", ""), {}) if answerable else {}
    if record.get("set") and answerable:
        kind = f"{kind}/{record['set']}"
    return Candidates(
        kind,
        text,
        language,
        names,
        np.array([[item.features[name] for name in names] for item in found], np.float32),
        np.array([item.group == language for item in found]),
        tuple(item.group for item in found),
        np.array([item.name in relevant for item in found]),
        len(relevant),
        not held_out(text),
        answerable,
    )
