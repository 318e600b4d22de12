"""From the `[[sources]]` tables of a domain to its connectors, and to the documents that these keep on disk."""

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.connectors import Fetched, Progress
from ingest.connectors.store import kept
from ingest.report import Problem
from ingest.sources import shown
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Domain, Settings, Source

if TYPE_CHECKING:
    from ingest.connectors.arxiv import Arxiv
    from ingest.connectors.ntrs import Ntrs
    from ingest.connectors.web import Web
    from ingest.connectors.wikipedia import Wikipedia

    Remote = Arxiv | Ntrs | Web | Wikipedia

_LOG = logging.getLogger(__name__)

# Elsewhere than in tests they would send requests to other servers, or too many to the right one.
_FOR_TESTS = {"arxiv": {"api", "files", "interval"}, "ntrs": {"api", "interval"}, "wikipedia": {"api", "interval"}}
# What a collection is, apart from how much of it is kept: with other amounts its folder is gone on with.
_IDENTITY = {
    "arxiv": ("query", "categories"),
    "ntrs": ("query",),
    "web": ("start",),
    "wikipedia": ("language", "category"),
}
_FOLDER = re.compile(rf"(?:{'|'.join(_IDENTITY)})-[0-9a-f]{{8}}-[0-9a-f]{{8}}")
_UNUSED_SECONDS = 30 * 86_400
"""How long a folder stays that no source of its domain uses."""


def connectors_of(domain: Domain) -> "list[Remote]":
    """The connectors of a domain's sources. Raises ConfigurationError naming `domain.toml` and the key."""
    path = domain.folder / "domain.toml"
    return [_connector(path, source) for source in domain.sources if source.kind != "files"]


def fetch_all(
    domain: Domain, settings: Settings, progress: Progress, offline: bool = False
) -> tuple[list[Fetched], list[Problem]]:
    """Brings the fetched documents of a domain up to date: all that there are now, and what could not be had.

    With `offline` no server is asked, and what was fetched before is returned. Raises ConfigurationError for a wrong
    source, LacertaError where what was fetched before cannot be read: those documents must not count as gone.
    """
    return fetch_from(connectors_of(domain), domain.name, settings, progress, offline)


def fetch_from(
    connectors: "Sequence[Remote]",
    domain_name: str,
    settings: Settings,
    progress: Progress,
    offline: bool = False,
    allow_private: bool | Collection[str] = False,
) -> tuple[list[Fetched], list[Problem]]:
    """What these connectors have for a domain, as in `fetch_all`; `allow_private` as in `Fetcher`.

    One that fails does not stop the others: it gives a Problem and what it kept. A document that two of them have
    comes once, in full text where one of them has that.
    """
    home = settings.var / "fetched" / domain_name
    folders = _folders(connectors, home, offline)
    found: dict[str, Fetched] = {}
    problems: list[Problem] = []
    asked: set[str] = set()
    before = 0

    def show(done: int, known: int) -> None:
        progress(before + done, before + known)

    for connector, folder in zip(connectors, folders, strict=True):
        if offline:
            items = kept(folder)
        else:
            hosts = _hosts(connector)
            if hosts & asked:
                # Each fetcher keeps the interval only between requests of its own.
                time.sleep(connector.interval)
            asked |= hosts
            items, failures = _fetch(connector, folder, settings, show, allow_private)
            problems += failures
        before += len(items)
        for fetched in items:
            # Whoever made the document chose its name.
            item = replace(fetched, source=shown(fetched.source))
            if item.source not in found or _is_full_text(item) > _is_full_text(found[item.source]):
                found[item.source] = item
    if not offline:
        _remove_unused(home, folders)
    return [found[source] for source in sorted(found)], problems


