"""Walks through a server's paged list of documents and keeps a folder in step with it. Knows no server's format."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.connectors import Fetched, Progress
from ingest.connectors.http import BudgetExhausted, Fetcher, FetchError
from ingest.connectors.store import Entry, Store
from ingest.report import Problem

TRIES = 4
"""How often a page is asked for that is empty or can't be read; servers give such pages when they are busy."""
_PAGES_SKIPPED = 3
_FAILURES_NAMED = 8
_RESUMED_SECONDS = 86_400
_AGAIN = "run make ingest again later"
_EMPTY = "the server gave an empty page"
_WEEK = 604_800


class BadAnswer(Exception):
    """A server's answer is not in its format: a clause that says how. It may be right at the next try."""


class Refused(BadAnswer):
    """A server says that it will not answer such a question, now or later."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list.

    `received` counts everything on it, `entries` only what is to be kept; `total` is what the server says that the
    whole list holds, `gone` the identifiers of documents that were withdrawn.
    """

    entries: tuple[Entry, ...]
    received: int
    total: int
    gone: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """How a server's list is read.

    `name` begins every problem's source; `question` says what is asked for and how, so that another question begins
    another list; `read(start)` gets the page that begins at `start` (0-based) and raises FetchError or BadAnswer.
    At most `most` documents are kept; `page_size` is how many are asked for at once. `interval` is the least number of
    seconds between two downloads, `largest` the most bytes of one.
    """

    name: str
    question: str
    read: Callable[[int], Page]
    most: int
    page_size: int
    full_text: bool = False
    interval: float = 0.0
    largest: int = 50_000_000

    def fetch(self, folder: Path, fetcher: Fetcher, progress: Progress) -> tuple[list[Fetched], list[Problem]]:
        """Every document that is listed now, and those that can't be reached now but were fetched before."""
        with Store(folder) as store:
            walk = _Walk(self, store, fetcher, progress)
            walk.run()
            return store.documents(), walk.problems


