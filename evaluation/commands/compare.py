"""`compare`: several configurations asked the same questions, in one table."""

import argparse
from datetime import UTC, datetime
from typing import Any

from evaluation.commands.packages import require
from rag.settings import Settings

HELP = "several configurations asked the same questions: embedders, models, chunk sizes, weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("domain", help="a domain, or a folder in BEIR layout")
    parser.add_argument(
        "--with",
        dest="configurations",
        action="append",
        required=True,
        metavar="KEY=VALUE[,KEY=VALUE...]",
        help="what differs from the settings in force, which come first; may be repeated. A key is embedder, model,"
        " reranker, context_tokens, answer_tokens, one of [retrieval] in domain.toml, chunk_tokens, weights (a file)"
        " or a single weight such as fusion.same.coverage",
    )
    parser.add_argument("--limit", type=int, help="ask only the first LIMIT questions")
    parser.add_argument("--no-report", action="store_true", help="write no report.html")


def run(settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    require("ir_measures", *(() if chosen.no_report else ("matplotlib",)))
    from evaluation.changes import changes
    from evaluation.compare import against_first, compare, markdown, plotted
    from evaluation.configuration import Configuration
    from evaluation.run import keep
    from evaluation.target import set_name

    configurations = [Configuration({}), *map(Configuration.parse, chosen.configurations)]
    started = datetime.now(UTC)
    compared = compare(settings, chosen.domain, configurations, chosen.limit)
    kept = [str(keep(item.run, settings)) for item in compared]
    folder = settings.var / "evaluation" / "compare" / f"{started:%Y%m%dT%H%M%SZ}-{set_name(chosen.domain)}"
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(compared)
    (folder / "comparison.md").write_text(text, encoding="utf-8")
    report: dict[str, Any] = {
        "set": set_name(chosen.domain),
        "configurations": [
            {"label": item.configuration.label, "kept": place, "questions": len(item.run.outcomes)}
            for item, place in zip(compared, kept, strict=True)
        ],
        "figures": {
            name: [
                {
                    "value": figure.value,
                    "difference": figure.comparison.difference.value if figure.comparison else None,
                    "low": figure.comparison.difference.low if figure.comparison else None,
                    "high": figure.comparison.difference.high if figure.comparison else None,
                    "p_value": figure.comparison.p_value if figure.comparison else None,
                }
                for figure in row
            ]
            for name, row in against_first(compared).items()
        },
        "markdown": text,
        "table": str(folder / "comparison.md"),
        "report": "",
    }
    if not chosen.no_report:
        from evaluation.report import write

        runs = [item.run for item in compared]
        # The table tells of more than two: what changed is of a pair.
        differences = changes(*runs) if len(runs) == 2 else ()
        report["report"] = str(write(folder, runs, differences, [plotted(compared)]))
    return report


def show(report: dict[str, Any]) -> None:
    print(report["markdown"])
    for item in report["configurations"]:
        print(f"{item['label']}: {item['kept']}")
    print(f"table: {report['table']}")
    if report["report"]:
        print(f"report: {report['report']}")
