import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.connectors.registry import fetch_from
from ingest.connectors.web import Web
from rag.settings import Settings
from tests.files import make_domain
from tests.servers import Server, page

ROOT = Path(__file__).resolve().parent.parent
FIELDS = {
    "domain", "added", "updated", "unchanged", "removed", "failed", "renamed", "chunks", "embedded", "seconds",
    "version", "published", "dry_run", "failures", "warnings", "changes",
}  # fmt: skip


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    (make_domain(tmp_path / "corpora") / "heron.txt").write_text("The heron waits in the reeds.", encoding="utf-8")
    return tmp_path / "corpora"


def ingest(corpora: Path, *arguments: str, var: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LACERTA_CORPORA": str(corpora),
        "LACERTA_VAR": str(var or corpora.parent / "var"),
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-m", "ingest", *arguments], cwd=corpora, env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in result.stderr
    return result


def test_json_is_one_object_and_nothing_else(corpora: Path) -> None:
    (corpora / "birds/sources/broken.pdf").write_bytes(b"%PDF-1.4 broken")
    result = ingest(corpora, "birds", "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 0
    assert set(report) == FIELDS
    assert (report["added"], report["failed"], report["chunks"], report["embedded"]) == (1, 1, 1, 1)
    assert report["failures"] == [{"source": "broken.pdf", "reason": report["failures"][0]["reason"]}]
    assert result.stderr == ""


def test_all_domains_give_a_list_and_one_that_fails_does_not_stop_the_next(corpora: Path) -> None:
    make_domain(corpora, "ants")
    result = ingest(corpora, "--json")
    ants, birds = json.loads(result.stdout)
    assert result.returncode == 1
    assert ants["domain"] == "ants" and "nothing to ingest" in ants["error"]
    assert birds["added"] == 1
    assert str(corpora / "ants" / "sources") in result.stderr


def test_the_table_names_what_changed_and_sums_up(corpora: Path) -> None:
    result = ingest(corpora, "birds")
    assert "added     heron.txt" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(
        "birds: 1 added, 0 updated, 0 unchanged, 0 removed, 0 failed; 1 chunk"
    )
    assert "up to date" in ingest(corpora, "birds").stdout
    (corpora / "birds/sources/heron.txt").write_text("The heron flies.", encoding="utf-8")
    assert "updated   heron.txt" in ingest(corpora, "birds", "--dry-run").stdout
    assert "updated   heron.txt" in ingest(corpora, "birds").stdout
    back = json.loads(ingest(corpora, "birds", "--rollback", "--json").stdout)
    assert back["published"] and back["chunks"] == 1


def test_usage_and_configuration_errors_exit_with_2(corpora: Path) -> None:
    assert ingest(corpora, "--no-such-option").returncode == 2
    assert ingest(corpora, "--source", "x").returncode == 2
    assert ingest(corpora, "birds", "--rollback", "--rebuild").returncode == 2
    assert ingest(corpora, "birds", "--rollback", "--watch").returncode == 2
    assert ingest(corpora, "birds", "--watch", "--dry-run").returncode == 2
    assert ingest(corpora, "fish", "--watch").returncode == 2
    assert ingest(corpora, "fish").returncode == 2
    make_domain(corpora, "ants", extra="colour = 1\n")
    result = ingest(corpora, "ants")
    assert result.returncode == 2
    assert "colour" in result.stderr and "domain.toml" in result.stderr


def test_what_cannot_be_published_exits_with_1(corpora: Path) -> None:
    (corpora.parent / "file").write_text("")
    result = ingest(corpora, "birds", var=corpora.parent / "file" / "var")
    assert result.returncode == 1
    assert "LACERTA_VAR" in result.stderr
    assert ingest(corpora, "birds", "--rollback").returncode == 1
    (corpora / "birds/sources/heron.txt").unlink()
    (corpora / "birds/sources").rmdir()
    result = ingest(corpora, "birds")
    assert result.returncode == 1
    assert f"no folder {corpora / 'birds/sources'}" in result.stderr


def test_a_run_without_changes_loads_no_vector_store(corpora: Path) -> None:
    ingest(corpora, "birds")
    script = (
        "import sys; from ingest.__main__ import main; code = main(['birds']);"
        " print(sorted({'chromadb', 'tantivy', 'pypdfium2', 'py3langid'} & set(sys.modules)), code)"
    )
    environment = {**os.environ, "LACERTA_CORPORA": str(corpora), "LACERTA_VAR": str(corpora.parent / "var")}
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "[] 0"


def test_an_interrupt_is_no_traceback_and_keeps_the_version(corpora: Path) -> None:
    ingest(corpora, "birds")
    version = (corpora.parent / "var/index/birds/CURRENT").read_text()
    for number in range(80):
        text = " ".join(f"The heron {number} waits in reed bed {row} for a fish." for row in range(30))
        (corpora / f"birds/sources/{number}.txt").write_text(text, encoding="utf-8")
    environment = {**os.environ, "LACERTA_CORPORA": str(corpora), "LACERTA_VAR": str(corpora.parent / "var")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "birds", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell in the background has its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not list((corpora.parent / "var/index/birds").glob("*.building/chroma/*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130
    assert output == "" and errors == "ingest: stopped; the version before goes on serving\n"
    assert (corpora.parent / "var/index/birds/CURRENT").read_text() == version
    assert not list((corpora.parent / "var/index/birds").glob("*.building"))


def test_questions_that_find_nothing_keep_a_version_back(corpora: Path) -> None:
    version = ingest(corpora, "birds", "--json").stdout
    toml = corpora / "birds/domain.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "[publish]\nmin_recall = 0.9\n", encoding="utf-8")
    labelled = {
        "id": "q1",
        "question": "Where does the heron wait?",
        "language": "en",
        "answerable": True,
        "answer": "x",
    }
    questions = corpora / "birds/questions.jsonl"
    questions.write_text(json.dumps(labelled | {"sources": [{"source": "tern.txt", "page": 1}]}), encoding="utf-8")
    (corpora / "birds/sources/owl.txt").write_text("The owl hunts at night.")
    refused = ingest(corpora, "birds", "--json")
    assert refused.returncode == 1
    assert "0 of 1 questions (0.0%)" in json.loads(refused.stdout)["error"] and "--force" in refused.stderr
    home = corpora.parent / "var/index/birds"
    assert (home / "CURRENT").read_text().strip() == json.loads(version)["version"]
    assert len(list(home.glob("*/manifest.json"))) == 1
    assert json.loads(ingest(corpora, "birds", "--json", "--force").stdout)["added"] == 1
    questions.write_text(json.dumps(labelled | {"sources": [{"source": "heron.txt", "page": 1}]}), encoding="utf-8")
    (corpora / "birds/sources/tern.txt").write_text("Terns breed on gravel banks.")
    assert json.loads(ingest(corpora, "birds", "--json").stdout)["published"]


def test_fetched_documents_are_indexed_and_stay_when_the_server_cannot_be_asked(corpora: Path) -> None:
    with Server() as server:
        body = "<p>The grey heron waits in the reeds for hours until a fish swims by.</p>" * 3
        server.put("/heron", page(f"<html><head><title>Herons</title></head><body><main>{body}</main></body></html>"))
        url = server.url("/heron")
        source = f'[[sources]]\nkind = "web"\nstart = ["{url}"]\nsitemap = false\n'
        toml = corpora / "birds/domain.toml"
        toml.write_text(toml.read_text(encoding="utf-8") + source, encoding="utf-8")
        # The command itself never asks addresses of this machine.
        refused = json.loads(ingest(corpora, "birds", "--json").stdout)
        assert (refused["added"], refused["failed"]) == (1, 1)
        assert "127.0.0.1" in refused["failures"][0]["reason"]
        settings = Settings(var=corpora.parent / "var", corpora=corpora)
        items, problems = fetch_from(
            [Web((url,), sitemap=False)], "birds", settings, lambda done, known: None, allow_private=True
        )
        assert (len(items), problems) == (1, [])
        count = len(server.requests)
        offline = json.loads(ingest(corpora, "birds", "--offline", "--json").stdout)
        assert (offline["added"], offline["unchanged"], offline["failed"]) == (1, 1, 0)
        assert offline["changes"] == [{"change": "added", "source": items[0].source}]
        kept = json.loads(ingest(corpora, "birds", "--json").stdout)
        assert (kept["unchanged"], kept["removed"]) == (2, 0)
        # It is there, so it did not fail; and a run that asks nobody says nothing of it.
        assert kept["failed"] == 0 and [note["source"] for note in kept["warnings"]] == [items[0].source]
        assert json.loads(ingest(corpora, "birds", "--offline", "--json").stdout)["warnings"] == []
        assert len(server.requests) == count
    # A domain may have nothing but fetched documents.
    (corpora / "birds/sources/heron.txt").unlink()
    (corpora / "birds/sources").rmdir()
    toml.write_text(toml.read_text(encoding="utf-8").replace('[[sources]]\nkind = "files"\n', ""), encoding="utf-8")
    nothing = ingest(corpora, "birds", "--offline", var=corpora.parent / "other")
    assert nothing.returncode == 1 and "make ingest DOMAIN=birds" in nothing.stderr
    alone = json.loads(ingest(corpora, "birds", "--offline", "--json").stdout)
    assert (alone["unchanged"], alone["removed"]) == (1, 1)


def test_a_watch_reports_each_run_and_ends_by_an_interrupt(corpora: Path) -> None:
    environment = {**os.environ, "LACERTA_CORPORA": str(corpora), "LACERTA_VAR": str(corpora.parent / "var")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "birds", "--watch", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout
    try:
        assert json.loads(process.stdout.readline())["added"] == 1
        (corpora / "birds/sources/owl.txt").write_text("The owl hunts at night.")
        assert json.loads(process.stdout.readline())["changes"] == [{"change": "added", "source": "owl.txt"}]
        toml = corpora / "birds/domain.toml"
        text = toml.read_text(encoding="utf-8")
        toml.write_text("colour = 1\n" + text, encoding="utf-8")
        assert "colour" in json.loads(process.stdout.readline())["error"]
        toml.write_text(text, encoding="utf-8")
        assert json.loads(process.stdout.readline())["unchanged"] == 2
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert output == ""
    assert "watching birds" in errors and "colour" in errors and "Traceback" not in errors
