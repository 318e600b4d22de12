"""What the commands for keys and for logins have in common: lines are added, listed and taken away."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ConfigurationError
from rag.settings import Secret, Settings, domain_names
from web.access.lines import Line, assignment, read_lines, remove_line, variable, write_line

Make = Callable[[], tuple[Secret, str]]
"""What a new line is checked by, and what to tell whoever made it."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one kind, `KEY` or `LOGIN`, in a file. All methods raise LacertaError."""

    kind: str
    parse: Callable[[str, str], Line]
    file: Path

    @property
    def word(self) -> str:
        return self.kind.lower()

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Name, domains, limits, and where the line goes."""
        parser.add_argument("name", help="letters, digits and _")
        parser.add_argument("--domain", action="append", help="only this domain, also a private one; can be repeated")
        parser.add_argument("--minute", type=int, help="requests a minute, 0 for any number; LACERTA_REQUESTS_MINUTE")
        parser.add_argument("--day", type=int, help="requests a day; LACERTA_REQUESTS_DAY")
        parser.add_argument("--tokens", type=int, help="models' tokens a day; LACERTA_TOKENS_DAY")
        parser.add_argument(
            "--print",
            action="store_true",
            help="print the line in place of writing it, all else goes to standard error",
        )

    def current(self) -> dict[str, Line]:
        """The lines by name."""
        texts = read_lines(self.kind, self.file)
        return {name: self.parse(variable(self.kind, name), text) for name, text in texts.items()}

    def add(self, options: argparse.Namespace, make: Make, maintainer: bool = False) -> int:
        named, name = variable(self.kind, options.name), options.name.lower()
        for limit in ("minute", "day", "tokens"):
            if (getattr(options, limit) or 0) < 0:
                raise ConfigurationError(f"--{limit} should be 0 or more, is now {getattr(options, limit)}.")
        known = domain_names(Settings.from_environment())
        for domain in options.domain or ():
            if domain not in known:
                raise ConfigurationError(f"There is no domain {domain!r}. Domains: {', '.join(known) or 'none'}.")
        if not options.print and name in read_lines(self.kind, self.file):
            raise ConfigurationError(
                f"There is a {self.word} {name} already: python -m web {self.word} remove {name}, or choose another"
                " name."
            )
        check, message = make()
        domains = frozenset(options.domain) if options.domain else None
        line = Line(check, domains, options.minute, options.day, options.tokens, maintainer)
        if options.print:
            # By itself, so that it can be sent to the end of another file.
            print(assignment(named, line))
        else:
            write_line(named, line, self.file)
        print(message, file=sys.stderr if options.print else sys.stdout)
        return 0

    def list(self) -> int:
        lines = self.current()
        if not lines:
            print(f"There is no {self.word}: python -m web {self.word} add NAME makes one.")
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
            right = "; maintainer" if line.maintainer else ""
            print(f"{name:<20} {domains or 'no domain'}; {', '.join(limits) or 'limits of the settings'}{right}")
        return 0

    def remove(self, name: str) -> int:
        if not remove_line(variable(self.kind, name), self.file):
            found = name.lower() in read_lines(self.kind, self.file)
            where = "it is set in the environment" if found else f"it is not in {self.file}"
            raise ConfigurationError(
                f"The {self.word} {name} can't be removed: {where}. python -m web {self.word} list names all."
            )
        left = len(read_lines(self.kind, self.file))
        print(f"The {self.word} {name.lower()} is gone, {left} are left.")
        return 0
