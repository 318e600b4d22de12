"""Fetches the training texts from their pinned public sources: python -m training.embedder.fetch FOLDER [--only NAME]

Writes into FOLDER what `training/embedder/data.py` reads: `pairs.jsonl.gz`, `sections.jsonl.gz`, `english.txt.gz` and
`glossary.tsv`. The sources are the rows of `sources.tsv`: a repository on GitHub at a commit, the files in it, their
format and licence; rows that say why are not fetched. Files that are named one by one come alone; where there are
patterns the repository's archive is fetched and read as a stream, nothing of it is unpacked. Downloads stay in
FOLDER/downloads; `FOLDER/fetched.json` records their SHA-256, which has to be the same when they are fetched again.

The commits are abbreviated to twelve digits except where the full one is known, and asked for as they stand. GitHub
promises nothing about abbreviated ones: where it answers 404, put the full commit into the table. Every archive names
its full commit inside, which is compared with the table and recorded.

Rows that share text with sets a model will be measured on are for the caller to leave out: `--held-out FILE` drops
every row that shares a whole line, or eight words in a row, with a line of the file. Needs httpx, markdown-it-py,
PyYAML and py3langid: the project's own environment has them, and so has that of `requirements/training.txt`.
"""

import argparse
import csv
import gzip
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from training.embedder import texts
from training.embedder.data import LANGUAGES
from training.embedder.download import LARGEST_DOWNLOAD, Downloads, FetchError, repository_files
from training.embedder.formats import LINES, MESSAGES, PAGES, Block

_HERE = Path(__file__).parent
_SHINGLE = 8


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the table. `files` are patterns (`*` within a folder, `**` across, `!` in front to leave out)."""

    name: str
    language: str
    repository: str
    commit: str
    files: tuple[str, ...]
    format: str
    licence: str

    def key(self, path: str) -> str | None:
        """What the wildcards stand for in a path that matches: translations of a file have the same key."""
        wanted, left_out = self.files[0], self.files[1:]
        match = _expression(wanted).fullmatch(path)
        if match is None or any(_expression(pattern[1:]).fullmatch(path) for pattern in left_out):
            return None
        return "\0".join(match.groups())


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    wildcards = {"**/": "((?:.+/)?)", "**": "(.*)", "*": "([^/]*)"}
    return re.compile("".join(wildcards.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*)", pattern)))


def read_sources(path: Path = _HERE / "sources.tsv") -> list[Source]:
    """The rows that are fetched, one for each language. Raises `FetchError` for a row that cannot be one."""
    sources = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["not fetched because"]:
                continue
            known = row["format"] in MESSAGES.keys() | PAGES.keys() | LINES.keys()
            pinned = re.fullmatch(r"[0-9a-f]{12,40}", row["commit"]) and re.fullmatch(
                r"[\w-]+/[\w.-]*[\w-]", row["repository"]
            )
            if not (known and pinned):
                raise FetchError(f"{path}: {row['name']}: repository, commit or format is not one: {row}")
            for language in row["languages"].split():
                files = tuple(row["files"].replace("{language}", language).split())
                sources.append(
                    Source(
                        row["name"], language, row["repository"], row["commit"], files, row["format"], row["licence"]
                    )
                )
    return sources


Pair = dict[str, str]
Section = dict[str, tuple[str, str]]


def read(downloads: Downloads, sources: Sequence[Source]) -> tuple[list[Pair], list[Section], list[str]]:
    """Clean pairs, sections and English lines of the rows of one source. Raises `FetchError`.

    A file that is not what its format says is passed over with a line on stderr.
    """
    repositories: dict[tuple[str, str], list[Source]] = defaultdict(list)
    for source in sources:
        repositories[source.repository, source.commit].append(source)
    messages: dict[tuple[str, str, str], Pair] = defaultdict(dict)
    pages: dict[str, dict[str, list[Block]]] = defaultdict(dict)
    english: list[str] = []
    for (repository, commit), rows in repositories.items():
        named = [source.files[0] for source in rows]
        exact = [] if any("*" in path for path in named) else list(dict.fromkeys(named))
        wanted = partial(_is_wanted, rows)
        for path, data in repository_files(downloads, repository, commit, exact, wanted):
            for source in rows:
                if (key := source.key(path)) is None:
                    continue
                try:
                    if source.format in MESSAGES:
                        for name, by_language in MESSAGES[source.format](data, source.language):
                            messages[source.format, key, name].update(by_language)
                    elif source.format in PAGES:
                        pages[key][source.language] = list(PAGES[source.format](data))
                    else:
                        english += LINES[source.format](data)
                except (ValueError, LookupError, AttributeError, TypeError) as error:
                    print(f"{repository}: {path}: passed over, not {source.format}: {error}", file=sys.stderr)
    pairs = [texts.pair(_in_order(row), "gloss" in format) for (format, _, _), row in messages.items()]
    sections: list[Section] = []
    for key in sorted(pages):
        aligned, under_headings = texts.align(pages[key])
        pairs += [texts.pair(_in_order(row)) for row in aligned]
        sections += [texts.section(_in_order(row)) for row in under_headings]
    return list(filter(None, pairs)), list(filter(None, sections)), list(texts.lines(english))


def _is_wanted(sources: Sequence[Source], path: str) -> bool:
    return any(source.key(path) is not None for source in sources)


def _in_order(row: Mapping[str, Any]) -> dict[str, Any]:
    return {language: row[language] for language in LANGUAGES if language in row}


class HeldOut:
    """Texts that no row may share a whole line, or eight words in a row, with."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._parts = {part for line in lines for part in self._parts_of(line)}

    @staticmethod
    def _parts_of(text: str) -> set[str]:
        words = re.findall(r"\w+", text.casefold())
        runs = {" ".join(words[start : start + _SHINGLE]) for start in range(len(words) - _SHINGLE + 1)}
        return runs or ({" ".join(words)} if words else set())

    def shares(self, *values: str) -> bool:
        return bool(self._parts) and any(self._parts & self._parts_of(value) for value in values)


