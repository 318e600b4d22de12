"""Records as documents: Lacerta's own record files, JSON lines and arrays, arXiv's and other Atom feeds, NTRS answers.

Knows nothing of where records are fetched from.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import Element, attribute, local, parse_xml, text_of
from ingest.loaders.rows import clean

RECORD = "lacerta"
"""The key that tells a record file from other JSON; its value is `record`."""

_ABOUT = ("authors", "author", "published", "journal", "report", "identifier", "doi", "keywords", "categories")
_TITLES = ("title", "name", "headline", "제목", "cím")
_TEXTS = (
    "text",
    "content",
    "body",
    "abstract",
    "summary",
    "description",
    "article",
    "본문",
    "내용",
    "szöveg",
    "tartalom",
)
# A value of this length or more is read as sentences, not as a value in a row.
_LONG = 300
_DEPTH = 6
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def load_record(content: bytes, name: str) -> Loaded:
    """A record file: `title`, `url`, `language`, `metadata`, and `sections` with `heading`, `text`, maybe `level`."""
    values = _parsed(decode(content))
    if not isinstance(values, dict) or not isinstance(values.get("sections"), list):
        raise LoadError('it is no record ("sections" is missing): fetch it again')
    stated = values.get("metadata")
    metadata = {str(key): clean(str(value)) for key, value in stated.items()} if isinstance(stated, dict) else {}
    metadata |= {key: clean(str(values[key])) for key in ("url", "language") if values.get(key)}
    title = clean(str(values.get("title") or ""))
    blocks = [*_head(title, metadata, 1)]
    for section in values["sections"]:
        if isinstance(section, dict):
            level = str(section.get("level") or "")
            if heading := clean(str(section.get("heading") or "")):
                blocks.append(Block(heading, min(int(level), 6) if level.isdigit() and int(level) else 2))
            blocks += _paragraphs(str(section.get("text") or ""))
    return _loaded("record", title, blocks, metadata)


def load_json(content: bytes, name: str) -> Loaded:
    """A JSON file: an array of objects gives a row for each, an object one; NTRS answers are told by their keys.

    An object with a title and a long text is read as a heading with paragraphs. Values inside of values are named
    `outer.inner`. Raises LoadError for what is no JSON or holds no text.
    """
    values = _parsed(decode(content))
    if isinstance(values, dict):
        if "stiType" in values or "authorAffiliations" in values:
            return _loaded(
                "ntrs", clean(str(values.get("title") or "")), list(_report(values, 1)), _report_about(values)
            )
        lists = [item for item in values.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
        if lists and "stats" in values and "results" in values:
            reports = [item for item in values["results"] if isinstance(item, dict)]
            return _loaded("ntrs", "", [block for report in reports for block in _report(report, 2)], {})
        # One list of objects and little else is a table with a wrapper.
        long = any(isinstance(value, str) and len(value) >= _LONG for value in values.values())
        records = lists[0] if len(lists) == 1 and len(lists[0]) > 1 and not long else [values]
    else:
        records = values if isinstance(values, list) else [values]
    return _rows("json", records)


def load_json_lines(content: bytes, name: str) -> Loaded:
    """A JSON value a line; lines that are none are named in the notes."""
    records, damaged = [], []
    for number, line in enumerate(decode(content).splitlines(), 1):
        if line.strip():
            try:
                records.append(_parsed(line))
            except LoadError:
                damaged.append(number)
    if not records:
        raise LoadError(f"no line of it is JSON (line {damaged[0] if damaged else 1} is the first): export it again")
    shown = ", ".join(map(str, damaged[:8])) + (" ..." if len(damaged) > 8 else "")
    return _rows("jsonl", records, (f"lines that are no JSON were left out: {shown}",) if damaged else ())


def load_feed(content: bytes, name: str) -> Loaded:
    """An Atom feed, such as the answers of arXiv's API: a section for each entry."""
    root = parse_xml(content, "feed")
    entries = [item for item in root if local(item) == "entry"] if local(root) == "feed" else [root]
    if not entries:
        raise LoadError("it is a feed without entries: remove it")
    single = len(entries) == 1
    title = ""
    metadata: dict[str, str] = {}
    blocks: list[Block] = []
    for entry in entries:
        title, metadata = _entry_about(entry)
        blocks += _head(title, metadata, 1 if single else 2)
        for item in entry:
            if local(item) in ("summary", "content"):
                text = text_of(item)
                blocks += _paragraphs(_TAG.sub(" ", text) if attribute(item, "type") == "html" else text)
    if not single:
        stated = next((clean(text_of(item)) for item in root if local(item) == "title"), "")
        # arXiv calls a feed by the query that it answers.
        title, metadata = "" if stated.startswith(("ArXiv Query", "arXiv Query")) else stated, {}
    return _loaded("atom", title, blocks, metadata)


