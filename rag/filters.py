"""Filters of a question: which documents count. Knows nothing of indexes; whoever asks may write anything in them."""

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rag.errors import ConfigurationError
from rag.languages import OTHER
from rag.settings import LANGUAGES
from rag.text import fold

if TYPE_CHECKING:
    from rag.index import DocumentRecord, Manifest

_LONGEST = 200
_IDS = re.compile(r"[0-9a-f]{32}(?:,[0-9a-f]{32})*")
# Of documents, each named by its id.
_MOST_IDS = 30
_YEARS = re.compile(r"(?P<from>\d{4})(?:\s*[-–]\s*(?P<to>\d{4}))?|(?P<sign>[<>]=?)\s*(?P<than>\d{4})")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")

Test = Callable[["DocumentRecord"], bool]


def allowed_documents(filters: Mapping[str, str], manifest: "Manifest") -> frozenset[str] | None:
    """The ids of the documents that pass all filters; None where that is every document of the manifest.

    `language` and `kind` take one or several, parted by commas; `source` the beginning of a path, or a pattern with
    `*`, `?` and `[...]` for all of it; `document` an id, several parted by commas, or a part of a title; `date`, or
    `years`, `2023`, `2020-2024`, `>=2021`, `<2020`, by date of publication: a document without one passes no such
    filter. Upper case and accents make no difference.
    Raises ConfigurationError, saying what is possible, for another key or a value that does not fit.
    """
    tests = [_test(key, value, manifest) for key, value in filters.items()]
    allowed = frozenset(record.id for record in manifest.documents if all(test(record) for test in tests))
    return None if len(allowed) == len(manifest.documents) else allowed


def _test(key: str, value: str, manifest: "Manifest") -> Test:
    if key not in _TESTS:
        raise ConfigurationError(f"There is no filter {key[:_LONGEST]!r}. Filters: {', '.join(_TESTS)}.")
    value = value.strip()
    longest = _MOST_IDS * 33 - 1 if key == "document" and _IDS.fullmatch(value) else _LONGEST
    if not 1 <= len(value) <= longest:
        raise ConfigurationError(f"The filter {key} takes 1 to {longest} characters, is now {len(value)} long.")
    return _TESTS[key](value, manifest)


def _language(value: str, manifest: "Manifest") -> Test:
    known = {*LANGUAGES, OTHER, *(record.language for record in manifest.documents)}
    wanted = _one_of("language", value, known)
    return lambda record: record.language in wanted


def _kind(value: str, manifest: "Manifest") -> Test:
    wanted = _one_of("kind", value, {record.kind for record in manifest.documents})
    return lambda record: record.kind in wanted


def _one_of(key: str, value: str, known: set[str]) -> frozenset[str]:
    wanted = frozenset(part.strip().lower() for part in value.split(","))
    if not wanted <= known:
        raise ConfigurationError(
            f"The filter {key} takes {', '.join(sorted(known))}, or several parted by commas, is now {value!r}."
        )
    return wanted


def _source(value: str, manifest: "Manifest") -> Test:
    pattern = fold(value)
    if any(sign in pattern for sign in "*?["):
        return lambda record: any(fnmatchcase(fold(name), pattern) for name in _names(record))
    return lambda record: any(fold(name).startswith(pattern) for name in _names(record))


def _names(record: "DocumentRecord") -> tuple[str, ...]:
    return record.names or (record.source,)


def _document(value: str, manifest: "Manifest") -> Test:
    if _IDS.fullmatch(value):
        wanted = frozenset(value.split(","))
        return lambda record: record.id in wanted
    part = fold(value)
    return lambda record: record.id == value or part in fold(record.title)


def _years(value: str, manifest: "Manifest") -> Test:
    match = _YEARS.fullmatch(value)
    first, last = (0, 9999)
    if match and match["sign"]:
        than = int(match["than"])
        strict = len(match["sign"]) == 1
        first, last = (than + strict, 9999) if match["sign"].startswith(">") else (0, than - strict)
    elif match:
        first, last = int(match["from"]), int(match["to"] or match["from"])
    if not match or (match["to"] and first > last):
        raise ConfigurationError(f"The filter date takes years, as 2023, 2020-2024, >=2021 or <2020, is now {value!r}.")

    def test(record: "DocumentRecord") -> bool:
        year = _YEAR.search(record.metadata.get("published") or record.metadata.get("date", ""))
        return year is not None and first <= int(year[0]) <= last

    return test


_TESTS: Mapping[str, Callable[[str, "Manifest"], Test]] = {
    "language": _language,
    "source": _source,
    "kind": _kind,
    "date": _years,
    "years": _years,
    "document": _document,
}
NAMES = tuple(_TESTS)
"""What can be filtered by."""
