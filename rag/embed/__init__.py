"""Embedders by name: `minilm` (bundled), `sentence-transformers:NAME`, `gguf:PATH`, `openai:NAME`.

Importing this package loads no framework; each adapter loads its own when an embedder of its kind is opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError
from rag.settings import Settings
from rag.types import Embedder

if TYPE_CHECKING:
    from rag.embed.onnx import OnnxEmbedder

BUNDLED = "minilm"


def load_embedder(name: str, settings: Settings | None = None) -> Embedder:
    """Opens the embedder `name`; `settings` give threads, and address and key of an OpenAI-compatible server.

    Raises ConfigurationError for an unknown name, ModelUnavailable, with what to do, if it can't be opened.
    """
    settings = settings or Settings()
    kind, _, rest = name.partition(":")
    if name == BUNDLED:
        return bundled_embedder(settings.threads)
    if kind in _KINDS and rest:
        return _KINDS[kind](rest, settings)
    raise ConfigurationError(
        f"{name!r} is not the name of an embedder. LACERTA_EMBEDDER takes {BUNDLED},"
        " sentence-transformers:NAME, gguf:PATH or openai:NAME."
    )


def bundled_embedder(threads: int = 0) -> "OnnxEmbedder":
    """all-MiniLM-L6-v2, which comes with the program; it also counts tokens."""
    from rag.embed.onnx import OnnxEmbedder

    return OnnxEmbedder(Path(__file__).parent / BUNDLED, threads)


def _sentence_transformers(model: str, settings: Settings) -> Embedder:
    from rag.embed.sentence_transformers import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(model)


def _gguf(path: str, settings: Settings) -> Embedder:
    from rag.embed.gguf import GgufEmbedder

    return GgufEmbedder(Path(path).expanduser(), settings.threads)


def _openai(model: str, settings: Settings) -> Embedder:
    from rag.embed.openai import OpenAIEmbedder

    return OpenAIEmbedder(model, settings)


_KINDS: dict[str, Callable[[str, Settings], Embedder]] = {
    "sentence-transformers": _sentence_transformers,
    "gguf": _gguf,
    "openai": _openai,
}
