"""The command line of the ingest: `python -m ingest [domain ...]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Self

from ingest.pipeline import bring_up_to_date, roll_back
from ingest.report import Report
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings, domain_names

_EPILOG = """\
exit codes:
  0    the index is up to date (a new version was published if anything changed), even if single files failed
  1    nothing could be published; the version before goes on serving
  2    a setting, domain.toml or an argument is wrong
  130  stopped by Ctrl-C; the version before goes on serving

A domain's documents are PDF, CSV, TSV, Markdown and text files in corpora/<domain>/sources/.
"""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Bring the index of one or more domains up to date with their documents.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("domains", nargs="*", metavar="domain", help="folders of corpora/; all when left out")
    arguments.add_argument(
        "--source",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="index this file or folder instead of the domain's sources/ folder; may be repeated, for one domain only."
        " Nothing is copied: a later run without --source goes back to sources/",
    )
    arguments.add_argument(
        "--json", action="store_true", help="print the report as JSON: an object, or a list for several domains"
    )
    arguments.add_argument("--dry-run", action="store_true", help="only say what would change")
    arguments.add_argument("--rebuild", action="store_true", help="read and write every document again")
    arguments.add_argument("--rollback", action="store_true", help="go back to the version before the current one")
    return arguments


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.source and len(arguments.domains) != 1:
        print("ingest: --source needs exactly one domain: python -m ingest DOMAIN --source PATH", file=sys.stderr)
        return 2
    if arguments.rollback and (arguments.source or arguments.rebuild or arguments.dry_run):
        print("ingest: --rollback goes with no other option than --json", file=sys.stderr)
        return 2
    code = 0
    results: list[dict[str, Any]] = []
    try:
        settings = Settings.from_environment()
        names = list(dict.fromkeys(arguments.domains)) or domain_names(settings)
        if not names:
            raise ConfigurationError(f"There is no domain under {settings.corpora}: add a folder with a domain.toml.")
        for name in names:
            try:
                report = _ingest(settings, name, arguments)
            except LacertaError as error:
                code = max(code, 2 if isinstance(error, ConfigurationError) else 1)
                results.append({"domain": name, "error": str(error)})
                print(f"ingest: {error}", file=sys.stderr)
                continue
            results.append(report.to_json())
            if not arguments.json:
                print(report.table(), flush=True)
    except LacertaError as error:
        print(f"ingest: {error}", file=sys.stderr)
        results, code = [{"error": str(error)}], 2 if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        print("ingest: stopped; the version before goes on serving", file=sys.stderr)
        return 130
    if arguments.json:
        print(json.dumps(results[0] if len(results) == 1 else results, ensure_ascii=False))
    return code


def _ingest(settings: Settings, name: str, arguments: argparse.Namespace) -> Report:
    if arguments.rollback:
        return roll_back(settings, name)
    with Bars(name) as bars:
        return bring_up_to_date(
            settings,
            name,
            sources=arguments.source,
            rebuild=arguments.rebuild,
            dry_run=arguments.dry_run,
            progress=bars.show,
        )


_UNITS = {"hashing": "file", "reading": "file", "embedding": "chunk"}


class Bars:
    """A progress bar a stage on standard error, on a terminal only."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def show(self, stage: str, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if stage not in self._bars:
            from tqdm import tqdm

            # What is done within a second needs no bar.
            self._bars[stage] = tqdm(desc=f"{self._domain}: {stage}", unit=f" {_UNITS[stage]}", delay=1, leave=False)
        bar = self._bars[stage]
        bar.total = total
        bar.update(done - bar.n)


if __name__ == "__main__":
    sys.exit(main())
