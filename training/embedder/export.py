"""Writes trained rows as the bundled encoder reads them: int8 with a factor a row, and the checksums."""

import hashlib
import json
from pathlib import Path

import numpy as np

FILES = ("rows.npy", "scales.npy", "vocabulary.json", "projection.npy")


def export(rows: np.ndarray, vocabulary: list[tuple[str, float]], projection: np.ndarray, folder: Path) -> None:
    """`rows` (n, dimension) float32, `vocabulary` their pieces, the unknown one first, `projection` the teacher's."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows.copy()
    rows[0] = 0.0  # what the vocabulary does not have says nothing
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-6) / 127
    # Rounded first, so that the numbers are divided by what they will be multiplied with.
    scales = scales.astype(np.float16)
    numbers = np.clip(np.rint(rows / np.maximum(scales.astype(np.float32), 1e-7)[:, None]), -127, 127)
    np.save(folder / "rows.npy", numbers.astype(np.int8))
    np.save(folder / "scales.npy", scales)
    np.save(folder / "projection.npy", projection.astype(np.float16))
    pieces = [[piece, round(score, 4)] for piece, score in vocabulary]
    text = json.dumps(pieces, ensure_ascii=False, separators=(",", ":")).replace("],[", "],\n[")
    (folder / "vocabulary.json").write_text(text + "\n", encoding="utf-8")
    facts = {
        "dimension": rows.shape[1],
        "languages": ["en", "hu", "ko"],
        "sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES},
    }
    (folder / "model.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
