"""References as BibTeX, in the classic form that biblatex reads too (UTF-8, as biber and bibtexu expect it)."""

import re
from collections.abc import Sequence

from web.export.keys import keys
from web.export.references import Author, Reference

# Braces as commands: BibTeX counts even those behind a backslash. The rest is set wrong or does something in TeX.
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BABEL = {"en": "english", "hu": "hungarian", "ko": "korean"}
_REPORT = re.compile(r"report|memorandum|technical[ _](?:paper|publication)", re.IGNORECASE)


def bibtex(references: Sequence[Reference]) -> str:
    """A `.bib` file: an entry for each reference, empty where there is none.

    Cited pages are in `annote`, which no style prints: they are no property of the document.
    """
    return "\n".join(_entry(key, reference) for key, reference in zip(keys(references), references, strict=True))


def is_report(reference: Reference) -> bool:
    """Whether a catalogue calls it a technical report."""
    return bool(reference.publisher and _REPORT.search(reference.form))


def escape(text: str) -> str:
    """A text that TeX sets as it is and in which no command is left."""
    return text.translate(_ESCAPES)


def _entry(key: str, reference: Reference) -> str:
    kind = _type(reference)
    year, _, rest = reference.date.partition("-")
    fields = [
        ("author", " and ".join(map(_name, reference.authors))),
        ("title", _protected(reference.title)),
        ("year", year),
        ("journal", escape(reference.journal) if kind == "article" else ""),
        ("institution", escape(reference.publisher) if kind == "techreport" else ""),
        ("organization", escape(reference.publisher) if kind in ("misc", "online") and not reference.arxiv else ""),
        # A file without an address is found by its name alone.
        ("howpublished", escape(reference.source) if not reference.link else ""),
        ("number", escape(reference.report) if kind == "techreport" else ""),
        ("type", escape(reference.form) if kind == "techreport" else ""),
        # Addresses and identifiers are read word for word; theirs hold no brace and no backslash.
        ("eprint", reference.arxiv),
        ("archivePrefix", "arXiv" if reference.arxiv else ""),
        ("primaryClass", reference.category),
        ("doi", reference.doi),
        ("url", reference.link if reference.url or reference.arxiv else ""),
        ("urldate", reference.accessed if len(reference.accessed) == len("2024-03-01") else ""),
        ("langid", _BABEL.get(reference.language, "")),
        ("annote", _cited_pages(reference)),
    ]
    lines = [f"  {name} = {{{value}}}," for name, value in fields if value]
    if rest:
        lines.insert(_after_year(lines), f"  month = {_MONTHS[int(rest[:2]) - 1]},")
    return f"@{kind}{{{key},\n" + "\n".join(lines) + "\n}\n"


def _after_year(lines: Sequence[str]) -> int:
    return next(place for place, line in enumerate(lines, 1) if line.startswith("  year = "))


def _type(reference: Reference) -> str:
    if reference.journal:
        return "article"
    if reference.arxiv:
        return "misc"
    if is_report(reference):
        return "techreport"
    # Styles of classic BibTeX take what they do not know for @misc.
    return "online" if reference.url and not reference.doi else "misc"


def _name(author: Author) -> str:
    if not author.family:
        # In braces it stays one name, whatever words it holds.
        return f"{{{escape(author.name)}}}"
    parts = (author.family, author.suffix, author.given)
    return ", ".join(f"{{{escape(part)}}}" if _is_divisible(part) else escape(part) for part in parts if part)


def _is_divisible(part: str) -> bool:
    return "," in part or re.search(r"\band\b", part, re.IGNORECASE) is not None


def _protected(title: str) -> str:
    """A title whose words with capitals keep them, but for that of the first word."""
    return " ".join(_kept(word, not place) for place, word in enumerate(title.split()))


def _kept(word: str, first: bool) -> str:
    written = escape(word)
    if not any(map(str.isupper, word[1:] if first else word)):
        return written
    # BibTeX changes letters in braces that begin with a command, unless these are in braces themselves.
    return f"{{{{{written}}}}}" if written.startswith("\\") else f"{{{written}}}"


def _cited_pages(reference: Reference) -> str:
    return f"Cited: p. {', '.join(map(str, reference.pages))}" if reference.pages else ""
