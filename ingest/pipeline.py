"""Brings the index of a domain up to date: find, load, split, embed, write a new version aside, publish it.

Whatever happens on the way, the version that served before goes on serving until the new one is complete.
"""

import errno
import hashlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.blocks import Loaded, page_text
from ingest.connectors.registry import fetch_all
from ingest.gate import check
from ingest.loaders.errors import LoadError
from ingest.lock import locked
from ingest.passwords import passwords_of
from ingest.plan import Content, Plan, fingerprint, make_plan, old_manifest, read_contents, retry_marks
from ingest.report import Problem, Report, load_problems, save_problems, save_report
from ingest.sources import READ_KINDS, SourceFile, find_files
from ingest.split import embedding_text, split
from ingest.vector_cache import VectorCache
from ingest.worker import Item, Workers
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import LacertaError
from rag.index import (
    DocumentRecord,
    Index,
    IndexWriter,
    Manifest,
    current_version,
    domain_index_folder,
    publish,
    versions,
)
from rag.languages import detect
from rag.settings import Domain, Settings, load_domain
from rag.types import Chunk, Document, Embedder, Page

KEPT_VERSIONS = 3
# Chunks that are embedded and written together: large enough for the stores, small enough to overlap.
_BATCH = 2048
_PARSERS = 2
# The share of a version's chunks whose removal makes it worth building from nothing.
_WORN = 0.3
_TITLE_CHARACTERS = 200
_BUILDING = ".building"

Progress = Callable[[str, int, int], None]
"""Called with a stage (`fetching`, `hashing`, `reading`, `embedding`), what is done of it and what there is so far."""


def no_progress(stage: str, done: int, total: int) -> None:
    """For callers that show none."""


