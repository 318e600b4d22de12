"""Reads the file formats of the training sources. Knows nothing of where a file came from.

Three families: `MESSAGES` give (key, texts by language), to be joined over the languages by key; `PAGES` give the
blocks of a page, to be aligned by their structure; `LINES` give English texts that stand alone. A file that cannot be
parsed raises `ValueError`; one of another shape than expected may raise what looking into it raises.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

Message = tuple[str, dict[str, str]]
"""The key that all translations of a text share, and the texts by language that this file gives."""
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
Block = tuple[str, str]
"""Its kind (`h1` to `h6` for headings, else where it stands, such as `ul li p`) and its text."""

_PO_LINE = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[0\])?)?\s*"(.*)"$')
_ESCAPE = re.compile(r"\\(.)")
_FRONT_MATTER = re.compile(r"\A\ufeff?---\n.*?\n---\n", re.DOTALL)
_ANCHOR = re.compile(r"""<a (?:name|id)=["']([\w-]+)["']\s*/?>""")
_DICTIONARY = re.compile(r"^(?P<word>.+?) \{(?P<kind>\w+)\} (?:\((?P<gloss>.+)\) )?:: (?P<translations>.+)$")
_ASIDE = re.compile(r"\s*(?:\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|/[^/]*/)")


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig").replace("\r\n", "\n")


def _po(data: bytes, language: str) -> Iterator[Message]:
    """Gettext; the singular of plurals. Entries that are marked fuzzy or obsolete are passed over."""
    for entry in re.split(r"\n\s*\n", _text(data)):
        if re.search(r"^#(?:,.*\bfuzzy\b|~)", entry, re.MULTILINE):
            continue
        parts: dict[str, str] = defaultdict(str)
        field = ""
        for line in entry.splitlines():
            if match := _PO_LINE.match(line):
                field = match[1] or field
                parts[field] += _ESCAPE.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), match[2])
            elif line.startswith("msg"):
                field = ""
        source, translated = parts["msgid"], parts["msgstr"] or parts["msgstr[0]"]
        if source and translated:
            yield f"{parts['msgctxt']}\0{source}", {"en": source, language: translated}


def _leaves(value: Any, language: str, path: tuple[str, ...] = ()) -> Iterator[Message]:
    """Every text of a nested object under its path, without the steps that only name the language."""
    if isinstance(value, dict):
        for name, inner in value.items():
            step = () if name == language and isinstance(inner, dict) else (str(name),)
            yield from _leaves(inner, language, (*path, *step))
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        yield ".".join(path), {language: ", ".join(value)}
    elif isinstance(value, str):
        yield ".".join(path), {language: value}


def _json(data: bytes, language: str) -> Iterator[Message]:
    yield from _leaves(json.loads(_text(data)), language)


def _json5(data: bytes, language: str) -> Iterator[Message]:
    """JSON with comments on lines of their own and trailing commas, which is what the message files use of JSON5."""
    text = re.sub(r"^\s*(?://.*|/\*.*?\*/\s*)$", "", _text(data), flags=re.MULTILINE)
    yield from _leaves(json.loads(re.sub(r",(\s*[}\]])", r"\1", text)), language)


def _load_yaml(data: bytes) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        return yaml.load(_text(data), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error


def _yaml(data: bytes, language: str) -> Iterator[Message]:
    yield from _leaves(_load_yaml(data), language)


def _fluent(data: bytes, language: str) -> Iterator[Message]:
    """Messages and attributes without selectors; a term such as `{ -brand-name-firefox }` becomes its name."""
    name = ""
    found: dict[str, str] = {}
    for line in _text(data).splitlines():
        if match := re.match(r"^(-?[A-Za-z][\w-]*)\s*=\s*(.*)$", line):
            name = match[1]
            found[name] = match[2]
        elif match := re.match(r"^\s+\.([\w-]+)\s*=\s*(.*)$", line):
            name = f"{name.split('.')[0]}.{match[1]}"
            found[name] = match[2]
        elif line[:1] == " " and name:
            found[name] += " " + line.strip()
        elif line.strip():
            name = ""
    for key, text in found.items():
        if "->" not in text:
            spoken = re.sub(
                r"\{\s*-(?:brand-name-)?([\w-]+)\s*\}", lambda term: term[1].replace("-", " ").title(), text
            )
            yield key, {language: spoken}


def _xml(data: bytes) -> ElementTree.Element:
    # A document type is where entity bombs live, and none of these formats needs one.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("the XML declares a document type")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from error


def _android(data: bytes, language: str) -> Iterator[Message]:
    for element in _xml(data).iter("string"):
        text = "".join(element.itertext())
        yield element.get("name", ""), {language: re.sub(r"\\[nt]", " ", text).replace("\\", "")}


def _phet(data: bytes, language: str) -> Iterator[Message]:
    """The English side is the key in words: `leftHandSide` is "left hand side"."""

    def values(value: Any, path: str) -> Iterator[Message]:
        if isinstance(value, dict):
            if isinstance(value.get("value"), str):
                yield path, {"en": _words(path.rsplit(".", 1)[-1]), language: value["value"]}
            for name, inner in value.items():
                if name != "history":
                    yield from values(inner, f"{path}.{name}")

    yield from values(json.loads(_text(data)), "")


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])|[-_.]+", " ", name).strip().lower()


