"""The program as a process: what it says, and how it ends, when something about its surroundings is wrong."""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rag.settings import LANGUAGES

ROOT = Path(__file__).parent.parent


def start(**settings: str) -> "subprocess.Popen[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LACERTA_")}
    return subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**kept, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(**settings: str) -> tuple[int, str]:
    """Exit status and standard error of a start that comes to nothing."""
    process = start(**settings)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    assert errors.count("\n") == 1
    return process.returncode, errors


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"LACERTA_PORT": "many"}, "LACERTA_PORT"),
        ({"LACERTA_PORT": "70000"}, "70000"),
        ({"LACERTA_COLOUR": "green"}, "LACERTA_COLOUR"),
        ({"LACERTA_CORPORA": "/nowhere/corpora"}, "/nowhere/corpora"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], named: str) -> None:
    code, errors = ended(**settings)
    assert code == 2 and named in errors


def test_a_port_in_use_is_named_with_the_command_for_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = ended(LACERTA_PORT=str(port), LACERTA_VAR=str(tmp_path))
    assert code == 1
    assert f"Port {port}" in errors and "make run PORT=" in errors


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    code, errors = ended(LACERTA_VAR=str(tmp_path / "file" / "var"), LACERTA_PORT=str(free_port()))
    assert code == 1
    assert str(tmp_path / "file") in errors and "LACERTA_VAR" in errors


def test_a_wrong_key_in_a_domain_is_named(tmp_path: Path) -> None:
    write_domain(tmp_path / "corpora" / "one", "colour = 1\n")
    corpora, var, port = str(tmp_path / "corpora"), str(tmp_path / "var"), str(free_port())
    code, errors = ended(LACERTA_CORPORA=corpora, LACERTA_VAR=var, LACERTA_PORT=port)
    assert code == 2 and "colour" in errors and "domain.toml" in errors


def test_a_domain_without_sources_does_not_keep_the_others_from_being_served(tmp_path: Path) -> None:
    write_domain(tmp_path / "corpora" / "bare")
    write_domain(tmp_path / "corpora" / "full")
    sources = tmp_path / "corpora" / "full" / "sources"
    sources.mkdir()
    (sources / "a.txt").write_text("The lighthouse is painted red and white every spring.", encoding="utf-8")
    port = free_port()
    corpora, var = str(tmp_path / "corpora"), str(tmp_path / "var")
    process = start(LACERTA_CORPORA=corpora, LACERTA_VAR=var, LACERTA_PORT=str(port))
    try:
        wait_until_served(process, port)
        for path in ("/", "/en/", "/ko/"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
                assert response.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "bare" in errors
    assert f"http://127.0.0.1:{port}" in output


def write_domain(folder: Path, more: str = "") -> None:
    folder.mkdir(parents=True)
    texts = "\n".join(f'{language} = "{folder.name}"' for language in LANGUAGES)
    examples = "\n".join(f'{language} = ["?"]' for language in LANGUAGES)
    (folder / "domain.toml").write_text(
        f'{more}languages = ["en"]\n[title]\n{texts}\n[description]\n{texts}\n[examples]\n{examples}\n'
        '[[sources]]\nkind = "files"\n',
        encoding="utf-8",
    )


def wait_until_served(process: "subprocess.Popen[str]", port: int) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("The program ended before it served.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc", reason="no glibc")
@pytest.mark.parametrize(("shared", "fewest", "most"), [("", 5, 64), ("app.share_arenas()", 1, 2)])
def test_threads_share_the_arenas_of_memory(shared: str, fewest: int, most: int) -> None:
    program = f"""
import app, ctypes, threading
{shared}
together = threading.Barrier(8)
def work():
    kept = bytearray(5000)
    together.wait()
    kept = [bytearray(5000) for _ in range(100)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert fewest <= sum(line.startswith("Arena ") for line in told.splitlines()) <= most
