"""What families of encoders were trained to read before a query or a passage, as their model cards say."""

from pathlib import PurePath

_FAMILIES = (
    ("nomic-embed", "search_query: ", "search_document: "),
    ("arctic-embed-l-v2", "query: ", ""),
    ("arctic-embed-m-v2", "query: ", ""),
    ("arctic-embed", "Represent this sentence for searching relevant passages: ", ""),
    ("bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
    ("bge-base-en", "Represent this sentence for searching relevant passages: ", ""),
    ("bge-large-en", "Represent this sentence for searching relevant passages: ", ""),
    ("e5-small", "query: ", "passage: "),
    ("e5-base", "query: ", "passage: "),
    ("e5-large", "query: ", "passage: "),
)


def prefixes(name: str) -> tuple[str, str]:
    """The prefixes of a query and of a passage for the model or file `name`; empty for families without."""
    base = PurePath(name).name.lower()
    if "instruct" not in base:
        for family, query, passage in _FAMILIES:
            if family in base:
                return query, passage
    return "", ""
