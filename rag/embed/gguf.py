"""An encoder in a GGUF file, run in this process by llama-cpp-python, an extra."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.embed.prefixes import prefixes
from rag.embed.rows import unit_rows, well_formed
from rag.errors import ModelUnavailable

_MAGIC = b"GGUF"
# Encoders of the BERT kind know this many positions; a chunk is half as long.
_MAXIMUM_TOKENS = 512


class GgufEmbedder:
    """One call at a time: llama.cpp keeps its state in the model."""

    # Whatever languages the model knows, the operator chose it for the documents.
    languages: tuple[str, ...] = ()

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Opens the file. Raises ModelUnavailable if it is no GGUF file or the extra is missing."""
        label = f"gguf:{path}"
        try:
            with path.open("rb") as file:
                magic = file.read(len(_MAGIC))
                file.seek(0)
                checksum = hashlib.file_digest(file, "sha256").hexdigest() if magic == _MAGIC else ""
        except OSError as error:
            raise ModelUnavailable(
                f"{label} cannot be read ({error.strerror}): name an existing GGUF file in LACERTA_EMBEDDER."
            ) from error
        if not checksum:
            raise ModelUnavailable(
                f"{label} is not a GGUF file: it begins with {magic!r} instead of {_MAGIC!r}. Name another file in"
                " LACERTA_EMBEDDER."
            )
        try:
            import llama_cpp
        except ImportError as error:
            raise ModelUnavailable(f"{label} needs llama-cpp-python: run make extra EXTRA=gguf.") from error
        try:
            self._llama = llama_cpp.Llama(
                str(path),
                embedding=True,
                n_ctx=_MAXIMUM_TOKENS,
                n_batch=_MAXIMUM_TOKENS,
                n_ubatch=_MAXIMUM_TOKENS,
                n_threads=threads or None,
                n_threads_batch=threads or None,
                verbose=False,
            )
        # llama.cpp reports a broken or unsupported file, and memory that does not suffice, in the same few ways.
        except (ValueError, RuntimeError, AssertionError, OSError, MemoryError) as error:
            raise ModelUnavailable(
                f"{label} cannot be loaded ({error}). The file may be damaged or of a kind that this"
                " llama-cpp-python does not know: name another one in LACERTA_EMBEDDER."
            ) from error
        self._lock = threading.Lock()
        self._prefixes = prefixes(path.name)
        self.name = f"gguf:{path.name}-{checksum[:12]}"
        self.dimension = int(self._llama.n_embd())

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) texts to (n, dimension) float32 unit rows; texts are cut at 512 tokens."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return unit_rows([self._embed(self._prefixes[1] + text) for text in texts], self.name, self.dimension)

    def embed_query(self, text: str) -> np.ndarray:
        """One text to (dimension,) float32, unit length."""
        row: np.ndarray = unit_rows([self._embed(self._prefixes[0] + text)], self.name, self.dimension)[0]
        return row

    def _embed(self, text: str) -> Any:
        # Without a token there is nothing to pool; models differ in whether they add one of their own.
        with self._lock:
            values = np.asarray(self._llama.embed(well_formed(text) or " ", normalize=False, truncate=True))
        # A model that pools nothing itself returns a row a token.
        return values.mean(axis=0) if values.ndim == 2 else values

    def close(self) -> None:
        with self._lock:
            self._llama.close()
