"""Brings domains up to date whenever their files change. Knows not how that is done."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from ingest.lock import Locked
from ingest.sources import passed_over
from rag.errors import LacertaError
from rag.settings import Settings

_LOG = logging.getLogger(__name__)

_STEP_MILLISECONDS = 200
_QUIET_MILLISECONDS = 1000
"""Files are read when nothing has changed for so long: copying them takes its time."""
_LONGEST_SECONDS = 30.0
"""After so long they are read although they go on changing."""
_LOCKED_SECONDS = 5.0
_DESCRIPTIONS = ("domain.toml", "glossary.csv")


def watch(settings: Settings, names: Sequence[str], run: Callable[[str], None]) -> NoReturn:
    """Calls `run` for each domain at once, and again after each change of its documents, glossary or `domain.toml`.

    A folder may go and come back, or another take its place. Errors of `run` are printed on standard error and the
    watch goes on; a domain that another process ingests has its turn afterwards. Ends by KeyboardInterrupt alone.
    Raises LacertaError where the system watches no more files. WATCHFILES_FORCE_POLLING=1 looks at the files instead
    of waiting for the system's word, for network folders.
    """
    import watchfiles

    due: dict[str, float] = {}
    known: dict[str, tuple[tuple[str, int, int], ...]] = {}
    changed_at: float | None = None
    while True:
        standing = {name: _identity(settings.corpora / name) for name in names}
        due |= {name: time.monotonic() for name in names if standing[name] != known.get(name)}
        known = standing
        folders = sorted({folder for name in names for folder in _folders(settings.corpora / name)})
        if not folders:
            _run_due(due, run)
            time.sleep(_QUIET_MILLISECONDS / 1000)
            continue
        try:
            with closing(
                watchfiles.watch(
                    *folders,
                    watch_filter=None,
                    step=_STEP_MILLISECONDS,
                    debounce=_QUIET_MILLISECONDS,
                    rust_timeout=_QUIET_MILLISECONDS,
                    yield_on_timeout=True,
                    ignore_permission_denied=True,
                )
            ) as batches:
                for changes in batches:
                    if any(_identity(settings.corpora / name) != known[name] for name in names):
                        # What stands there now is not watched yet, and must be before it is read.
                        break
                    affected = _affected(settings, names, (Path(path) for _, path in changes))
                    if affected:
                        now = time.monotonic()
                        due |= dict.fromkeys(affected, now)
                        changed_at = now if changed_at is None else changed_at
                        if now - changed_at < _LONGEST_SECONDS:
                            continue
                    changed_at = None
                    _run_due(due, run)
        except FileNotFoundError:
            # It went between the look and the watch.
            continue
        except (OSError, RuntimeError) as error:
            raise LacertaError(
                f"The files of {', '.join(names)} cannot be watched ({error}): raise fs.inotify.max_user_watches, or"
                " set WATCHFILES_FORCE_POLLING=1."
            ) from error


def _run_due(due: dict[str, float], run: Callable[[str], None]) -> None:
    for name in [name for name, when in due.items() if when <= time.monotonic()]:
        del due[name]
        try:
            run(name)
        except Locked as error:
            _print(error)
            due[name] = time.monotonic() + _LOCKED_SECONDS
        except LacertaError as error:
            _print(error)
        # The last resort: a watch is left alone for weeks.
        except Exception:
            _LOG.exception("The ingest of %s failed; the watch goes on", name)


def _print(error: LacertaError) -> None:
    print(f"ingest: {error}", file=sys.stderr, flush=True)


def _folders(folder: Path) -> list[Path]:
    """What is watched for a domain: its folder and, where that is a link, what its `sources` lead to."""
    if not folder.is_dir():
        return []
    sources = folder / "sources"
    return [folder, sources.resolve()] if sources.is_symlink() and sources.is_dir() else [folder]


def _identity(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes where another folder takes the place of a domain's or of its `sources`."""
    found = []
    for path in (folder, folder / "sources"):
        try:
            state = os.stat(path)
            found.append((os.path.realpath(path), state.st_dev, state.st_ino))
        except OSError:
            found.append(("", 0, 0))
    return tuple(found)


def _affected(settings: Settings, names: Sequence[str], paths: Iterable[Path]) -> set[str]:
    """The domains that have a document, or a description, among these paths."""
    affected: set[str] = set()
    for path in paths:
        for name in names:
            folder = settings.corpora / name
            if path.name in _DESCRIPTIONS and path.parent in (folder, folder.resolve()):
                affected.add(name)
            for sources in {folder / "sources", (folder / "sources").resolve()}:
                if path.is_relative_to(sources) and not _is_passed_over(path.relative_to(sources)):
                    affected.add(name)
    return affected


def _is_passed_over(path: Path) -> bool:
    return passed_over(path.name) or any(part.startswith(".") for part in path.parts)