def _entry_about(entry: Element) -> tuple[str, dict[str, str]]:
    found: dict[str, list[str]] = {}
    for item in entry:
        text = attribute(item, "term") if local(item) == "category" else clean(text_of(item))
        if local(item) == "author":
            text = next((clean(text_of(part)) for part in item if local(part) == "name"), text)
        if text:
            found.setdefault(local(item), []).append(text)
    address = found.get("id", [""])[0]
    stated = {
        "authors": ", ".join(found.get("author", [])),
        "published": found.get("published", found.get("updated", [""]))[0][:10],
        "journal": found.get("journal_ref", [""])[0],
        "doi": found.get("doi", [""])[0],
        "categories": " ".join(found.get("category", [])),
        "url": address if address.startswith("http") else "",
    }
    return found.get("title", [""])[0], {key: value for key, value in stated.items() if value}


def _report_about(report: Mapping[str, Any]) -> dict[str, str]:
    authors = [
        author["meta"]["author"]["name"]
        for author in _objects(report.get("authorAffiliations"))
        if isinstance(author.get("meta"), dict) and isinstance(author["meta"].get("author"), dict)
        if isinstance(author["meta"]["author"].get("name"), str)
    ]
    dates = [str(item.get("publicationDate") or "") for item in _objects(report.get("publications"))]
    keywords = report.get("keywords")
    stated = {
        "authors": "; ".join(authors),
        "published": next((day[:10] for day in dates if day), str(report.get("distributionDate") or "")[:10]),
        "keywords": "; ".join(map(str, keywords)) if isinstance(keywords, list) else "",
        "identifier": f"NTRS {report['id']}" if report.get("id") else "",
        "url": f"https://ntrs.nasa.gov/citations/{report['id']}" if report.get("id") else "",
    }
    return {key: clean(value) for key, value in stated.items() if value}


def _report(report: Mapping[str, Any], level: int) -> Iterator[Block]:
    yield from _head(clean(str(report.get("title") or "")), _report_about(report), level)
    yield from _paragraphs(str(report.get("abstract") or ""))


def _head(title: str, metadata: Mapping[str, str], level: int) -> Iterator[Block]:
    """The title of a record and what is asked about it, such as its authors, in one row."""
    if title:
        yield Block(title, level)
    about = "; ".join(f"{key}: {metadata[key]}" for key in _ABOUT if metadata.get(key))
    if about:
        yield Block(about, row=True)


def _rows(kind: str, records: list[Any], notes: tuple[str, ...] = ()) -> Loaded:
    blocks = [block for value in records for block in _object(value, 1 if len(records) == 1 else 2)]
    title = blocks[0].text if len(records) == 1 and blocks and blocks[0].level else ""
    table = all(block.row for block in blocks)
    return _loaded(kind, title, blocks, {}, notes, table)


def _object(value: Any, level: int) -> Iterator[Block]:
    flat = dict(_flat(value, "", 0))
    title = next((key for key in _TITLES if flat.get(key)), "")
    text = next((key for key in _TEXTS if len(flat.get(key, "")) >= _LONG), "")
    if title and text:
        yield Block(clean(flat.pop(title)), level)
        paragraphs = _paragraphs(flat.pop(text))
    else:
        paragraphs = []
    row = "; ".join(f"{key}: {shown}" if key else shown for key, item in flat.items() if (shown := clean(item)))
    if row:
        yield Block(row, row=True)
    yield from paragraphs


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """`(name, text)` of the values in a value; lists of plain values in one text."""
    if isinstance(value, dict) and depth < _DEPTH:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value) and depth < _DEPTH:
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{name} {number}".strip(), depth + 1)
    elif isinstance(value, list):
        yield name, ", ".join(str(item) for item in value if item is not None)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif isinstance(value, str) or value is not None:
        yield name, str(value)


def _paragraphs(text: str) -> list[Block]:
    """A line is a paragraph, unless it was wrapped: then blank lines part them."""
    lines = text.strip().split("\n")
    parts = re.split(r"\n\s*\n", text) if max(map(len, lines)) <= 120 and len(lines) > 1 else lines
    return [Block(shown) for part in parts if any(map(str.isalnum, shown := clean(part)))]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _parsed(text: str) -> Any:
    try:
        # Numbers as written: a float would change 1.10 to 1.1.
        return json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"it is damaged JSON ({error}): export it again") from error


def _loaded(
    kind: str,
    title: str,
    blocks: list[Block],
    metadata: Mapping[str, str],
    notes: tuple[str, ...] = (),
    rows: bool = False,
) -> Loaded:
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it holds no text: fill it or remove it")
    return Loaded(kind, title, (tuple(blocks),), metadata, notes, rows)
