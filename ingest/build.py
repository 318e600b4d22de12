"""One new version of a domain's index in the making: read, split, embedded, written aside, checked, published."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.blocks import Loaded, page_text
from ingest.gate import check
from ingest.loaders.errors import LoadError
from ingest.passwords import passwords_of
from ingest.plan import Content, Plan, report_of, retry_marks
from ingest.report import Problem, Report, save_problems, save_report
from ingest.split import embedding_text, split
from ingest.vector_cache import VectorCache
from ingest.worker import Item, Workers
from rag.embed import embedding_fingerprint
from rag.errors import IndexUnavailable, LacertaError
from rag.hold import in_use
from rag.index import DocumentRecord, Index, IndexWriter, Manifest, domain_index_folder, publish, versions
from rag.languages import detect
from rag.settings import Domain, Settings
from rag.types import Chunk, Document, Embedder, Page
from rag.vectors_server import VectorServer

_LOG = logging.getLogger(__name__)

KEPT_VERSIONS = 3
# Chunks that are embedded and written together: large enough for the stores, small enough to overlap.
_BATCH = 2048
_PARSERS = 2
_TITLE_CHARACTERS = 200
_BUILDING = ".building"

Progress = Callable[[str, int, int], None]
"""Called with a stage (`fetching`, `hashing`, `reading`, `embedding`), what is done of it and what there is so far."""


@dataclass(slots=True)
class Build:
    """One new version in the making. `notes` are reported and not kept: the next run may have no cause for them."""

    settings: Settings
    domain: Domain
    embedder: Embedder
    splitter: str
    plan: Plan
    force: bool
    notes: tuple[Problem, ...]
    progress: Progress
    failures: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    embedded: int = 0

    def publish_new_version(self, problems: Sequence[Problem], current: Manifest | None) -> Report:
        folder = domain_index_folder(self.settings, self.domain.name)
        _remove_remains(folder)
        server = VectorServer.of(self.settings)
        if server:
            server.prune(self.domain.name, versions(self.settings, self.domain.name))
        created = datetime.now(UTC)
        version = created.strftime("%Y%m%dT%H%M%S%fZ")
        latest = max([current.version if current else "", *versions(self.settings, self.domain.name)])
        if version <= latest:
            # The clock was set back; versions are ordered by name.
            version = latest + "+"
        building = folder / (version + _BUILDING)
        building.mkdir(parents=True)
        try:
            base = folder / current.version if current and self.plan.kept else None
            writer = IndexWriter(building, self.embedder.dimension, base, self.plan.gone, server)
            try:
                records = self._write(writer)
            except BaseException:
                writer.abandon()
                raise
            chunks = writer.finish()
            if not records:
                reasons = "; ".join(f"{item.source}: {item.reason}" for item in self.failures[:3])
                raise LacertaError(f'No file of "{self.domain.name}" could be read, nothing was published. {reasons}')
            manifest = Manifest(
                domain=self.domain.name,
                version=version,
                created=created.isoformat(timespec="seconds"),
                embedder=embedding_fingerprint(self.embedder),
                dimension=self.embedder.dimension,
                splitter=self.splitter,
                documents=tuple(sorted(records, key=lambda record: record.source)),
                chunks=chunks,
                digest=_digest(record.digest for record in records),
                removed=current.removed + writer.removed if current and base else 0,
                store=self.settings.chroma,
            )
            if self.domain.publish.min_recall and not self.force:
                with closing(Index.of(building, manifest, server)) as index:
                    check(index, self.domain, self.settings, self.embedder)
            report = self._report(problems, manifest)
            save_problems(building, (*problems, *self.failures), tuple(self.warnings), retry_marks(self.domain))
            save_report(building, report)
            building.rename(folder / version)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        manifest.save(folder / version)
        publish(self.settings, self.domain.name, version)
        for old in versions(self.settings, self.domain.name)[:-KEPT_VERSIONS]:
            if old != version and not in_use(folder / old):
                shutil.rmtree(folder / old, ignore_errors=True)
        if server:
            try:
                server.prune(self.domain.name, versions(self.settings, self.domain.name))
            except IndexUnavailable as error:
                # The next ingest does it.
                _LOG.warning("%s", error)
        return report

    def _report(self, problems: Sequence[Problem], manifest: Manifest) -> Report:
        failed = {problem.source for problem in self.failures}
        changes = tuple(
            (what, source) for what, source in self.plan.changes if what == "removed" or source not in failed
        )
        report = report_of(
            self.domain.name,
            replace(self.plan, changes=changes),
            [*problems, *self.failures],
            (*self.warnings, *self.notes),
            manifest,
        )
        return replace(report, embedded=self.embedded, published=True)

    def _write(self, writer: IndexWriter) -> list[DocumentRecord]:
        """Reads, splits, embeds and writes the plan's contents; the records of these and of the documents kept.

        Files are parsed in processes of their own and indexes written in a thread, while this thread embeds. Each
        waits for the next one where it is ahead, so that memory does not grow with the corpus.
        """
        records = [*self.plan.kept]
        cache_folder = self.settings.var / "cache"
        with (
            VectorCache(cache_folder, self.embedder.name, self.embedder.dimension) as cache,
            ThreadPoolExecutor(1, thread_name_prefix="index") as thread,
        ):
            written: Future[None] | None = None
            for chunks in self._batches(records):
                texts = [embedding_text(chunk) for chunk in chunks]
                vectors, embedded = cache.embed(texts, self.embedder, self._embedding)
                self.embedded += embedded
                if written:
                    written.result()
                written = thread.submit(writer.add, chunks, vectors)
            if written:
                written.result()
        return records

    def _embedding(self, done: int, total: int) -> None:
        self.progress("embedding", self.embedded + done, self.embedded + total)

    def _batches(self, records: list[DocumentRecord]) -> Iterator[list[Chunk]]:
        """The chunks of the plan's contents in batches; adds the records of their documents to `records`."""
        pending: list[Chunk] = []
        for number, (content, loaded) in enumerate(self._loaded(), 1):
            self.progress("reading", number, len(self.plan.contents))
            if isinstance(loaded, LoadError):
                self.failures.append(Problem(content.source, str(loaded), content.sha256))
                continue
            document = document_of(self.domain.name, content, loaded)
            chunks = split(document, loaded.pages)
            if not chunks:
                self.failures.append(Problem(content.source, "it holds no text", content.sha256))
                continue
            self.warnings += [Problem(content.source, note, content.sha256) for note in loaded.notes]
            records.append(record_of(document, content, loaded, chunks))
            pending += chunks
            while len(pending) >= _BATCH:
                yield pending[:_BATCH]
                del pending[:_BATCH]
        if pending:
            yield pending

    def _loaded(self) -> Iterator[tuple[Content, Loaded | LoadError]]:
        """The contents with their documents, in order; some are parsed ahead while earlier ones are embedded."""
        with Workers(_PARSERS) as workers:
            items = (
                Item(content.files[0].path, content.source, passwords_of(self.domain, content.source))
                for content in self.plan.contents
            )
            for content, (_, outcome) in zip(self.plan.contents, workers.load_all(items), strict=True):
                if isinstance(outcome, LoadError):
                    yield content, outcome
                elif outcome[1] != content.sha256:
                    yield content, LoadError("it changed while it was read: run the ingest again")
                else:
                    yield content, outcome[0]


