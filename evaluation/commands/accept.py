"""`accept`: candidates that a person accepted become questions of a domain."""

import argparse
from pathlib import Path
from typing import Any

from rag.settings import Settings

HELP = "adds the candidates of a file that a person accepted to the questions.jsonl of a domain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("domain")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    from evaluation.candidates import accept
    from rag.errors import IndexUnavailable
    from rag.index import Manifest, current_version, domain_index_folder
    from rag.settings import load_domain

    domain = load_domain(settings, chosen.domain)
    version = current_version(settings, domain.name)
    if version is None:
        raise IndexUnavailable(f'"{domain.name}" has no index to check sources: run make ingest DOMAIN={domain.name}.')
    manifest = Manifest.load(domain_index_folder(settings, domain.name) / version)
    done = accept(chosen.file, domain, manifest, settings)
    refused = [{"id": name, "why": why} for name, why in done.refused]
    counts = {"waiting": done.waiting, "rejected": done.rejected, "known": done.known}
    report = {"domain": domain.name, "added": list(done.added), "refused": refused} | counts
    return report | {"wrong": bool(refused)}


def show(report: dict[str, Any]) -> None:
    for item in report["refused"]:
        print(f"refused {item['id']}: {item['why']}")
    print(
        f"{report['domain']}: {len(report['added'])} added, {len(report['refused'])} refused, {report['known']} known"
        f" already, {report['rejected']} rejected, {report['waiting']} still to be looked at"
    )
