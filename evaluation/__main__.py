"""`python -m evaluation`: figures of retrieval, answers, refusals, speed and memory, as text or JSON."""

import argparse
import json
import sys
from importlib import import_module

from evaluation.commands import NAMES
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 when done, 1 when it could not be or found a fault, 2 for a wrong argument or setting."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    modules = {name: import_module(f"evaluation.commands.{name}") for name in NAMES}
    for name, module in modules.items():
        command = commands.add_parser(name, help=module.HELP)
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    chosen = parser.parse_args(arguments)
    module = modules[chosen.command]
    try:
        report = module.run(Settings.from_environment(), chosen)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except LacertaError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        module.show(report)
    return 1 if report.get("wrong") else 0


if __name__ == "__main__":
    sys.exit(main())
