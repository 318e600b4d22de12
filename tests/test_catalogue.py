import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import ConfigurationError, ModelUnavailable
from rag.models.__main__ import _fetch_model, main, rank_file, rank_target
from rag.models.catalogue import entry_named, find, fits, load, machine_memory, recommended
from rag.settings import ROOT, Settings
from tests.servers import Reply, Server

BODY = b"GGUF and what follows"
GIGABYTE = 10**9


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path / "var"))
    for variable in ("HF_ENDPOINT", "TIKTOKEN_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return Settings(var=tmp_path / "var")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        yield server


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def test_every_machine_size_has_a_model_and_every_model_its_pins() -> None:
    chat = [entry for entry in load() if entry.purpose == "chat"]
    assert {entry.memory for entry in chat} == {4, 8, 16}
    assert [entry.memory for entry in chat] == sorted(entry.memory for entry in chat), "listed by machine size"
    assert [entry for entry in load() if entry.purpose == "embed"]
    for entry in load():
        # A model that fills its machine leaves nothing for its context and the program.
        assert entry.size <= 0.5 * entry.memory * GIGABYTE
        assert len(entry.sha256) == 64 and entry.licence and entry.terms.startswith("https://")
    assert len({entry.sha256 for entry in load()}) == len(load())


def test_an_address_names_repository_commit_and_file() -> None:
    entry = entry_named("qwen3-4b", "chat")
    path = f"{entry.repository}/resolve/{entry.revision}/{entry.file}"
    assert entry.url() == f"https://huggingface.co/{path}" and len(entry.revision) == 40
    assert entry.url("https://hf-mirror.com/") == f"https://hf-mirror.com/{path}"
    with pytest.raises(ConfigurationError, match="'qwen3-4b' is not among the models that can be fetched: bge-m3"):
        entry_named("qwen3-4b", "embed")


GOOD = {
    "name": '"m"',
    "purpose": '"chat"',
    "memory": "4",
    "repository": '"a/b"',
    "revision": f'"{"0" * 40}"',
    "file": '"m.gguf"',
    "size": "5",
    "sha256": f'"{"0" * 64}"',
    "licence": '"MIT"',
    "terms": '"https://example.org"',
    "languages": '"all"',
    "why": '"good"',
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    path.write_text("".join("[[models]]\n" + "".join(f"{k} = {v}\n" for k, v in row.items()) for row in rows))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": '"abc"'}, "m: sha256 should match"),
        ({"file": '"../m.gguf"'}, "file should match"),
        ({"file": '"m.bin"'}, "file should match"),
        ({"repository": '"a/b/c"'}, "repository should match"),
        ({"revision": '"main"'}, "revision should match"),
        ({"terms": '"http://example.org"'}, "terms should match"),
        ({"purpose": '"draw"'}, "purpose should match chat|embed"),
        ({"memory": "0"}, "memory should be a number above 0"),
        ({"memory": "true"}, "memory should be a number above 0"),
        ({"size": '"5"'}, "size should be a number above 0"),
        ({"why": '""'}, "why should match"),
        ({"author": '"x"'}, "unknown keys .'author'"),
        ({"name": "["}, "is not valid TOML"),
    ],
)
def test_a_wrong_entry_is_told(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    assert load(write(tmp_path / "good.toml", GOOD))[0].size == 5
    with pytest.raises(ConfigurationError, match=message):
        load(write(tmp_path / "wrong.toml", GOOD | changes))


def test_entries_lack_nothing_and_differ(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="m lacks .'licence'"):
        load(write(tmp_path / "a.toml", {key: value for key, value in GOOD.items() if key != "licence"}))
    with pytest.raises(ConfigurationError, match="the name m stands there twice"):
        load(write(tmp_path / "b.toml", GOOD, GOOD | {"file": '"n.gguf"'}))
    with pytest.raises(ConfigurationError, match="the file m.gguf stands there twice"):
        load(write(tmp_path / "c.toml", GOOD, GOOD | {"name": '"n"'}))
    (tmp_path / "d.toml").write_text('title = "x"')
    with pytest.raises(ConfigurationError, match="tables alone"):
        load(tmp_path / "d.toml")


def test_what_fits_a_machine() -> None:
    chat = tuple(entry for entry in load() if entry.purpose == "chat")
    four, eight, sixteen = (int(size * 2**30 * 0.94) for size in (4, 8, 16))
    assert recommended(chat, four) == entry_named("qwen3-1.7b", "chat")
    assert recommended(chat, eight) == entry_named("qwen3-4b", "chat")
    assert {entry.memory for entry in chat if fits(entry, eight)} == {4, 8}
    assert all(fits(entry, sixteen) for entry in chat)
    assert recommended(chat, 2 * GIGABYTE) is None
    assert machine_memory() > 2**28


def test_only_a_whole_file_is_found(settings: Settings) -> None:
    entry = entry_named("bge-m3", "embed")
    path = settings.var / "models" / entry.file
    assert find("bge-m3", settings) is None
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    assert find("bge-m3", settings) is None, "of another size"
    os.truncate(path, entry.size)
    assert find("bge-m3", settings) == path
    assert find(entry.file, settings) is None and find(str(path), settings) is None


def test_the_lists_say_what_is_here_and_what_is_too_large(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys)
    assert status == 0 and "qwen3-4b" in out and "bge-m3" not in out
    memory = machine_memory()
    chat = tuple(entry for entry in load() if entry.purpose == "chat")
    assert out.count("too large for this machine") == sum(not fits(entry, memory) for entry in chat)
    assert out.count("recommended for this machine") == (recommended(chat, memory) is not None)
    assert "Why:" in out and "Apache-2.0" in out and "Hungarian" in out and "Korean" in out
    assert ", here" not in out
    path = settings.var / "models" / entry_named("bge-m3", "embed").file
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(entry_named("bge-m3", "embed").size)
    status, out, _ = run(capsys, "--embed")
    assert status == 0 and ", here" in out and "make model-embed NAME=bge-m3" in out


def test_a_fetched_model_is_turned_on_by_one_line(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url("/hub/"))
    sha256 = hashlib.sha256(BODY).hexdigest()
    entry = replace(entry_named("eurollm-9b", "chat"), size=len(BODY), sha256=sha256)
    server.put(f"/hub/{entry.repository}/resolve/{entry.revision}/{entry.file}", BODY)
    _fetch_model(entry, settings, dry_run=True)
    assert server.requests == []
    _fetch_model(entry, settings, dry_run=False)
    out = capsys.readouterr().out
    assert (settings.var / "models" / entry.file).read_bytes() == BODY
    assert out.endswith("turns it on:\nLACERTA_MODELS=gguf:eurollm-9b,extractive\n")
    assert "Apache-2.0 (https://" in out


def test_a_file_that_is_not_the_one_in_the_catalogue_is_refused(
    settings: Settings, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url())
    server.otherwise(lambda request: Reply(BODY))
    status, _, err = run(capsys, "--embed", "bge-m3")
    assert status == 1 and "the server has 21 bytes, it should be 634,553,760" in err
    assert list((settings.var / "models").iterdir()) == []


def test_ctrl_c_leaves_the_part_for_the_next_time(settings: Settings, server: Server) -> None:
    size = entry_named("bge-m3", "embed").size
    server.otherwise(lambda request: Reply(bytes(50_000), claimed=size, drip=0.0001))
    part = settings.var / "models" / "bge-m3-q8_0.gguf.part"
    with subprocess.Popen(
        [sys.executable, "-m", "rag.models", "--embed", "bge-m3"],
        cwd=ROOT,
        env=os.environ | {"HF_ENDPOINT": server.url("")},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not part.exists() or not part.stat().st_size:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130 and "Stopped. What came so far is kept" in err and "Traceback" not in err
    assert part.stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "'nothing' is not among the models that can be fetched: qwen3-1.7b"),
        (["../../etc"], "not among the models"),
        (["tiktoken:gpt2"], "tiktoken:gpt2 cannot be fetched: tiktoken:o200k_base, tiktoken:cl100k_base can"),
    ],
)
def test_unknown_names_list_the_known_ones(
    settings: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status, _, err = run(capsys, *arguments)
    assert status == 2 and message in err


def test_a_mirror_must_be_https(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://example.org")
    status, _, err = run(capsys, "qwen3-4b")
    assert status == 1 and "only https is fetched from" in err and "HF_ENDPOINT" in err


def test_the_ranks_are_those_that_the_installed_tiktoken_asks_for(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "--dry-run", "tiktoken:o200k_base")
    # The name under which tiktoken's own cache keeps this file.
    assert status == 0 and out.endswith("models/tiktoken/fb374d419588a4632f3f557e76b4b70aebbca790\n")
    assert not (settings.var / "models").exists()
    with pytest.raises(ConfigurationError, match="bring the program up to date"):
        rank_file(_encoding_without_ranks)


def test_fetched_ranks_count_tokens(
    settings: Settings, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken.load

    from rag.models.download import download

    ranks = b"".join(b"%s %d\n" % (base64.b64encode(bytes([n])), n) for n in range(256))
    url, sha256 = server.url("/ranks.tiktoken"), hashlib.sha256(ranks).hexdigest()
    server.put("/ranks.tiktoken", ranks)
    download(url, rank_target(url, settings), sha256=sha256)
    asked = len(server.requests)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(settings.var / "models" / "tiktoken"))
    assert len(tiktoken.load.load_tiktoken_bpe(url, sha256)) == 256 and len(server.requests) == asked
    assert rank_target(url, replace(settings, var=tmp_path / "other")) == rank_target(url, settings)


def _encoding_without_ranks() -> dict[str, object]:
    return {"name": "none"}


def test_an_embedder_is_opened_by_its_name(settings: Settings) -> None:
    from rag.embed import load_embedder

    with pytest.raises(ModelUnavailable, match="not been fetched: run make model-embed NAME=bge-m3"):
        load_embedder("gguf:bge-m3", settings)
    path = settings.var / "models" / entry_named("bge-m3", "embed").file
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(entry_named("bge-m3", "embed").size)
    with pytest.raises(ModelUnavailable, match=r"models/bge-m3-q8_0.gguf is not a GGUF file"):
        load_embedder("gguf:bge-m3", settings)
