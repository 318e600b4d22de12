"""The versions of each index and what the ingests that made them reported."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from fastapi.responses import Response

from ingest.report import load_report
from rag.errors import IndexUnavailable
from rag.index import Manifest, current_version, domain_index_folder, versions
from rag.settings import Domain, Settings
from web.maintain.frame import Reader, choices, command, facts, page
from web.maintain.words import count, duration, moment

_COUNTS = ("added", "updated", "renamed", "removed", "unchanged", "failed")
_LISTED = 200
_SHOWN_VERSIONS = 10


class Versions:
    """What is told of versions, which never change: each is read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read = lru_cache(maxsize=256)(self._version)

    def of(self, domain: str) -> list[tuple[str, tuple[Mapping[str, Any], Mapping[str, Any]]]]:
        """Names of the last versions with their manifest's facts and their report, newest first."""
        names = versions(self._settings, domain)[::-1][:_SHOWN_VERSIONS]
        return [(name, found) for name in names if (found := self._read(domain, name))]

    def current(self, domain: str) -> str | None:
        return current_version(self._settings, domain)

    def _version(self, domain: str, version: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        folder = domain_index_folder(self._settings, domain) / version
        try:
            manifest = Manifest.load(folder)
        except IndexUnavailable:
            return None
        known = {
            "created": manifest.created, "documents": len(manifest.documents), "chunks": manifest.chunks,
            "embedder": manifest.embedder,
        }  # fmt: skip
        return known, load_report(folder)


def indexes(reader: Reader, known: Versions) -> Response:
    """The page. Blocks."""
    sections = "".join(_domain(reader, reader.domains[name], known) for name in reader.chosen)
    return page(reader, "indexes", choices(reader, "indexes", periods=False) + sections)


def _domain(reader: Reader, domain: Domain, known: Versions) -> str:
    strings = reader.texts
    title = f"<h2>{escape(domain.title[reader.language])} <code>{escape(domain.name)}</code></h2>"
    current = known.current(domain.name)
    found = known.of(domain.name)
    if not found:
        said = escape(strings["maintain_no_index"])
        return f"<section>{title}<p>{said}</p>{command(f'make ingest DOMAIN={domain.name}')}</section>"
    items = "".join(f"<li>{_version(reader, name, name == current, *about)}</li>" for name, about in found)
    return f'<section>{title}<ol class="items">{items}</ol></section>'


def _version(reader: Reader, name: str, serves: bool, manifest: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    strings, language = reader.texts, reader.language
    mark = f'<span class="mark good">{escape(strings["maintain_serves"])}</span> ' if serves else ""
    created = str(manifest["created"])
    head = (
        f'<p class="head">{mark}<code>{escape(name)}</code> '
        f'<time datetime="{escape(created)}">{escape(moment(created, language))}</time></p>'
    )
    pairs = [
        (strings["maintain_documents"], count(manifest["documents"], language)),
        (strings["maintain_chunks"], count(manifest["chunks"], language)),
        (strings["maintain_embedder"], str(manifest["embedder"])),
    ]
    if not report:
        return f'{head}{facts(pairs)}<p class="note">{escape(strings["maintain_no_report"])}</p>'
    pairs += [
        (strings["maintain_failed_files" if key == "failed" else f"maintain_{key}"], count(report[key], language))
        for key in _COUNTS
        if isinstance(report.get(key), int)
    ]
    seconds = report.get("seconds")
    # Reports of before did not have them.
    if isinstance(seconds, int | float) and seconds > 0:
        pairs.append((strings["maintain_took"], duration(round(float(seconds), 1), language)))
    lists = [
        ("failed_files", _problems(report.get("failures"))),
        ("warnings", _problems(report.get("warnings"))),
        ("changes", _changes(report.get("changes"), strings)),
    ]
    return head + facts(pairs) + "".join(_listed(reader, key, rows, serves) for key, rows in lists)


def _problems(values: Any) -> list[tuple[str, str]]:
    return [(str(item.get("source", "")), str(item.get("reason", ""))) for item in _mappings(values)]


def _changes(values: Any, strings: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for item in _mappings(values):
        word = f"maintain_{item.get('change', '')}"
        found.append((str(item.get("source", "")), strings.get(word, str(item.get("change", "")))))
    return found


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    # The file may be of an earlier program.
    return [item for item in values if isinstance(item, Mapping)] if isinstance(values, Sequence) else []


def _listed(reader: Reader, key: str, rows: list[tuple[str, str]], serves: bool) -> str:
    if not rows:
        return ""
    strings, language = reader.texts, reader.language
    items = "".join(
        f'<tr><th scope="row" dir="auto">{escape(source[:300])}</th><td>{escape(text[:500])}</td></tr>'
        for source, text in rows[:_LISTED]
    )
    left = len(rows) - _LISTED
    more = f"<p>{escape(strings['maintain_more'].format(count=count(left, language)))}</p>" if left > 0 else ""
    # What failed in the version that serves is what has to be mended.
    opened = " open" if serves and key == "failed_files" else ""
    title = escape(strings[f"maintain_{key}"])
    return (
        f"<details{opened}><summary>{title} <b>{count(len(rows), language)}</b></summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table><tbody>{items}</tbody></table>'
        f"</div>{more}</details>"
    )
