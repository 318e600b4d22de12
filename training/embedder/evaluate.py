"""Figures of a student alone: twins among held-out pairs, and recall on question sets in BEIR layout."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from evaluation.beir import load
from rag.align import alignments
from rag.embed.static import StaticEncoder
from training.embedder.data import LANGUAGES


def report(student: StaticEncoder, validation: Sequence[dict[str, str]], folders: Sequence[Path]) -> None:
    """Prints recall@1 and recall@10 by the cosine of whole texts, by alignment, and by their sum."""
    for asked, answered in permutations(LANGUAGES, 2):
        rows = [row for row in validation if asked in row and answered in row][:1000]
        right = [{place} for place in range(len(rows))]
        _line(student, f"{asked}-{answered}", [row[asked] for row in rows], [row[answered] for row in rows], right)
    for folder in folders:
        questions = load(folder)
        places = {chunk.id: place for place, chunk in enumerate(questions.chunks)}
        _line(
            student,
            folder.name,
            [record["text"] for record in questions.questions],
            [f"{chunk.title}\n{chunk.text}" for chunk in questions.chunks],
            [{places[name] for name in questions.relevant[record["_id"]]} for record in questions.questions],
        )


def _line(student: StaticEncoder, name: str, asked: Sequence[str], texts: Sequence[str], right: list[set[int]]) -> None:
    pieces = [np.unique(some) for some in student.pieces(texts)]
    cosines = student.embed_passages(asked) @ student.embed_passages(texts).T
    aligned = np.stack([alignments(question, pieces, student) for question in student.pieces(asked)])
    shown = []
    for scores in (cosines, aligned, cosines + aligned):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        first = np.mean([row[0] in some for row, some in zip(order, right, strict=True)])
        ten = np.mean([bool(some & set(row)) for row, some in zip(order, right, strict=True)])
        shown.append(f"{100 * first:5.1f} {100 * ten:5.1f}")
    print(f"{name:16s} {len(asked):5d} questions  cosine {shown[0]}  alignment {shown[1]}  sum {shown[2]}", flush=True)
