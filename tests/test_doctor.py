import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.pipeline import bring_up_to_date
from rag.index import current_version, domain_index_folder
from rag.settings import PARTS, ROOT, Settings
from tests.servers import Reply, Server
from tests.test_app import free_port, write_domain
from web.__main__ import main
from web.access.keys import check_of, new_key


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a domain `harbour` in `corpora` and its index in `var`."""
    folder = tmp_path_factory.mktemp("doctor")
    write_domain(folder / "corpora" / "harbour")
    sources = folder / "corpora" / "harbour" / "sources"
    sources.mkdir()
    (sources / "light.txt").write_text("The lighthouse is painted red and white every spring.", encoding="utf-8")
    bring_up_to_date(Settings(corpora=folder / "corpora", var=folder / "var"), "harbour")
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, which the environment's settings name."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LACERTA_CORPORA", str(tmp_path / "corpora"))
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("LACERTA_PORT", str(free_port()))
    for name in ("MODELS", "EMBEDDER", "OPENAI_BASE_URL", "OPENAI_API_KEY", "RERANKER", "HOST", "OPEN"):
        monkeypatch.delenv(f"LACERTA_{name}", raising=False)
    return tmp_path


def looked(capsys, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--json", *options])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["fine"] is (code == 0) and report["broken"] == sum(
        finding["state"] == "broken" for finding in report["findings"]
    )
    # A model that is asked over the network is named there again.
    return code, {finding["name"]: finding for finding in reversed(report["findings"])}


def test_all_is_fine_and_nothing_is_left_behind(place, capsys) -> None:
    before = sorted(path for path in (place / "var").rglob("*"))
    code, found = looked(capsys)
    assert code == 0
    assert "1 documents, 1 chunks" in found["harbour"]["text"] and found["harbour now"]["state"] == "fine"
    assert found["packages"]["state"] == "fine" and found["extractive"]["state"] == "fine"
    assert found["nothing"]["section"] == "network"
    assert sorted(path for path in (place / "var").rglob("*")) == before


def test_the_table_says_the_same(place, capsys) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Domains" in out and "harbour now" in out and out.endswith("All is fine.\n")


def test_changed_sources_are_a_note(place, capsys) -> None:
    (place / "corpora" / "harbour" / "sources" / "new.txt").write_text("Boats moor at the north pier.")
    code, found = looked(capsys)
    assert code == 0 and found["harbour now"]["state"] == "note"
    assert "1 added" in found["harbour now"]["text"] and found["harbour now"]["mend"] == "make ingest DOMAIN=harbour"


def test_a_domain_without_an_index(place, capsys) -> None:
    shutil.rmtree(place / "var" / "index")
    code, found = looked(capsys)
    assert code == 1 and found["harbour"]["state"] == "broken"
    assert found["harbour"]["mend"] == "make ingest DOMAIN=harbour"


def test_another_embedder(place, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LACERTA_EMBEDDER", "fast")
    code, found = looked(capsys)
    assert code == 1 and "embedder" in found["harbour now"]["text"] and "make ingest" in found["harbour now"]["mend"]


def test_a_damaged_index_is_found_though_its_manifest_is_sound(place, capsys) -> None:
    settings = Settings(corpora=place / "corpora", var=place / "var")
    version = current_version(settings, "harbour")
    assert version
    shutil.rmtree(domain_index_folder(settings, "harbour") / version / "table")
    code, found = looked(capsys)
    assert code == 1 and found["harbour"]["state"] == "fine" and found["harbour now"]["state"] == "broken"
    assert "--rebuild" in found["harbour now"]["text"] + found["harbour now"]["mend"]


def test_a_wrong_domain_file_is_named_and_the_rest_is_looked_at(place, capsys) -> None:
    write_domain(place / "corpora" / "odd", "colour = 1\n")
    code, found = looked(capsys)
    assert code == 1 and "colour" in found["odd"]["text"] and found["harbour"]["state"] == "fine"


def test_a_wrong_variable_is_named_beside_what_is_installed(place, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LACERTA_PORT", "many")
    code, found = looked(capsys)
    assert code == 1 and "LACERTA_PORT" in found["variables"]["text"] and found["Python"]["state"] == "fine"


@pytest.mark.parametrize(
    ("models", "name", "named", "mend"),
    [
        ("gguf:qwen3-4b", "gguf:qwen3-4b", "not whole", "make model NAME=qwen3-4b"),
        ("gguf:/nowhere/x.gguf", "gguf:x.gguf", "cannot be read", "make model"),
        ("openai:gpt-4o-mini", "openai:gpt-4o-mini", "needs a key", "LACERTA_OPENAI_API_KEY"),
        ("langchain:nobody:m", "langchain:nobody:m", "not installed", "make extra EXTRA=langchain-nobody"),
        ("gpt", "LACERTA_MODELS", "not the name of a model", "make model"),
    ],
)
def test_what_a_model_lacks(place, capsys, monkeypatch, models, name, named, mend) -> None:
    monkeypatch.setenv("LACERTA_MODELS", models)
    code, found = looked(capsys)
    assert code == 1 and found[name]["state"] == "broken"
    assert named in found[name]["text"] and mend in found[name]["mend"]


def test_a_file_that_is_no_model(place, capsys, monkeypatch) -> None:
    (place / "page.gguf").write_text("<html>")
    monkeypatch.setenv("LACERTA_MODELS", f"gguf:{place / 'page.gguf'}")
    code, found = looked(capsys)
    assert code == 1 and "not a GGUF file" in found["gguf:page.gguf"]["text"]


@pytest.mark.parametrize(
    ("reply", "state", "named"),
    [
        (Reply(b'{"data": [{"id": "good"}]}'), "fine", "lists it"),
        (Reply(b'{"data": [{"id": "other"}]}'), "broken", "does not list"),
        (Reply(b"no", status=401), "broken", "refuses the key"),
        (Reply(b"", status=302, headers={"Location": "/elsewhere"}), "broken", "302"),
        (Reply(b"<html>"), "note", "lists no models"),
    ],
)
def test_a_server_is_asked_only_where_that_is_wanted(place, capsys, monkeypatch, reply, state, named) -> None:
    with Server() as server:
        server.put("/v1/models", reply)
        monkeypatch.setenv("LACERTA_MODELS", "openai:good")
        monkeypatch.setenv("LACERTA_OPENAI_BASE_URL", server.url("/v1"))
        monkeypatch.setenv("LACERTA_OPENAI_API_KEY", "sk-not-to-be-shown")
        code, found = looked(capsys)
        assert code == 0 and not server.requests and "not asked" in found["openai:good"]["text"]
        code, found = looked(capsys, "--network")
    assert len(server.requests) == 1 and code == (state == "broken")
    assert found["openai:good"]["state"] == state and named in found["openai:good"]["text"]
    assert "sk-not-to-be-shown" not in json.dumps(found)


def test_a_server_elsewhere_is_named_under_network(place, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LACERTA_MODELS", "openai:good")
    monkeypatch.setenv("LACERTA_OPENAI_BASE_URL", "https://models.example.org/v1")
    main(["doctor", "--json"])
    listed = [finding for finding in json.loads(capsys.readouterr().out)["findings"] if finding["section"] == "network"]
    assert [finding["name"] for finding in listed] == ["openai:good"]
    assert "https://models.example.org/v1" in listed[0]["text"]


def test_who_may_use_which_part(place, capsys, monkeypatch) -> None:
    found = looked(capsys)[1]
    assert all("anyone on this machine" in found[part]["text"] for part in PARTS)
    monkeypatch.setenv("LACERTA_HOST", "0.0.0.0")
    code, found = looked(capsys)
    assert code == 1 and "LACERTA_OPEN=page,api" in found["start"]["text"]
    monkeypatch.setenv("LACERTA_OPEN", "page")
    monkeypatch.setenv("LACERTA_KEY_ALICE", f"{check_of(new_key()).reveal()}; domains=harbour,nowhere")
    code, found = looked(capsys)
    assert code == 0 and "0.0.0.0" in found["page"]["text"] and found["page"]["state"] == "note"
    assert "1 key" in found["api"]["text"] and "nowhere" in found["key alice"]["text"]
    monkeypatch.setenv("LACERTA_KEY_ALICE", "a-secret")
    code, found = looked(capsys)
    assert code == 1 and "LACERTA_KEY_ALICE" in found["start"]["text"] and "a-secret" not in json.dumps(found)


def test_a_port_that_another_program_has(place, capsys, monkeypatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("LACERTA_PORT", str(port))
        code, found = looked(capsys)
    assert code == 1 and "make run PORT=" in found[f"port {port}"]["mend"]


def test_a_port_on_which_the_program_is_served(place, capsys, monkeypatch) -> None:
    with Server() as server:
        server.put("/healthz", Reply(b'{"status": "ok"}'))
        port = str(server.port)
        monkeypatch.setenv("LACERTA_PORT", port)
        code, found = looked(capsys)
    assert code == 0 and "being served" in found[f"port {port}"]["text"]


def test_without_any_package_it_still_says_what_to_do() -> None:
    # -S leaves the environment's packages out.
    process = subprocess.run(
        [sys.executable, "-S", "-m", "web", "doctor"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 1 and "make setup" in process.stdout and "Traceback" not in process.stderr
