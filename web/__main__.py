"""The service's commands: `python -m web COMMAND`.

Exits with 0 when done, 1 for a failure, 2 for wrong usage or settings.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import ConfigurationError, LacertaError


@dataclass(frozen=True, slots=True)
class Command:
    """A module with `run(arguments: Sequence[str]) -> int`, imported when the command is called."""

    module: str
    help: str


COMMANDS = {
    "backup": Command("web.backup", "indexes, caches, fetched documents and feedback in one file, while all runs"),
    "doctor": Command("web.doctor", "what is installed and ready, and how to mend what is not"),
    "key": Command("web.access.key_command", "keys for programs: add, list, remove"),
    "login": Command("web.access.login_command", "logins for people: add, password, list, remove"),
    "mcp": Command("web.mcp", "the domains as tools of a desktop assistant, over standard input and output"),
    "restore": Command("web.restore", "what a backup holds, brought back"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status."""
    listed = "\n".join(f"  {name:<10} {command.help}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m web",
        description="Commands of the service.",
        epilog=f"commands:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="COMMAND --help tells them")
    options = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(COMMANDS[options.command].module).run(options.arguments))
    except LacertaError as error:
        print(f"lacerta: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1


if __name__ == "__main__":
    sys.exit(main())
