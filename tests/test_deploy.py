"""What is shipped for running it elsewhere names settings, metrics and files that there are."""

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from rag.settings import ROOT, Settings
from rag.types import Answer, Sentence, Usage
from web.metrics import Metrics

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())


def metrics(folder: Path) -> Metrics:
    """One of each series."""
    made = Metrics(Settings(var=folder), ["space"])
    made.request("/readyz", "GET", 200)
    made.question("space", "en", "answered")
    made.failure("space", "internal")
    made.search("space", "found", {})
    answer = Answer(
        "x", (Sentence("x", (), False),), (), 1.0, "en", "extractive", (),
        timings={"lexical": 0.1, "first_token": 0.2, "total": 0.3}, failures=(("extractive", "timeout"),),
        usage=Usage(1, 1, 1),
    )  # fmt: skip
    made.answer("space", answer)
    made.waiting(1)
    made.refused("overloaded")
    made.cache("hit")
    return made


def test_the_dashboard_shows_metrics_that_there_are(tmp_path) -> None:
    known: dict[str, set[str]] = {}
    for family in metrics(tmp_path).registry.collect():
        # The families of indexes are there without one, and their labels are not.
        known[family.name] = {"domain", "version", "result"} if family.name.startswith("lacerta_i") else set()
        for sample in family.samples:
            known.setdefault(sample.name, set()).update(sample.labels)
    dashboard = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = set()
    for query in queries:
        names = set(re.findall(r"\b(?:lacerta|process)_\w+", query))
        assert names and names <= known.keys(), query
        labels = set(re.findall(r"(\w+)=", query))
        labels |= {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
        assert all(labels <= known[name] for name in names), query
        shown |= names
    ours = {name for name in known if name.startswith("lacerta_") and not name.endswith(("_sum", "_count"))}
    families = {name.removesuffix("_total").removesuffix("_bucket") for name in ours}
    assert families - {name.removesuffix("_total").removesuffix("_bucket") for name in shown} == {
        "lacerta_index_info",
        "lacerta_index_documents",
    }
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_settings_named_are_settings(path: Path) -> None:
    known = {f"LACERTA_{item.name.upper()}" for item in fields(Settings)}
    assert set(re.findall(r"LACERTA_[A-Z_]+", path.read_text(encoding="utf-8"))) <= known


def test_what_the_image_is_made_of_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for name in re.search(r"compileall -q (.*) \.venv", text).group(1).split():  # type: ignore[union-attr]
        assert (ROOT / name).exists()
    assert (ROOT / "requirements.txt").is_file() and re.search(r"^USER (?!root)", text, re.MULTILINE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_the_unit_is_one(tmp_path) -> None:
    # The environment that it starts is made where it is installed.
    unit = (DEPLOY / "lacerta.service").read_text(encoding="utf-8")
    there = unit.replace("/opt/lacerta/.venv/bin/python", "/bin/sh")
    (tmp_path / "lacerta.service").write_text(there, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "lacerta.service")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "lacerta.service" not in checked.stderr, checked.stderr
