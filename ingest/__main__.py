"""The command line of the ingest: `python -m ingest [domain ...]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NoReturn, Self

from ingest.pipeline import bring_up_to_date, roll_back
from ingest.report import Report
from ingest.watch import watch
from rag.errors import ConfigurationError, LacertaError
from rag.settings import Settings, Source, domain_names, load_domain

_EPILOG = """\
exit codes:
  0    the index is up to date (a new version was published if anything changed), even if single files failed
  1    nothing could be published; the version before goes on serving
  2    a setting, domain.toml or an argument is wrong
  130  stopped by Ctrl-C; the version before goes on serving

A domain's documents are the files in corpora/<domain>/sources/ (PDF, office files, web pages, tables, e-books, mail,
text; scans and pictures where Tesseract is installed) and what its domain.toml has fetched from arXiv, NTRS, Wikipedia
and web sites. docs/ingest.md has all of it.
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
        "--json",
        action="store_true",
        help="print the report as JSON: an object, a list for several domains, with --watch an object a line",
    )
    arguments.add_argument("--dry-run", action="store_true", help="only say what would change; asks no server")
    arguments.add_argument("--rebuild", action="store_true", help="read and write every document again")
    arguments.add_argument(
        "--offline", action="store_true", help="ask no server: of fetched documents take those fetched before"
    )
    arguments.add_argument(
        "--force", action="store_true", help="publish even if the domain's own questions find too little in it"
    )
    arguments.add_argument(
        "--watch", action="store_true", help="stay, and do it again whenever files change; Ctrl-C ends it"
    )
    arguments.add_argument("--rollback", action="store_true", help="go back to the version before the current one")
    return arguments


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.source and len(arguments.domains) != 1:
        print("ingest: --source needs exactly one domain: python -m ingest DOMAIN --source PATH", file=sys.stderr)
        return 2
    changing = arguments.source or arguments.rebuild or arguments.dry_run
    if arguments.rollback and (changing or arguments.watch or arguments.offline or arguments.force):
        print("ingest: --rollback goes with no other option than --json", file=sys.stderr)
        return 2
    if arguments.watch and changing:
        print("ingest: --watch goes with no other options than --json, --offline and --force", file=sys.stderr)
        return 2
    code = 0
    results: list[dict[str, Any]] = []
    try:
        settings = Settings.from_environment()
        names = list(dict.fromkeys(arguments.domains)) or domain_names(settings)
        if not names:
            raise ConfigurationError(f"There is no domain under {settings.corpora}: add a folder with a domain.toml.")
        if arguments.watch:
            _watch(settings, names, arguments)
        for name in names:
            try:
                report = _ingest(settings, name, arguments, arguments.offline)
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


def _watch(settings: Settings, names: list[str], arguments: argparse.Namespace) -> NoReturn:
    """Ends by KeyboardInterrupt, or by LacertaError where there is nothing to watch."""
    asked: dict[str, tuple[Source, ...]] = {}
    for name in names:
        load_domain(settings, name)

    def run(name: str) -> None:
        try:
            # Servers are asked at the start and where a source was changed, not whenever a file was.
            sources = load_domain(settings, name).sources
            report = _ingest(settings, name, arguments, offline=arguments.offline or asked.get(name) == sources)
        except LacertaError as error:
            if arguments.json:
                print(json.dumps({"domain": name, "error": str(error)}, ensure_ascii=False), flush=True)
            raise
        asked[name] = sources
        print(json.dumps(report.to_json(), ensure_ascii=False) if arguments.json else report.table(), flush=True)

    print(f"ingest: watching {', '.join(names)} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    watch(settings, names, run)


def _ingest(settings: Settings, name: str, arguments: argparse.Namespace, offline: bool) -> Report:
    if arguments.rollback:
        return roll_back(settings, name)
    with Bars(name) as bars:
        return bring_up_to_date(
            settings,
            name,
            sources=arguments.source,
            rebuild=arguments.rebuild,
            dry_run=arguments.dry_run,
            offline=offline,
            force=arguments.force,
            progress=bars.show,
        )


_UNITS = {"fetching": "document", "hashing": "file", "reading": "file", "embedding": "chunk"}


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
