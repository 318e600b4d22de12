"""The page that shows what was measured: tables between markers, so that it says what a run said.

A table stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; everything else is left as a person wrote it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from rag.errors import ConfigurationError


def check(path: Path) -> None:
    """Raises ConfigurationError where there is no such page, or a marker of it is not closed."""
    if not path.is_file():
        raise ConfigurationError(f"--write should be a Markdown file, is now {path}.")
    text = path.read_text(encoding="utf-8")
    opened = re.findall(r"<!-- bench:(\S+) -->", text)
    closed = re.findall(r"<!-- /bench:(\S+) -->", text)
    if opened != closed:
        raise ConfigurationError(f"The markers of {path} should be pairs: {opened} are opened, {closed} closed.")


def write(path: Path, sections: Mapping[str, str]) -> list[str]:
    """Replaces the tables that the page has a place for; the names of those that it has none for."""
    check(path)
    text, left = path.read_text(encoding="utf-8"), []
    for name, table in sections.items():
        first, last = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
        before, found, rest = text.partition(first)
        if not found:
            left.append(name)
            continue
        after = rest.partition(last)[2]
        text = f"{before}{first}\n{table}\n{last}{after}"
    path.write_text(text, encoding="utf-8")
    return left
