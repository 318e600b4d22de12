"""`python -m web login`: makes, changes, lists and takes away logins for people."""

import argparse
import getpass
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rag.errors import ConfigurationError
from rag.settings import Secret
from web.access.line_command import Lines
from web.access.lines import FILE, variable, write_line
from web.access.passwords import LONGEST, SHORTEST, password_hash
from web.access.visitors import KIND, parse_login


def run(arguments: Sequence[str], file: Path = FILE) -> int:
    """0 when done. Raises LacertaError."""
    lines = Lines("LOGIN", parse_login, file)
    parser = argparse.ArgumentParser(
        prog="python -m web login",
        description=f"Logins for people who use the page. They stand in {file}, the password as scrypt makes it; what"
        " changes there counts within a second. The password is asked for, or read from standard input where that is"
        " no terminal.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="add | password | list | remove")
    added = commands.add_parser("add", help="make a login")
    lines.add_options(added)
    added.add_argument(
        "--maintainer", action="store_true", help="who may also see, at /maintain, what visitors asked and said"
    )
    changed = commands.add_parser("password", help="give a login another password; whoever used it has to log in anew")
    changed.add_argument("name")
    commands.add_parser("list", help="the names of all logins and what they may see")
    commands.add_parser("remove", help="take a login away").add_argument("name")
    options = parser.parse_args(arguments)
    if options.what == "add":
        where = "/login, and maintain at /maintain" if options.maintainer else "/login"
        said = f"{options.name.lower()} can log in at {where}."
        return lines.add(options, lambda: (_make(), said), options.maintainer)
    if options.what == "password":
        return _change(lines, options.name.lower())
    return lines.remove(options.name) if options.what == "remove" else lines.list()


def _change(lines: Lines, name: str) -> int:
    line = lines.current().get(name)
    if line is None:
        raise ConfigurationError(f"There is no login {name!r}: python -m web login list names all.")
    write_line(variable("LOGIN", name), replace(line, check=_make()), lines.file)
    print(f"The password of {name} is another one now.")
    return 0


def _make() -> Secret:
    return Secret(KIND + password_hash(_asked()))


def _asked() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Password, again: ") != password:
            raise ConfigurationError("The two passwords are not the same.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(unicodedata.normalize("NFC", password)) <= LONGEST or not password.isprintable():
        raise ConfigurationError(f"A password should have {SHORTEST} to {LONGEST} characters, all of them printable.")
    return password
