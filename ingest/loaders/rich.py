"""RTF documents through striprtf: paragraphs and table rows. Knows nothing of styles, so nothing of headings."""

import re

from ingest.blocks import Block, Loaded
from ingest.loaders.encoding import decode
from ingest.loaders.errors import LoadError
from ingest.loaders.rows import clean, table_blocks

_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_TITLE = re.compile(r"\{\\title\s(.*?)\}", re.DOTALL)
_AUTHOR = re.compile(r"\{\\author\s(.*?)\}", re.DOTALL)
_WHOLE = r"{\rtf1\ansi\ansicpg%s %s}"


def load_rich(content: bytes, name: str) -> Loaded:
    """An RTF document on one page. Metadata: `author`. Raises LoadError for what is damaged or holds no text."""
    from striprtf.striprtf import rtf_to_text

    stated = _CODE_PAGE.search(content[:4096])
    page = stated[1].decode() if stated else "1252"
    source = _escaped(content)
    try:
        text = rtf_to_text(source, errors="replace")
        title, author = (
            clean(rtf_to_text(_WHOLE % (page, found[1]), errors="replace")) if (found := pattern.search(source)) else ""
            for pattern in (_TITLE, _AUTHOR)
        )
    except (ValueError, IndexError, LookupError, TypeError) as error:
        raise LoadError(f"it is a damaged RTF file ({error}): save it again") from error
    blocks = _blocks(text)
    if not any(letter.isalnum() for block in blocks for letter in block.text):
        raise LoadError("it holds no text (pictures only?): save it as PDF, so that text recognition can read it")
    return Loaded("rtf", title, (tuple(blocks),), {"author": author} if author else {})


def _escaped(content: bytes) -> str:
    """The source with bytes outside of ASCII written as RTF escapes, so that the code page applies to them too."""
    if content.startswith(b"\xef\xbb\xbf"):
        return "".join(f"\\u{ord(letter)}?" if letter > "\x7f" else letter for letter in decode(content))
    source = "".join(chr(byte) if byte < 128 else f"\\'{byte:02x}" for byte in content)
    # striprtf looks for links with the square of the length of a line.
    return source.replace("{\\field", "\n{\\field")


def _blocks(text: str) -> list[Block]:
    """Lines as paragraphs; lines with cells, which striprtf ends with a bar, as the rows of a table."""
    blocks: list[Block] = []
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if line.rstrip().endswith("|") and line.count("|") > 1:
            rows.append(line.rstrip().rstrip("|").split("|") if line.count("|") > 1 else [line])
            continue
        blocks += table_blocks(rows)
        rows = []
        if any(map(str.isalnum, shown := clean(line))):
            blocks.append(Block(shown))
    return blocks + table_blocks(rows)
