"""Which documents a question was asked of, in words: what of `rag.filters` the page offers. Knows nothing of HTML."""

from collections.abc import Mapping

from rag.index import DocumentRecord
from rag.settings import LANGUAGES
from rag.text import flatten, visible

# Called the same in every language.
_NAMES = {"pdf": "PDF", "odt": "OpenDocument", "json": "JSON", "jsonl": "JSON Lines", "markdown": "Markdown"}
_APART = "; "
_LONGEST = 1000


def kept_filters(filters: Mapping[str, str], documents: Mapping[str, DocumentRecord]) -> dict[str, str]:
    """The filters as they are kept with what was asked: documents by their titles."""
    kept = {key: value.strip()[:_LONGEST] for key, value in filters.items() if value.strip()}
    if "document" in kept:
        names = kept["document"].split(",")
        titles = (documents[name].title if name in documents else name for name in names)
        kept["document"] = flatten(visible(_APART.join(titles)))[:_LONGEST]
    return kept


def filter_words(filters: Mapping[str, str], texts: Mapping[str, str]) -> str:
    """What such filters let pass, in the language of the texts; empty where that is everything."""
    words = []
    for key, value in filters.items():
        if key == "kind":
            words += [_NAMES.get(kind) or texts.get(f"filter_kind_{kind}", kind) for kind in value.split(",")]
        elif key == "language":
            words += [texts[code if code in LANGUAGES else "other"] for code in value.split(",")]
        elif value.startswith(">="):
            words.append(texts["filter_since"].format(year=value[2:]))
        elif value.startswith("<="):
            words.append(texts["filter_until"].format(year=value[2:]))
        elif key in ("years", "date"):
            words.append(value.replace("-", "–"))
        else:
            words.append(value)
    return _APART.join(words)
