"""`python -m web key`: makes, lists and takes away keys for programs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rag.settings import Secret
from web.access.keys import check_of, new_key, parse_key
from web.access.line_command import Lines
from web.access.lines import FILE


def run(arguments: Sequence[str], file: Path = FILE) -> int:
    """0 when done. Raises LacertaError."""
    lines = Lines("KEY", parse_key, file)
    parser = argparse.ArgumentParser(
        prog="python -m web key",
        description=f"Keys for programs that use /v1, /mcp and /metrics. They stand, hashed, in {file}; what changes"
        " there counts within a second.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="add | list | remove")
    lines.add_options(commands.add_parser("add", help="make a key; it is shown this once"))
    commands.add_parser("list", help="the names of all keys and what they may do")
    commands.add_parser("remove", help="take a key away").add_argument("name")
    options = parser.parse_args(arguments)
    if options.what == "add":
        return lines.add(options, _make)
    return lines.remove(options.name) if options.what == "remove" else lines.list()


def _make() -> tuple[Secret, str]:
    key = new_key()
    return check_of(key), f"The key, shown this once:\n{key}"