def _celestial(data: bytes, language: str) -> Iterator[Message]:
    """Names of the sky: each object has them side by side."""

    def named(value: Any) -> Iterator[Message]:
        if isinstance(value, dict):
            english, other = value.get("en") or value.get("name"), value.get(language)
            if isinstance(english, str) and isinstance(other, str):
                yield english, {"en": english, language: other}
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from named(inner)

    yield from named(json.loads(_text(data)))


def _dictionary(data: bytes, language: str, gloss: bool = False) -> Iterator[Message]:
    """`word {n} (gloss) :: translation, another`: the first translation, beside the word or beside word and gloss."""
    for line in _text(data).splitlines():
        entry = _DICTIONARY.match(line)
        if entry is None or " SEE: " in line or (gloss and not entry["gloss"]):
            continue
        first = _ASIDE.sub("", entry["translations"]).split(",")[0].strip()
        if first and first[0] != "-":
            english = f"{entry['word']}: {entry['gloss']}" if gloss else entry["word"]
            yield line.split(" :: ")[0], {"en": english, language: first}


def _wordnet_lemmas(data: bytes, language: str) -> Iterator[Message]:
    """`synset <tab> language:lemma <tab> word`: the first word of every synset."""
    seen: set[str] = set()
    for line in _text(data).splitlines():
        fields = line.split("\t")
        if len(fields) == 3 and fields[1].endswith("lemma") and fields[0] not in seen:
            seen.add(fields[0])
            yield fields[0], {language: fields[2]}


def _aligned_lines(data: bytes, language: str) -> Iterator[Message]:
    for number, line in enumerate(_text(data).split("\n")):
        yield str(number), {language: line}


def _columns(data: bytes, language: str) -> Iterator[Message]:
    """English, the other language and whatever else, between tabs."""
    for number, line in enumerate(_text(data).split("\n")):
        fields = line.split("\t")
        if len(fields) > 1:
            yield str(number), {"en": fields[0], language: fields[1]}


def _verses(data: bytes, language: str) -> Iterator[Message]:
    """`var book = {...};` with texts under chapter and verse, each after its number in a `span`."""
    text = _text(data)
    book = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for chapter, verses in book["chapters"].items():
        for verse, words in verses.items():
            yield f"{chapter}:{verse}", {language: re.sub(r"<span>.*?</span>", "", words)}


def _markdown(data: bytes) -> Iterator[Block]:
    """Headings, paragraphs, list items and table cells; no code, no pictures.

    A heading that names its anchor (`<a name="slug">`) is preceded by a block of kind `anchor` with the slug's words:
    localised pages keep the anchor of the English heading.
    """
    from markdown_it import MarkdownIt

    open_tags: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", _text(data))):
        if token.nesting > 0:
            open_tags.append(token.tag)
        elif token.nesting < 0:
            open_tags.pop()
        elif token.type == "inline":
            kind = " ".join(open_tags)
            if kind in HEADINGS and (anchor := _ANCHOR.search(token.content)):
                yield "anchor", _words(anchor[1])
            parts = (
                child.content if child.type in ("text", "code_inline") else " "
                for child in token.children or ()
                if child.type not in ("image", "html_inline") and not child.type.endswith(("_open", "_close"))
            )
            yield kind, "".join(parts)


def _cnxml(data: bytes) -> Iterator[Block]:
    """Section titles and paragraphs of a textbook module."""
    for element in _xml(data).iter():
        tag = element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""
        if tag in ("title", "para"):
            yield "h2" if tag == "title" else "p", "".join(element.itertext())


def _factbook(data: bytes) -> Iterator[Block]:
    """A heading "Country: Field" over the texts of every field."""
    country = json.loads(_text(data))
    names = country.get("Government", {}).get("Country name", {})
    name = names.get("conventional short form", names.get("conventional long form", {})).get("text", "")
    for category in country.values():
        for field, value in category.items() if isinstance(category, dict) and name else ():
            texts = [message["en"] for _, message in _leaves(value, "en")]
            yield "h2", f"{name}: {field}"
            yield "p", " ".join(texts)


def _wordnet(data: bytes) -> Iterator[str]:
    """Definitions and examples."""
    for synset in _load_yaml(data).values():
        for text in [*synset.get("definition", ()), *synset.get("example", ())]:
            yield text if isinstance(text, str) else text.get("text", "")


def _sentences(data: bytes) -> Iterator[str]:
    yield from re.split(r"(?<=[.!?])\s+|\n\s*\n", data.decode("utf-8", errors="replace"))


MESSAGES: dict[str, Callable[[bytes, str], Iterator[Message]]] = {
    "android": _android,
    "celestial": _celestial,
    "columns": _columns,
    "fluent": _fluent,
    "json": _json,
    "json5": _json5,
    "lines": _aligned_lines,
    "omw": _wordnet_lemmas,
    "phet": _phet,
    "po": _po,
    "verses": _verses,
    "wiktionary": _dictionary,
    "wiktionary-gloss": lambda data, language: _dictionary(data, language, gloss=True),
    "yaml": _yaml,
}
PAGES: dict[str, Callable[[bytes], Iterator[Block]]] = {"cnxml": _cnxml, "factbook": _factbook, "markdown": _markdown}
LINES: dict[str, Callable[[bytes], Iterator[str]]] = {"text": _sentences, "wordnet": _wordnet}