def fetch(
    folder: Path,
    sources: Sequence[Source],
    only: Collection[str] = (),
    held_out: Iterable[str] = (),
    server: str = "",
    limit: int = LARGEST_DOWNLOAD,
    pause: float = 2.0,
) -> list[str]:
    """Writes the four files and returns what went wrong, a line for each source that gave nothing.

    only: names of sources, all of them if empty; raises `FetchError` for a name that is not in the table
    """
    if unknown := set(only) - {source.name for source in sources}:
        raise FetchError(f"--only {' '.join(sorted(unknown))}: should be of {sorted({s.name for s in sources})}")
    downloads, kept_out, failures = Downloads(folder, server, limit, pause), HeldOut(held_out), []
    pairs: dict[tuple, dict[str, Any]] = {}
    sections: dict[tuple, dict[str, Any]] = {}
    english: dict[str, None] = {}
    for name in dict.fromkeys(source.name for source in sources):
        rows = [source for source in sources if source.name == name]
        if only and name not in only:
            continue
        try:
            found = read(downloads, rows)
        except FetchError as error:
            failures.append(f"{name}: {error}")
            continue
        origin = {"src": name, "licence": rows[0].licence}
        for row in found[0]:
            if not kept_out.shares(*row.values()):
                pairs.setdefault(tuple(row.items()), origin | row)
        for part in found[1]:
            if not kept_out.shares(*(text for both in part.values() for text in both)):
                sections.setdefault(tuple(part.items()), origin | part)
        english |= dict.fromkeys(line for line in found[2] if not kept_out.shares(line))
        print(f"{name}: {len(found[0]):,} pairs, {len(found[1]):,} sections, {len(found[2]):,} lines", file=sys.stderr)
    _write(folder / "pairs.jsonl.gz", (json.dumps(row, ensure_ascii=False) for row in pairs.values()))
    _write(folder / "sections.jsonl.gz", (json.dumps(row, ensure_ascii=False) for row in sections.values()))
    _write(folder / "english.txt.gz", english)
    shutil.copyfile(_HERE / "glossary.tsv", folder / "glossary.tsv")
    return failures


def _write(path: Path, lines: Iterable[str]) -> None:
    """The same lines give the same bytes: the time is left out of the archive."""
    part = path.with_suffix(".part")
    with part.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        for line in lines:
            file.write(line.encode() + b"\n")
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.embedder.fetch", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a source; may be repeated")
    parser.add_argument("--held-out", action="append", default=[], type=Path, metavar="FILE", help="a text a line")
    options = parser.parse_args(arguments)
    try:
        lines = [line for path in options.held_out for line in path.read_text(encoding="utf-8").splitlines()]
        failures = fetch(options.folder, read_sources(), options.only, lines)
    except (FetchError, OSError) as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 2
    for failure in failures:
        print(f"fetch: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
