"""The teacher: vectors of English texts by the bundled MiniLM, and their projection to the student's dimension."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.embed import bundled_english

# What the teacher reads of a section: its own longest input is 256 tokens.
_CHARACTERS = 700


def vectors(texts: Sequence[str], cache: Path) -> np.ndarray:
    """(n, 384) float16 unit rows of English texts, kept in `cache` by what the texts are."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = cache / f"teacher-{key}.npy"
    if not path.is_file():
        embedder = bundled_english()
        block = 8192
        rows = []
        for start in range(0, len(texts), block):
            batch = [text[:_CHARACTERS] for text in texts[start : start + block]]
            rows.append(embedder.embed_passages(batch).astype(np.float16))
            print(f"teacher: {start + len(batch)} of {len(texts)} texts", flush=True)
        np.save(path, np.concatenate(rows))
    return np.load(path)


def projection(rows: np.ndarray, dimension: int) -> np.ndarray:
    """(384, dimension) orthonormal columns that keep most of the rows' energy: PCA without centring."""
    sample = rows[np.random.default_rng(1).permutation(len(rows))[:100_000]].astype(np.float32)
    values, columns = np.linalg.eigh(sample.T @ sample)
    kept = columns[:, np.argsort(values)[::-1][:dimension]]
    print(f"projection to {dimension}: {np.sort(values)[::-1][:dimension].sum() / values.sum():.3f} of the energy")
    return kept.astype(np.float32)


def projected(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(n, dimension) float32 unit rows in the student's space."""
    found = np.empty((len(rows), columns.shape[1]), np.float32)
    for start in range(0, len(rows), 50_000):
        part = rows[start : start + 50_000].astype(np.float32) @ columns
        found[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return found
