"""Each domain: whether its index can be read, fits the settings, and holds what its sources hold now."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ingest.pipeline import bring_up_to_date
from ingest.plan import fingerprint
from ingest.sources import find_files
from rag.embed import PROFILES, embedding_fingerprint, load_embedder
from rag.errors import ConfigurationError, IndexUnavailable, LacertaError
from rag.index import Index, Manifest, current_version, domain_index_folder
from rag.settings import Domain, Settings, domain_names, load_domain
from rag.vectors_server import VectorServer
from web.doctor.finding import BROKEN, FINE, NOTE, Finding

_BUNDLED = (*PROFILES, "minilm")
_HASHED_BYTES = 500_000_000
"""Files are compared by content; more than this would take longer than a look should."""


def domains(settings: Settings) -> Iterator[Finding]:
    try:
        names = domain_names(settings)
    except ConfigurationError as error:
        mend = f"mkdir -p {settings.corpora}, or set LACERTA_CORPORA to the folder of the domains"
        yield Finding("domains", "corpora", BROKEN, str(error), mend)
        return
    if not names:
        mend = "make a folder with a domain.toml there: README.md, 'Add a domain in three steps'"
        yield Finding("domains", "corpora", BROKEN, f"There is no domain under {settings.corpora}.", mend)
    if settings.chroma:
        yield _server(settings)
    for name in names:
        yield from _domain(settings, name)


def _server(settings: Settings) -> Finding:
    try:
        VectorServer(settings.chroma, settings.chroma_token, "").answers()
    except IndexUnavailable as error:
        return Finding("domains", "vectors", BROKEN, str(error), "start it, or correct LACERTA_CHROMA")
    return Finding("domains", "vectors", FINE, f"{settings.chroma} answers")


def _domain(settings: Settings, name: str) -> Iterator[Finding]:
    ingest = f"make ingest DOMAIN={name}"
    try:
        domain = load_domain(settings, name)
        version = current_version(settings, name)
    except (LacertaError, OSError) as error:
        yield Finding("domains", name, BROKEN, str(error), "correct the file named")
        return
    if version is None:
        yield Finding("domains", name, BROKEN, "it has no index yet, so it answers nothing", ingest)
        return
    try:
        manifest = Manifest.load(domain_index_folder(settings, name) / version)
    except IndexUnavailable as error:
        yield Finding("domains", name, BROKEN, str(error), ingest)
        return
    documents = len(manifest.documents)
    text = f"{documents} documents, {manifest.chunks} chunks, version {version} ({_age(manifest.created)})"
    yield Finding("domains", name, FINE, text)
    yield from _changes(settings, domain, ingest)


def _changes(settings: Settings, domain: Domain, ingest: str) -> Iterator[Finding]:
    """What an ingest would do now, as far as can be told without loading a large embedder or asking its server."""
    label = f"{domain.name} now"
    if settings.embedder not in _BUNDLED:
        text = f"not compared with its sources, which would open {settings.embedder}"
        yield Finding("domains", label, NOTE, text, f"python -m ingest {domain.name} --dry-run")
        return
    try:
        files, _ = find_files(domain) if any(source.kind == "files" for source in domain.sources) else ([], [])
        size = sum(file.path.stat().st_size for file in files)
        if size > _HASHED_BYTES:
            text = f"not compared with its sources, which have {size / 1e9:.1f} GB"
            yield Finding("domains", label, NOTE, text, f"python -m ingest {domain.name} --dry-run")
            return
        report = bring_up_to_date(settings, domain.name, dry_run=True)
    except (LacertaError, OSError) as error:
        yield Finding("domains", label, BROKEN, str(error), ingest)
        return
    folder = domain_index_folder(settings, domain.name) / report.version
    try:
        embedder = embedding_fingerprint(load_embedder(settings.embedder, settings))
        index = Index.open_folder(folder, embedder, VectorServer.of(settings))
        held = sum(index.lexical.counts().values())
        index.close()
    except LacertaError as error:
        yield Finding("domains", label, BROKEN, str(error), ingest)
        return
    # The adapters of Chroma and tantivy pass on whatever a damaged file makes of them.
    except Exception as error:
        text = f"its index can't be opened ({type(error).__name__}: {error})"
        yield Finding("domains", label, BROKEN, text, f"python -m ingest {domain.name} --rebuild")
        return
    if held != index.manifest.chunks:
        text = f"its index holds {held} of {index.manifest.chunks} chunks"
        yield Finding("domains", label, BROKEN, text, f"python -m ingest {domain.name} --rebuild")
    elif index.manifest.splitter != fingerprint():
        yield Finding("domains", label, NOTE, "its index was made by another version of the program", ingest)
    elif report.changes:
        counts = {
            "added": report.added, "updated": report.updated, "removed": report.removed, "renamed": report.renamed
        }  # fmt: skip
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        yield Finding("domains", label, NOTE, f"its sources changed since: {said or 'documents'}", ingest)
    else:
        failed = f"; {report.failed} could not be read" if report.failed else ""
        yield Finding(
            "domains", label, NOTE if failed else FINE, f"up to date with its sources and the embedder{failed}",
            f"python -m ingest {domain.name} --dry-run, which names them" if failed else "",
        )  # fmt: skip


def _age(created: str) -> str:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return "of unknown age"
    hours = (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds() / 3600
    return f"{hours / 24:.0f} days old" if hours >= 48 else f"{hours:.0f} hours old"