def _fetch(
    connector: "Remote", folder: Path, settings: Settings, progress: Progress, allow_private: bool | Collection[str]
) -> tuple[list[Fetched], list[Problem]]:
    from ingest.connectors.http import Fetcher

    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    cache = settings.var / "cache" / "http"
    contact, hosts = settings.contact, _hosts(connector)
    try:
        with Fetcher(cache, hosts=hosts, contact=contact, allow_private=allow_private) as fetcher:
            return connector.fetch(folder, fetcher, progress)
    except ConfigurationError:
        raise
    except LacertaError as error:
        reason = str(error)
    # The last resort: what one server sends must not keep the others' documents from the index.
    except Exception as error:
        _LOG.exception("The source %s failed", _name(connector))
        reason = f"it failed ({type(error).__name__}: {error}): report this."
    return kept(folder), [Problem(_name(connector), f"{reason} What was fetched before is kept.")]


def _connector(path: Path, source: Source) -> "Remote":
    kind = _kinds()[source.kind]
    known: dict[str, Field[Any]] = {
        item.name: item for item in fields(kind) if item.name not in _FOR_TESTS.get(source.kind, ())
    }
    for key in source.options:
        if key not in known:
            raise ConfigurationError(
                f"{path}: a source of the kind {source.kind} has the unknown key {key!r}."
                f" Known keys: {', '.join(sorted(known))}."
            )
    for key, item in known.items():
        if item.default is MISSING and key not in source.options:
            raise ConfigurationError(f"{path}: a source of the kind {source.kind} lacks the key {key!r}.")
    values = {
        key: _value(f"{path}: {source.kind} {key}", value, known[key].type) for key, value in source.options.items()
    }
    try:
        return kind(**values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _value(where: str, value: Any, wanted: Any) -> Any:
    """A TOML value as the type of a connector's option."""
    if wanted == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigurationError(f'{where} should be a list of strings, ["...", "..."], is now {value!r}.')
        return tuple(value)
    if wanted == date | None:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise ConfigurationError(f"{where} should be a day without quotes, 2020-01-31, is now {value!r}.")
        return value
    accepted = (int, float) if wanted is float else wanted
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigurationError(f"{where} should be {names[wanted]}, is now {value!r}.")
    return value


def _kinds() -> "Mapping[str, type[Remote]]":
    # Imported here: most domains have files alone, and these modules take longer to import than their ingest.
    from ingest.connectors.arxiv import Arxiv
    from ingest.connectors.ntrs import Ntrs
    from ingest.connectors.web import Web
    from ingest.connectors.wikipedia import Wikipedia

    return {"arxiv": Arxiv, "ntrs": Ntrs, "web": Web, "wikipedia": Wikipedia}


def _kind(connector: "Remote") -> str:
    return type(connector).__name__.lower()


def _name(connector: "Remote") -> str:
    values = (getattr(connector, key) for key in _IDENTITY[_kind(connector)])
    parts = [value if isinstance(value, str) else ", ".join(value) for value in values]
    return " ".join([_kind(connector), *filter(None, parts)])[:100]


def _hosts(connector: "Remote") -> frozenset[str]:
    # A web source's `hosts` are those that are named beside the ones of its start pages.
    allowed = getattr(connector, "allowed_hosts", None)
    return allowed() if allowed else frozenset(connector.hosts)


def _is_full_text(item: Fetched) -> bool:
    return item.path.suffix != ".json"


def _folders(connectors: "Sequence[Remote]", home: Path, offline: bool) -> list[Path]:
    """The folder of each connector; one that an option was changed of takes over the folder that it had."""
    folders = [home / _folder_name(connector) for connector in connectors]
    for place, folder in enumerate(folders):
        if not folder.exists():
            collection = folder.name.rpartition("-")[0]
            unused = [path for path in sorted(home.glob(f"{collection}-*")) if path not in folders]
            if unused and offline:
                folders[place] = unused[-1]
            elif unused:
                unused[-1].rename(folder)
    return folders


def _folder_name(connector: "Remote") -> str:
    kind = _kind(connector)
    options = asdict(connector)
    return f"{kind}-{_hash([options[key] for key in _IDENTITY[kind]])}-{_hash(options)}"


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _remove_unused(home: Path, used: Collection[Path]) -> None:
    oldest = time.time() - _UNUSED_SECONDS
    for folder in home.glob("*"):
        if folder not in used and _FOLDER.fullmatch(folder.name) and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
