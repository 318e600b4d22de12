"""Markdown and plain text files: paragraphs, headings and list items. Knows nothing of chunks."""

import re

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from rag.text import normalise

_ATX = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})\s*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_QUOTE = re.compile(r"^ {0,3}(?:> ?)+")
_RULE = re.compile(r"^ {0,3}([-*_])(?:\s*\1){2,}\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_TABLE_RULE = re.compile(r"^[\s:|]*-(?=[^|]*\|)[\s:|-]*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]*>")
_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_EMPHASIS = re.compile(
    r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]+?)(?<=\S)\1(?![\w*])|(?<![\w_])(_{1,3})(?=\S)([^_\n]+?)(?<=\S)\3(?![\w_])"
)
_CODE = re.compile(r"`+([^`\n]+)`+")
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_NUMBERED_HEADING = re.compile(r"^(\d+(?:\.\d+)*)\.?\s+\S|^(?:[IVX]+)\.\s+\S")
_HEADING_CHARACTERS = 90


def load_markdown(content: bytes, name: str) -> Loaded:
    """A Markdown file as one page without its markup. Raises LoadError when it holds no text."""
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    front = _FRONT_MATTER.match(text)
    stated = re.search(r"^title:\s*[\"']?(.+?)[\"']?\s*$", front[1], re.MULTILINE) if front else None
    body = text[front.end() :] if front else text
    # Beyond the last end of a comment, each start of one would be searched for its end in vain.
    end = body.rfind("-->") + len("-->")
    blocks = _markdown_blocks(_COMMENT.sub("", body[:end]) + body[end:])
    return _loaded("markdown", blocks, stated[1] if stated else "")


def load_text(content: bytes, name: str) -> Loaded:
    """A plain text file as one page. Raises LoadError when it holds no text.

    Short lines set apart by blank lines are headings if they are numbered, all in capitals or underlined.
    """
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    blocks: list[Block] = []
    for group in _groups(text.split("\n")):
        level = _text_level(group)
        if level:
            blocks.append(Block(_clean(group[0]), level))
        else:
            blocks += [Block(_clean(part)) for part in _paragraphs(group)]
    # A heading far down is that of a section.
    first = blocks[0].text if blocks else ""
    named = any(block.level for block in blocks[:3]) or len(first) > _HEADING_CHARACTERS or first[-1:] in ".,;:!?"
    return _loaded("text", blocks, "" if named else first)


def _loaded(kind: str, blocks: list[Block], stated: str) -> Loaded:
    blocks = [block for block in blocks if block.text]
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it is empty: add text or remove it")
    headings = [block for block in blocks[: 3 if kind == "text" else 20] if block.level]
    title = stated or (min(headings, key=lambda block: block.level).text if headings else "")
    return Loaded(kind, _clean(title), (tuple(blocks),))


def _clean(text: str) -> str:
    return " ".join(normalise(text).split())


def _inline(text: str) -> str:
    """The text of a line of Markdown without links' addresses, emphasis, code marks and tags."""
    text = _LINK.sub(lambda match: match[2], text)
    text = _TAG.sub("", text)
    for _ in range(2):
        text = _EMPHASIS.sub(lambda match: match[2] or match[4], text)
    return _clean(_CODE.sub(r"\1", text))


def _markdown_blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    paragraph: list[str] = []
    fence = ""

    def end_paragraph() -> None:
        if paragraph:
            blocks.append(Block(_inline(" ".join(paragraph))))
            paragraph.clear()

    for quoted in text.split("\n"):
        line = _QUOTE.sub("", quoted)
        opening = _FENCE.match(line)
        if fence or opening:
            end_paragraph()
            if not fence and opening:
                fence = opening[1]
            elif opening and opening[1] == fence:
                fence = ""
            elif line.strip():
                blocks.append(Block(_clean(line)))
            continue
        if heading := _ATX.match(line):
            end_paragraph()
            blocks.append(Block(_inline(heading[2]), len(heading[1])))
        elif paragraph and (underline := _SETEXT.match(line)):
            level = 1 if underline[1][0] == "=" else 2
            blocks.append(Block(_inline(" ".join(paragraph)), level))
            paragraph.clear()
        elif not line.strip() or _RULE.match(line) or _TABLE_RULE.match(line):
            end_paragraph()
        elif line.lstrip().startswith("|"):
            end_paragraph()
            cells = [_inline(cell) for cell in line.strip().strip("|").split("|")]
            blocks.append(Block(" | ".join(cells), row=True))
        elif _ITEM.match(line):
            end_paragraph()
            paragraph.append(line.strip())
        else:
            paragraph.append(line.strip())
    end_paragraph()
    return blocks


def _groups(lines: list[str]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def _text_level(group: list[str]) -> int:
    line = group[0].strip()
    if len(line) > _HEADING_CHARACTERS or not any(letter.isalpha() for letter in line):
        return 0
    if len(group) == 2 and re.fullmatch(r"\s*([=\-~_*])\1{2,}\s*", group[1]):
        return 1 if "=" in group[1] else 2
    if len(group) > 1 or line[-1] in ".,;:!?":
        return 0
    if line.isupper() and len(line) > 3:
        return 1
    numbered = _NUMBERED_HEADING.match(line)
    return 2 + (numbered[1] or "").count(".") if numbered else 0


def _paragraphs(group: list[str]) -> list[str]:
    """The lines between two blank lines: one paragraph if they were wrapped, several if each is a paragraph or item."""
    long = sum(len(line) > 120 for line in group)
    parts: list[str] = []
    for line in group:
        if not parts or _ITEM.match(line) or 2 * long > len(group):
            parts.append(line.strip())
        else:
            parts[-1] += " " + line.strip()
    return parts