class _Walk:
    """One run through a list; what it reached is saved after every page."""

    def __init__(self, listing: Listing, store: Store, fetcher: Fetcher, progress: Progress) -> None:
        self._listing, self._store, self._fetcher, self._progress = listing, store, fetcher, progress
        self.problems: list[Problem] = []
        self._failures = 0
        digest = hashlib.sha256(listing.question.encode()).hexdigest()
        state = store.load("listing")
        number, start, began = (_number(state.get(key)) for key in ("number", "start", "began"))
        now = int(time.time())
        self._same = state.get("question") == digest
        if self._same and not state.get("finished") and 0 <= now - began < _RESUMED_SECONDS:
            self._whole, self._expected = bool(state.get("whole", True)), _number(state.get("expected"))
        else:
            number, start, began, self._whole, self._expected = number + 1, 0, now, True, 0
        self._number, self._start, self._began, self._digest = number, start, began, digest

    def run(self) -> None:
        self._go_through()
        if self._failures > _FAILURES_NAMED:
            more = self._failures - _FAILURES_NAMED
            self._report(f"{more} more full texts could not be fetched; {_AGAIN}")

    def _go_through(self) -> None:
        most, step, skipped = self._listing.most, self._listing.page_size, 0
        known: set[str] = set()
        self._save()
        while self._start == 0 or self._start < min(self._expected or most, most):
            try:
                page = self._page()
                self._expected = max(self._expected, page.total, self._start + page.received)
                if not page.received:
                    break
            except FetchError as error:
                self._report(f"{error} What was fetched before is kept.")
                return
            except Refused as error:
                self._report(f"{error}; what was fetched before is kept")
                return
            except BadAnswer as error:
                self._whole, skipped = False, skipped + 1
                self._report(f"{error}, {TRIES} times from document {self._start}; {_AGAIN}")
                if skipped >= _PAGES_SKIPPED or not self._expected:
                    return
                # A page that never comes must not hide those behind it.
                self._start += step
                self._save()
                continue
            self.problems.extend(page.problems)
            names = {entry.identifier for entry in page.entries} | set(page.gone)
            if names and names <= known:
                self._whole = False
                self._report(f"the server repeats the page before document {self._start}; {_AGAIN}")
                break
            known |= names
            try:
                self._keep(page, min(self._expected, most))
            except BudgetExhausted as error:
                self._report(str(error))
                return
            self._start += page.received
            step = page.received
            self._save()
        self._finish()

    def _page(self) -> Page:
        """The page that begins at `_start`; an empty one only where the list ends."""
        reason, expected = "", self._expected
        for _ in range(TRIES):
            try:
                page = self._listing.read(self._start)
            except Refused:
                raise
            except BadAnswer as error:
                reason = str(error)
                continue
            expected = max(expected, page.total)
            if page.received or 0 < expected <= self._start:
                return page
            reason = _EMPTY
        if not expected and reason == _EMPTY:
            return Page((), 0, 0)
        raise BadAnswer(reason)

    def _keep(self, page: Page, total: int) -> None:
        for identifier in page.gone:
            self._store.drop(identifier)
        for place, entry in enumerate(page.entries[: max(0, total - self._start)]):
            self._progress(self._start + place, total)
            if self._listing.full_text and entry.download:
                self._keep_full_text(entry)
            else:
                self._keep_record(entry)
        self._progress(min(self._start + page.received, total), total)

    def _keep_record(self, entry: Entry, note: str = "") -> None:
        content = entry.record()
        version = f"{entry.version} record {hashlib.sha256(content).hexdigest()[:16]}{note}"
        if self._store.version(entry.identifier) == version:
            self._store.seen(entry.identifier, self._number)
        else:
            self._store.keep(entry, version, content, ".json", self._number)

    def _keep_full_text(self, entry: Entry) -> None:
        wanted = f"{entry.version} pdf"
        kept = self._store.version(entry.identifier) or ""
        if kept == wanted:
            self._store.describe(entry, self._number)
        elif kept.startswith(f"{entry.version} record ") and kept.endswith(_no_full_text()):
            self._keep_record(entry, _no_full_text())
        else:
            self._download(entry, wanted, kept)

    def _download(self, entry: Entry, wanted: str, kept: str) -> None:
        try:
            response = self._fetcher.get(
                entry.download,
                accept="application/pdf",
                interval=self._listing.interval,
                largest=self._listing.largest,
                store=False,
            )
        except BudgetExhausted:
            raise
        except FetchError as error:
            if error.gone:
                self._keep_record(entry, _no_full_text())
            else:
                self._keep_without(entry, kept, str(error))
            return
        if b"%PDF-" in response.content[:1024]:
            self._store.keep(entry, wanted, response.content, ".pdf", self._number)
        else:
            self._keep_without(entry, kept, f"{entry.download} gives no PDF file; {_AGAIN}")

    def _keep_without(self, entry: Entry, kept: str, reason: str) -> None:
        """An older full text says more than a newer abstract; without one the abstract has to do."""
        self._failures += 1
        if self._failures <= _FAILURES_NAMED:
            self.problems.append(Problem(entry.source, f"its full text could not be fetched: {reason}"))
        if kept.endswith(" pdf"):
            self._store.seen(entry.identifier, self._number)
        else:
            self._keep_record(entry)

    def _finish(self) -> None:
        if not self._expected:
            self._report("nothing is listed: check the query")
            # A list that was never empty before is more likely broken than empty.
            if self._same and len(self._store):
                return
        if self._whole:
            self._store.drop_unlisted(self._number)
        self._save(finished=True)

    def _save(self, finished: bool = False) -> None:
        values = {"question": self._digest, "number": self._number, "start": self._start, "began": self._began}
        progress = {"expected": self._expected, "whole": self._whole, "finished": finished}
        self._store.save("listing", values | progress)

    def _report(self, reason: str) -> None:
        self.problems.append(Problem(self._listing.name, reason))


def _no_full_text() -> str:
    """Marks a record whose full text the server does not have; in another week it is asked for again."""
    return f" no full text {int(time.time()) // _WEEK}"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
