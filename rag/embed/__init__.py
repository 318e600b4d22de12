"""Embedders by name: `balanced`, `fast`, `minilm` (bundled), `sentence-transformers:NAME`, `gguf:NAME-or-PATH`,
`openai:NAME`.

Importing this package loads no framework; each adapter loads its own when an embedder of its kind is opened.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError, ModelUnavailable
from rag.settings import Settings
from rag.types import Embedder

if TYPE_CHECKING:
    from rag.embed.onnx import OnnxEmbedder
    from rag.embed.static import StaticEncoder

PROFILES = ("balanced", "fast")
"""Bundled embedders: MiniLM for English beside the multilingual student, or the student alone."""
_FOLDER = Path(__file__).parent


def load_embedder(name: str, settings: Settings | None = None) -> Embedder:
    """Opens the embedder `name`; `settings` give threads, and address and key of an OpenAI-compatible server.

    Raises ConfigurationError for an unknown name, ModelUnavailable, with what to do, if it can't be opened.
    """
    settings = settings or Settings()
    kind, _, rest = name.partition(":")
    if name == "balanced":
        return _balanced(settings.threads)
    if name == "fast":
        return bundled_student()
    if name == "minilm":
        return bundled_english(settings.threads)
    if kind in _KINDS and rest:
        return _KINDS[kind](rest, settings)
    raise ConfigurationError(
        f"{name!r} is not the name of an embedder. LACERTA_EMBEDDER takes {', '.join(PROFILES)}, minilm,"
        " sentence-transformers:NAME, gguf:PATH or openai:NAME."
    )


def embedding_fingerprint(embedder: Embedder) -> str:
    """What an index depends on: the embedder, and the student, whose pieces every index holds."""
    student = bundled_student().name
    return embedder.name if student in embedder.name else f"{embedder.name}+{student}"


def bundled_english(threads: int = 0) -> "OnnxEmbedder":
    """all-MiniLM-L6-v2, which comes with the program."""
    from rag.embed.onnx import OnnxEmbedder

    return OnnxEmbedder(_FOLDER / "minilm", threads)


@cache
def bundled_student() -> "StaticEncoder":
    """The multilingual student, which comes with the program: opened once, shared."""
    from rag.embed.static import StaticEncoder

    return StaticEncoder(_FOLDER / "student")


def _balanced(threads: int) -> Embedder:
    import numpy as np

    from rag.embed.balanced import BalancedEmbedder

    projection = np.load(_FOLDER / "student" / "projection.npy").astype(np.float32)
    return BalancedEmbedder(bundled_english(threads), bundled_student(), projection)


def _sentence_transformers(model: str, settings: Settings) -> Embedder:
    from rag.embed.sentence_transformers import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(model)


def _gguf(path: str, settings: Settings) -> Embedder:
    from rag.embed.gguf import GgufEmbedder
    from rag.models.catalogue import find, load

    file = find(path, settings)
    if file is None and any(entry.name == path for entry in load()):
        raise ModelUnavailable(f"gguf:{path} has not been fetched: run make model-embed NAME={path}.")
    return GgufEmbedder(file or Path(path).expanduser(), settings.threads)


def _openai(model: str, settings: Settings) -> Embedder:
    from rag.embed.openai import OpenAIEmbedder

    return OpenAIEmbedder(model, settings)


_KINDS: dict[str, Callable[[str, Settings], Embedder]] = {
    "sentence-transformers": _sentence_transformers,
    "gguf": _gguf,
    "openai": _openai,
}
