"""What a loader makes of a file: pages of blocks. Knows no file format and nothing of chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.types import PAGE_BREAK

BLOCK_BREAK = "\n\n"
"""Stands between two blocks of a page; a blank line, so that a sentence never runs over it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading (`level` from 1, else 0) or a table row (`row`), in normal form, no page breaks."""

    text: str
    level: int = 0
    row: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file's text. `title` may be empty; `notes` are sentences about what could not be read, such as a scanned page.

    `rows` says that the file is a table: each block is one record.
    """

    kind: str
    title: str
    pages: tuple[tuple[Block, ...], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Loaded":
        pages = tuple(tuple(Block(**block) for block in page) for page in values["pages"])
        return cls(**{**values, "pages": pages, "notes": tuple(values["notes"])})


def page_text(blocks: Sequence[Block]) -> str:
    """The text of a page; chunk offsets count in it. A page break inside a block would count as another page."""
    return BLOCK_BREAK.join(block.text.replace(PAGE_BREAK, " ") for block in blocks)
