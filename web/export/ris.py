"""References as RIS, the format of reference managers (UTF-8, lines of a tag and a value that end with CR LF)."""

from collections.abc import Iterator, Sequence

from web.export.bibtex import is_report
from web.export.keys import keys
from web.export.references import Author, Reference


def ris(references: Sequence[Reference]) -> str:
    """A `.ris` file: a record for each reference, empty where there is none.

    `SP` and `EP` are the first and the last page that was cited, but for articles: there they would be read as the
    pages in the journal.
    """
    return "".join(_record(key, reference) for key, reference in zip(keys(references), references, strict=True))


def _record(key: str, reference: Reference) -> str:
    lines = [f"{tag}  - {value}" for tag, value in _fields(key, reference) if value]
    return "\r\n".join([*lines, "ER  - ", "", ""])


def _fields(key: str, reference: Reference) -> Iterator[tuple[str, str]]:
    kind = _type(reference)
    yield "TY", kind
    yield "ID", key
    for author in reference.authors:
        yield "AU", _name(author)
    yield "TI", reference.title
    if kind == "JOUR":
        yield "T2", reference.journal
    yield "PY", reference.year
    # Year, month and day between slashes, which stay where a part is not known.
    yield "DA", "/".join([*reference.date.split("-"), "", ""][:3]) + "/" if reference.date else ""
    yield "DO", reference.doi
    yield "AN", f"arXiv:{reference.arxiv}" if reference.arxiv else ""
    yield "UR", reference.link
    yield "Y2", reference.accessed.replace("-", "/")
    yield "M3", reference.form
    yield "M1", reference.report
    yield "PB", reference.publisher
    yield "LA", reference.language
    # A file without an address is found by its name alone.
    yield "N1", "" if reference.link else f"File: {reference.source}"
    if reference.pages:
        if kind != "JOUR":
            yield "SP", str(reference.pages[0])
            yield "EP", str(reference.pages[-1])
        yield "N1", f"Cited: p. {', '.join(map(str, reference.pages))}"


def _type(reference: Reference) -> str:
    if reference.journal:
        return "JOUR"
    if reference.arxiv:
        return "UNPB"
    if is_report(reference):
        return "RPRT"
    return "ELEC" if reference.url else "GEN"


def _name(author: Author) -> str:
    parts = (author.family, author.given, author.suffix) if author.family else (author.name,)
    return ", ".join(filter(None, parts))
