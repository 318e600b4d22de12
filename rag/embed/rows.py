"""What all embedders share: text that can be encoded, and rows of unit length."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.errors import ModelUnavailable


def well_formed(text: str) -> str:
    """The text with lone surrogates, which have no UTF-8 form, replaced by question marks."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def unit_rows(vectors: Sequence[Any] | np.ndarray, name: str, dimension: int = 0) -> np.ndarray:
    """(n, d) numbers to (n, d) float32 rows of length 1.

    Raises ModelUnavailable if `dimension` is given and is not d, or if a row has no direction.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ModelUnavailable(
            f"{name} did not return vectors of numbers of one length. Name another embedder."
        ) from error
    if rows.ndim != 2 or (dimension and rows.shape[1] != dimension):
        raise ModelUnavailable(
            f"{name} returned vectors of the shape {rows.shape}, expected are rows of {dimension or 'one'} length."
            " Name another embedder in LACERTA_EMBEDDER."
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise ModelUnavailable(f"{name} returned a vector of no length. Name another embedder in LACERTA_EMBEDDER.")
    return np.asarray(rows / lengths, dtype=np.float32)
