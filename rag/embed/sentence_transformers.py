"""Any encoder that the sentence-transformers package loads, by its name or folder. Needs torch, an extra."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag.embed.prefixes import prefixes
from rag.embed.rows import unit_rows, well_formed
from rag.errors import ModelUnavailable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 16


class SentenceTransformersEmbedder:
    """Queries and passages get the prefixes of their family, else the prompts that the model brings."""

    # Whatever languages the model knows, the operator chose it for the documents.
    languages: tuple[str, ...] = ()

    def __init__(self, model: str) -> None:
        """Opens `model`, which the package fetches if it is not on this machine yet. Raises ModelUnavailable."""
        label = f"sentence-transformers:{model}"
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ModelUnavailable(
                f"{label} needs sentence-transformers and torch: run make extra EXTRA=models."
            ) from error
        try:
            encoder = SentenceTransformer(model, trust_remote_code=False)
        except Exception as error:  # the package passes on whatever the hub, the files or torch raise
            raise ModelUnavailable(
                f"{label} cannot be loaded ({error}). Name a folder or a published model in LACERTA_EMBEDDER."
            ) from error
        self._encoder = encoder
        self._prefixes = prefixes(model)
        self.name = f"{label}-{_fingerprint(encoder)}"
        self.dimension = len(self.embed_query("dimension"))

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows; texts are cut at the model's own limit."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        prefix = self._prefixes[1]
        clean = [prefix + well_formed(text) for text in texts]
        encode = self._encoder.encode if any(self._prefixes) else self._encoder.encode_document
        return unit_rows(encode(clean, batch_size=_BATCH, show_progress_bar=False), self.name)

    def embed_query(self, text: str) -> np.ndarray:
        """One text to (dimension,) float32, unit length."""
        query = self._prefixes[0] + well_formed(text)
        encode = self._encoder.encode if any(self._prefixes) else self._encoder.encode_query
        row: np.ndarray = unit_rows(encode([query], show_progress_bar=False), self.name)[0]
        return row


def _fingerprint(encoder: "SentenceTransformer") -> str:
    digest = hashlib.sha256()
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]
