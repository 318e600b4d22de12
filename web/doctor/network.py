"""What would leave this machine with these settings, and at whose word. Asks nobody."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from rag.errors import LacertaError
from rag.settings import Settings, domain_names, load_domain
from web.doctor.finding import FINE, NOTE, Finding
from web.doctor.models import OPENAI, hub_cache

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def network(settings: Settings) -> Iterator[Finding]:
    found = [*_models(settings), *_vectors(settings), *_sources(settings)]
    if not found:
        text = "answering and indexing touch no network; only make setup, make model and make extra fetch something"
        found = [Finding("network", "nothing", FINE, text)]
    yield from found


def _models(settings: Settings) -> Iterator[Finding]:
    address = settings.openai_base_url or OPENAI
    remote = (urlsplit(address).hostname or "") not in _LOOPBACK
    for name in settings.models:
        if name.startswith("openai:") and remote:
            text = f"each question to it, with its passages and history, goes to {address}"
            yield Finding("network", name, NOTE, text)
        elif name.startswith("langchain:"):
            yield Finding("network", name, NOTE, "questions, passages and history go to its provider")
    if settings.embedder.startswith("openai:") and remote:
        text = f"each question goes to {address}, and at an ingest every passage"
        yield Finding("network", settings.embedder, NOTE, text)
    for name in (settings.embedder, settings.reranker):
        kind, _, model = name.partition(":")
        if kind == "sentence-transformers" and not Path(model).expanduser().is_dir() and not hub_cache(model):
            yield Finding("network", name, NOTE, "fetched from Hugging Face at its first use")


def _vectors(settings: Settings) -> Iterator[Finding]:
    if settings.chroma and (urlsplit(settings.chroma).hostname or "") not in _LOOPBACK:
        text = f"the vector of each question goes to {settings.chroma}, and at an ingest that of every passage; no text"
        yield Finding("network", "vectors", NOTE, text)


def _sources(settings: Settings) -> Iterator[Finding]:
    try:
        names = domain_names(settings)
    except LacertaError:
        return
    for name in names:
        try:
            sources = load_domain(settings, name).sources
        except LacertaError:
            continue
        kinds = sorted({source.kind for source in sources} - {"files"})
        if kinds:
            text = f"make ingest asks {', '.join(kinds)} for its documents; serving asks nobody"
            yield Finding("network", name, NOTE, text)
