"""Requests a second and latency of `POST /v1/search`, asked by wrk (https://github.com/wg/wrk).

The index is made of `evaluation.made`'s documents by the ingest itself and kept below `var`, since it takes minutes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from evaluation.made import question_of
from evaluation.made_files import write_documents
from evaluation.service.program import Program, environment, write_domain
from evaluation.tables import table
from rag.errors import ConfigurationError, LacertaError
from rag.settings import ROOT

DOMAIN = "made"
_QUERIES = 2000
_WARM_UP_SECONDS = 3
_TIMEOUT_SECONDS = 30
# Made documents of so many chunks are split into more.
_SPLIT = 1.2


def measure(
    folder: Path, chunks: int, processes: Sequence[int], connections: Sequence[int], seconds: int
) -> dict[str, Any]:
    """Figures by number of processes and connections; `chunks` is how large the index about is.

    `p50`, `p95`, `p99` are milliseconds, `refused` responses with another status than 200, `broken` requests without
    one. Raises ConfigurationError where there is no wrk, LacertaError where a program fails.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise ConfigurationError("wrk is not installed. On Debian: apt-get install wrk")
    settings = make(folder, chunks)
    version = subprocess.run([wrk, "-v"], capture_output=True, text=True).stdout.splitlines()[0]
    report: dict[str, Any] = {"wrk": version.partition(" Copyright")[0], "seconds": seconds, "figures": []}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl") as queries:
        for number in range(_QUERIES):
            body = {"domain": DOMAIN, "query": question_of(number * chunks // _QUERIES), "k": 10}
            print(json.dumps(body, ensure_ascii=False), file=queries)
        queries.flush()
        for count in processes:
            with Program(**settings, processes=count) as program:
                told = httpx.get(f"{program.address}/v1/ingest/{DOMAIN}", trust_env=False).json()
                report["chunks"] = told["chunks"]
                for number in connections:
                    _run(wrk, program.address, number, _WARM_UP_SECONDS, queries.name)
                    figures = _run(wrk, program.address, number, seconds, queries.name)
                    report["figures"].append({"processes": count, "connections": number} | figures)
    return report


def make(folder: Path, chunks: int) -> dict[str, object]:
    """Brings an index of about so many chunks up to date; the settings of a program over it. Raises LacertaError."""
    settings: dict[str, object] = {"corpora": folder / "corpora", "var": folder / "var"}
    written = folder / "chunks.txt"
    if not written.exists() or written.read_text(encoding="utf-8") != str(chunks):
        shutil.rmtree(folder / "corpora", ignore_errors=True)
        write_documents(write_domain(folder / "corpora", DOMAIN), round(chunks / _SPLIT), ("txt",))
        written.write_text(str(chunks), encoding="utf-8")
    command = [sys.executable, "-m", "ingest", DOMAIN]
    if subprocess.run(command, cwd=ROOT, env=environment(**settings), stdout=subprocess.DEVNULL).returncode:
        raise LacertaError(f"The made documents in {folder} could not be indexed.")
    return settings


def _run(wrk: str, address: str, connections: int, seconds: int, queries: str) -> dict[str, Any]:
    script = Path(__file__).with_name("search.lua")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_SECONDS}s", "-s", str(script)]
    command += [f"{address}/v1/search", "--", queries, str(connections)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise LacertaError(f"wrk failed: {ran.stderr or ran.stdout}")
    found = json.loads(ran.stdout.splitlines()[-1])
    figures = {"requests_per_second": round(1e6 * found["requests"] / found["microseconds"], 1)}
    figures |= {name: round(found[name] / 1000, 1) for name in ("p50", "p95", "p99")}
    return figures | {name: found[name] for name in ("refused", "broken")}


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The figures of `measure` as a table."""
    described = f"`POST /v1/search` at {report['chunks']:,} chunks, {report['wrk']}, {report['seconds']} seconds each."
    titles = ["processes", "connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "refused", "broken"]
    return [described, "", *table(titles, (found.values() for found in report["figures"]))]