def document_of(domain: str, content: Content, loaded: Loaded) -> Document:
    """The document that was read from a content."""
    stem = Path(content.source).stem.replace("_", " ").replace("-", " ").strip()
    title = content.title or loaded.title or stem
    pages = tuple(Page(number, page_text(blocks)) for number, blocks in enumerate(loaded.pages, 1))
    return Document(
        id=content.sha256[:32],
        domain=domain,
        title=" ".join(title.split())[:_TITLE_CHARACTERS],
        source=content.source,
        language=detect("\n".join(page.text for page in pages)[:20_000]),
        pages=pages,
        metadata={"kind": loaded.kind, **loaded.metadata, **content.metadata},
    )


def record_of(document: Document, content: Content, loaded: Loaded, chunks: Sequence[Chunk]) -> DocumentRecord:
    """What a version knows of a document."""
    return DocumentRecord(
        id=document.id,
        source=document.source,
        title=document.title,
        language=document.language,
        kind=loaded.kind,
        sha256=content.sha256,
        size=content.size,
        pages=len(document.pages),
        chunks=len(chunks),
        names=content.names,
        metadata={**loaded.metadata, **content.metadata},
        origin=content.origin,
        digest=_digest(f"{chunk.id} {hashlib.sha256(chunk.text.encode()).hexdigest()}" for chunk in chunks),
    )


def _digest(parts: Iterable[str]) -> str:
    """Of any number of strings without line breaks, whatever their order."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _remove_remains(folder: Path) -> None:
    """Removes what a killed ingest left; nobody else builds here while the lock is held."""
    for path in folder.iterdir():
        if path.is_dir() and not (path / "manifest.json").exists():
            shutil.rmtree(path, ignore_errors=True)
