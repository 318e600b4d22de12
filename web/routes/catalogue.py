"""What a domain's documents can be filtered by: kinds, languages, years and titles with how many there are of each."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rag.index import DocumentRecord, Manifest
from rag.text import fold

LISTED = 50
"""Documents of one list."""
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")


def date_of(record: DocumentRecord) -> str:
    """When a document was published, as it says itself; empty where it does not."""
    return record.metadata.get("published") or record.metadata.get("date") or ""


@dataclass(frozen=True)
class Catalogue:
    """The documents of an index version by id."""

    version: str
    records: Mapping[str, DocumentRecord]

    @cached_property
    def facets(self) -> dict[str, Any]:
        """How many documents there are of each kind, language and year, the most first, years in order."""
        years: Counter[int] = Counter()
        for record in self.records.values():
            if match := _YEAR.search(date_of(record)):
                years[int(match[0])] += 1
        return {
            "documents": len(self.records),
            "kinds": _counted(Counter(record.kind for record in self.records.values())),
            "languages": _counted(Counter(record.language for record in self.records.values())),
            "years": [{"value": year, "count": count} for year, count in sorted(years.items())],
            "undated": len(self.records) - years.total(),
        }

    @cached_property
    def _titles(self) -> list[tuple[str, DocumentRecord]]:
        by_title = ((fold(record.title), record) for record in self.records.values())
        return sorted(by_title, key=lambda item: (item[0], item[1].id))

    def titled(self, part: str) -> tuple[list[DocumentRecord], int]:
        """The first documents whose title or path holds all words of a text, and how many these are in all."""
        words = fold(part).split()
        found = [
            record
            for title, record in self._titles
            if all(word in title or any(word in fold(name) for name in record.names) for word in words)
        ]
        return found[:LISTED], len(found)


class Catalogues:
    """The catalogue of each domain's current version, made when it is first asked for. Thread-safe."""

    def __init__(self) -> None:
        self._made: dict[str, Catalogue] = {}
        self._lock = threading.Lock()

    def of(self, manifest: Manifest) -> Catalogue:
        """That of the version which the manifest describes."""
        with self._lock:
            made = self._made.get(manifest.domain)
            if made is None or made.version != manifest.version:
                records = {record.id: record for record in manifest.documents}
                made = self._made[manifest.domain] = Catalogue(manifest.version, records)
            return made


def _counted(counts: Counter[str]) -> list[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"value": value, "count": count} for value, count in ordered]
