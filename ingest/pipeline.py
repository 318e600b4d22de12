"""Brings the index of a domain up to date: find, load, split, embed, write a new version aside, publish it.

Whatever happens on the way, the version that served before goes on serving until the new one is complete.
"""

import errno
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ingest.build import Build, Progress
from ingest.connectors.registry import fetch_all
from ingest.lock import locked
from ingest.plan import Plan, fingerprint, make_plan, old_manifest, read_contents, report_of, retry_marks
from ingest.report import Problem, Report, load_problems
from ingest.sources import READ_KINDS, SourceFile, find_files
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import LacertaError
from rag.index import Manifest, current_version, domain_index_folder, publish, versions
from rag.settings import Domain, Settings, load_domain
from rag.vectors_server import VectorServer

# The share of a version's chunks whose removal makes it worth building from nothing.
_WORN = 0.3


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
    alike = bool(
        current
        and not rebuild
        and (current.embedder, current.splitter) == made_by
        and _stored(settings, current, folder)
    )
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
        return replace(report_of(domain.name, plan, problems, (*standing, *notes), current), dry_run=dry_run)
    build = Build(settings, domain, embedder, shape, plan, force, notes, progress, warnings=[*standing])
    return build.publish_new_version(problems, current)


def _stored(settings: Settings, current: Manifest, folder: Path) -> bool:
    """Whether the vectors of a version are where the settings want them. Raises IndexUnavailable if that is unknown."""
    if current.store != settings.chroma:
        return False
    server = VectorServer.of(settings)
    return server is None or server.count(folder / current.version) == current.chunks


def _worn(plan: Plan, current: Manifest) -> bool:
    """Whether so much of a version would be replaced that it is better built from nothing.

    Chunks that were removed leave holes in the graph that searches still go through.
    """
    removed = current.removed + sum(record.chunks for record in current.documents if record.id in plan.gone)
    return bool(plan.kept) and removed > _WORN * max(current.chunks, 1)


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