def bring_up_to_date(
    settings: Settings,
    domain_name: str,
    *,
    sources: Sequence[Path] | None = None,
    rebuild: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    force: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Publishes a new version if the documents, the embedder or the splitter changed, and reports.

    `sources`, files or folders, take the place of the domain's own. `rebuild` reads and writes everything again
    (vectors stay cached); `dry_run` only compares, and, like `offline`, asks no server for documents; `force` publishes
    what the domain's own questions speak against. Raises ConfigurationError for a wrong domain, LacertaError
    where nothing could be published; single files that fail are in the report.
    """
    started = time.perf_counter()
    domain = load_domain(settings, domain_name)
    lock = domain_index_folder(settings, domain_name) / "LOCK"
    with _explained(settings, domain_name), nullcontext() if dry_run else locked(lock, domain_name):
        report = _run(settings, domain, sources or (), rebuild, dry_run, offline or dry_run, force, progress)
    return replace(report, seconds=time.perf_counter() - started)


def roll_back(settings: Settings, domain_name: str) -> Report:
    """Makes the version before the current one current. Raises LacertaError where there is none."""
    load_domain(settings, domain_name)
    with _explained(settings, domain_name), locked(domain_index_folder(settings, domain_name) / "LOCK", domain_name):
        current = current_version(settings, domain_name)
        earlier = [version for version in versions(settings, domain_name) if current and version < current]
        if not earlier:
            raise LacertaError(
                f'"{domain_name}" has no version before {current or "the first"}: nothing to go back to.'
            )
        publish(settings, domain_name, earlier[-1])
        manifest = Manifest.load(domain_index_folder(settings, domain_name) / earlier[-1])
        return Report(
            domain_name, unchanged=len(manifest.documents), chunks=manifest.chunks, version=earlier[-1], published=True
        )


def _run(
    settings: Settings,
    domain: Domain,
    sources: Sequence[Path],
    rebuild: bool,
    dry_run: bool,
    offline: bool,
    force: bool,
    progress: Progress,
) -> Report:
    files, refused = find_files(domain, sources)
    refusals = [Problem(item.source, item.reason) for item in refused]
    notes: tuple[Problem, ...] = ()
    remote = not sources and any(source.kind != "files" for source in domain.sources)
    if remote:
        fetched, missing = fetch_all(domain, settings, lambda done, known: progress("fetching", done, known), offline)
        files += [SourceFile(item.path, item.source, item.title, item.metadata) for item in fetched]
        # A document that could not be renewed, or only in part, is there all the same.
        names = {item.source for item in fetched}
        notes = tuple(problem for problem in missing if problem.source in names)
        refusals += [problem for problem in missing if problem.source not in names]
    if not files:
        where = ", ".join(map(str, sources)) or str(domain.source_folder)
        reasons = "".join(f" {problem.source}: {problem.reason}" for problem in refusals[:3])
        fetch = f" Or fetch the domain's other sources: make ingest DOMAIN={domain.name}." if remote and offline else ""
        raise LacertaError(f"There is nothing to ingest in {where}: put {READ_KINDS} there.{fetch}{reasons}")
    embedder = load_embedder(settings.embedder, settings)
    contents, unreadable = read_contents(files, domain.titles, lambda done, total: progress("hashing", done, total))
    version = current_version(settings, domain.name)
    folder = domain_index_folder(settings, domain.name)
    current = old_manifest(folder / version) if version else None
    shape = fingerprint()
    made_by = embedding_fingerprint(embedder), shape
    alike = current is not None and not rebuild and (current.embedder, current.splitter) == made_by
    known, warnings, again = (
        load_problems(folder / version, retry_marks(domain)) if alike and version else ((), (), frozenset())
    )
    plan = make_plan(contents, current, known, again, anew=not alike)
    if current and _worn(plan, current):
        plan = make_plan(contents, current, known, again, anew=True)
    problems = [*refusals, *unreadable, *plan.known_failures]
    read = {content.source for content in plan.contents}
    here = {file.source for file in files} - (read if plan.needed else set())
    standing = tuple(warning for warning in warnings if warning.source in here)
    if dry_run or not plan.needed:
        return replace(_report(domain, plan, problems, (*standing, *notes), current), dry_run=dry_run)
    build = _Build(settings, domain, embedder, shape, plan, force, notes, progress, warnings=[*standing])
    return build.publish_new_version(problems, current)


def _worn(plan: Plan, current: Manifest) -> bool:
    """Whether so much of a version would be replaced that it is better built from nothing.

    Chunks that were removed leave holes in the graph that searches still go through.
    """
    removed = current.removed + sum(record.chunks for record in current.documents if record.id in plan.gone)
    return bool(plan.kept) and removed > _WORN * max(current.chunks, 1)


def _report(
    domain: Domain,
    plan: Plan,
    problems: Sequence[Problem],
    warnings: tuple[Problem, ...],
    manifest: Manifest | None,
) -> Report:
    added, updated = plan.count("added"), plan.count("updated")
    failed = {problem.source for problem in problems}
    standing = len(plan.kept) + sum(content.source not in failed for content in plan.contents)
    return Report(
        domain.name,
        added=added,
        updated=updated,
        unchanged=standing - added - updated,
        removed=plan.count("removed"),
        failed=len(problems),
        renamed=plan.count("renamed"),
        chunks=manifest.chunks if manifest else 0,
        version=manifest.version if manifest else "",
        failures=tuple(sorted(problems, key=lambda problem: problem.source)),
        warnings=warnings,
        changes=plan.changes,
    )


@dataclass(slots=True)
class _Build:
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
            writer = IndexWriter(building, self.embedder.dimension, base, self.plan.gone)
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
            )
            if not self.force:
                with closing(Index.of(building, manifest)) as index:
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
            if old != version:
                shutil.rmtree(folder / old, ignore_errors=True)
        return report

    def _report(self, problems: Sequence[Problem], manifest: Manifest) -> Report:
        failed = {problem.source for problem in self.failures}
        changes = tuple(
            (what, source) for what, source in self.plan.changes if what == "removed" or source not in failed
        )
        report = _report(
            self.domain,
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
            document = _document(self.domain, content, loaded)
            chunks = split(document, loaded.pages)
            if not chunks:
                self.failures.append(Problem(content.source, "it holds no text", content.sha256))
                continue
            self.warnings += [Problem(content.source, note, content.sha256) for note in loaded.notes]
            records.append(_record(document, content, loaded, chunks))
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


def _document(domain: Domain, content: Content, loaded: Loaded) -> Document:
    stem = Path(content.source).stem.replace("_", " ").replace("-", " ").strip()
    title = content.title or loaded.title or stem
    pages = tuple(Page(number, page_text(blocks)) for number, blocks in enumerate(loaded.pages, 1))
    return Document(
        id=content.sha256[:32],
        domain=domain.name,
        title=" ".join(title.split())[:_TITLE_CHARACTERS],
        source=content.source,
        language=detect("\n".join(page.text for page in pages)[:20_000]),
        pages=pages,
        metadata={"kind": loaded.kind, **loaded.metadata, **content.metadata},
    )


def _record(document: Document, content: Content, loaded: Loaded, chunks: Sequence[Chunk]) -> DocumentRecord:
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


@contextmanager
def _explained(settings: Settings, domain: str) -> Iterator[None]:
    """Faults of the disk as LacertaError, in a sentence that says what to do."""
    kept = f'The version of "{domain}" that served before is untouched.'
    try:
        yield
    except LacertaError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LacertaError(f"The disk of {settings.var} is full: free some space and run again. {kept}") from error
        raise LacertaError(
            f"{error.filename or settings.var} cannot be used ({error.strerror}): check its permissions or set"
            f" LACERTA_VAR to a folder that can be written. {kept}"
        ) from error
    except Exception as error:
        # Chroma, tantivy and SQLite wrap what the system said in errors of their own.
        if isinstance(error, sqlite3.Error) or type(error).__module__.startswith(("chromadb", "tantivy")):
            free = shutil.disk_usage(settings.var).free if settings.var.exists() else 0
            advice = "free some space" if free < 50_000_000 or "full" in str(error) else "check its permissions"
            raise LacertaError(
                f"The index under {settings.var} could not be written ({error}): {advice}. {kept}"
            ) from error
        raise
