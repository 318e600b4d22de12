"""`python -m web key`: makes, lists and takes away keys for programs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rag.errors import ConfigurationError
from rag.settings import Settings, domain_names
from web.access.keys import check_of, new_key, parse_key
from web.access.lines import FILE, Line, assignment, read_lines, remove_line, variable, write_line


def run(arguments: Sequence[str], file: Path = FILE) -> int:
    """0 when done. Raises LacertaError."""
    options = _parser(file).parse_args(arguments)
    if options.what == "add":
        return _add(options, file)
    if options.what == "remove":
        return _remove(options.name, file)
    return _list(file)


def _parser(file: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m web key",
        description=f"Keys for programs that use /v1, /mcp and /metrics. They stand, hashed, in {file}; what changes"
        " there counts within a second.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="add | list | remove")
    add = commands.add_parser("add", help="make a key; it is shown this once")
    add.add_argument("name", help="letters, digits and _")
    add.add_argument("--domain", action="append", help="only this domain, also a private one; can be given again")
    add.add_argument("--minute", type=int, help="requests a minute, 0 for any number; LACERTA_REQUESTS_MINUTE")
    add.add_argument("--day", type=int, help="requests a day; LACERTA_REQUESTS_DAY")
    add.add_argument("--tokens", type=int, help="models' tokens a day; LACERTA_TOKENS_DAY")
    add.add_argument(
        "--print", action="store_true", help="print the line in place of writing it, the key on standard error"
    )
    commands.add_parser("list", help="the names of all keys and what they may do")
    commands.add_parser("remove", help="take a key away").add_argument("name")
    return parser


def _add(options: argparse.Namespace, file: Path) -> int:
    named = variable("KEY", options.name)
    for limit in ("minute", "day", "tokens"):
        if (getattr(options, limit) or 0) < 0:
            raise ConfigurationError(f"--{limit} should be 0 or more, is now {getattr(options, limit)}.")
    known = domain_names(Settings.from_environment())
    for domain in options.domain or ():
        if domain not in known:
            raise ConfigurationError(f"There is no domain {domain!r}. Domains: {', '.join(known) or 'none'}.")
    if not options.print and options.name.lower() in read_lines("KEY", file):
        raise ConfigurationError(
            f"There is a key {options.name.lower()} already: python -m web key remove {options.name.lower()}, or"
            " choose another name."
        )
    key = new_key()
    domains = frozenset(options.domain) if options.domain else None
    line = Line(check_of(key), domains, options.minute, options.day, options.tokens)
    if options.print:
        # By itself, so that it can be sent to the end of another file.
        print(assignment(named, line))
    else:
        write_line(named, line, file)
    print(f"The key, shown this once:\n{key}", file=sys.stderr if options.print else sys.stdout)
    return 0


def _list(file: Path) -> int:
    lines = {name: parse_key(variable("KEY", name), text) for name, text in read_lines("KEY", file).items()}
    if not lines:
        print("There is no key: python -m web key add NAME makes one.")
    for name, line in sorted(lines.items()):
        domains = "every domain that is not private" if line.domains is None else ", ".join(sorted(line.domains))
        limits = [
            f"{value} {unit}"
            for value, unit in (
                (line.minute, "requests a minute"),
                (line.day, "requests a day"),
                (line.tokens, "tokens a day"),
            )
            if value is not None
        ]
        print(f"{name:<20} {domains or 'no domain'}; {', '.join(limits) or 'limits of the settings'}")
    return 0


def _remove(name: str, file: Path) -> int:
    named = variable("KEY", name)
    if not remove_line(named, file):
        where = "it is set in the environment" if name.lower() in read_lines("KEY", file) else f"it is not in {file}"
        raise ConfigurationError(f"The key {name} can't be removed: {where}. python -m web key list names all.")
    left = len(read_lines("KEY", file))
    print(f"The key {name.lower()} is gone, {left} are left.")
    return 0
