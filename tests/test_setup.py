"""The files that set the program up agree with it and with each other."""

import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from rag.settings import NAMED, Settings

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("uv", "dev", "evaluation", "gguf", "models")
LOCKS = [ROOT / "requirements.txt", *(ROOT / "requirements" / f"{name}.txt" for name in EXTRAS)]
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ]+)", re.MULTILINE)


def _pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text(encoding="utf-8")))


def test_every_setting_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    written = re.findall(r"^#(LACERTA_\w+)=", example, re.MULTILINE)
    single = [f"LACERTA_{item.name.upper()}" for item in fields(Settings) if item.name not in NAMED.values()]
    assert written == [*single, *(f"LACERTA_{kind}_EXAMPLE" for kind in NAMED)]


def test_defaults_in_the_example_are_the_defaults() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^#(LACERTA_\w+)=(.*)$", example, re.MULTILINE))
    for folder in ("LACERTA_VAR", "LACERTA_CORPORA", "LACERTA_PROMPTS"):
        values[folder] = str(ROOT / values[folder])
    written, default = Settings.from_environment(values), Settings.from_environment({})
    for item in fields(Settings):
        # Secrets are not compared by what they hold.
        assert str(getattr(written, item.name)) == str(getattr(default, item.name)), item.name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_direct_dependency_is_pinned(lock: Path) -> None:
    lines = lock.with_suffix(".in").read_text(encoding="utf-8").splitlines()
    direct = {re.split(r"[<>=\[]", line)[0].lower() for line in lines if line and line[0] not in "#-"}
    assert direct
    assert direct <= _pins(lock).keys()


def test_locks_pin_the_same_versions() -> None:
    core = _pins(ROOT / "requirements.txt")
    for lock in LOCKS[1:]:
        for name, version in _pins(lock).items():
            assert core.get(name, version) == version, f"{lock.name} pins {name}"


def test_core_is_free_of_torch() -> None:
    assert not {"torch", "sentence-transformers", "transformers"} & _pins(ROOT / "requirements.txt").keys()


# In the place of an environment's Python: it says what it was asked for, and fails where a test says so.
INTERPRETER = """#!/bin/sh
echo "$*" >>"$0.log"
case "$*" in
*importlib.metadata*) exit 1 ;;
*--default-index*) exit "${WHEEL_STATUS:-0}" ;;
-) exit "${LIBRARY_STATUS:-0}" ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose Python only writes down what it is asked for."""
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "environment" / ".locks").mkdir()
    python.write_text(INTERPRETER)
    python.chmod(0o755)
    return tmp_path / "environment"


def _set_up(environment: Path, *what: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], str]:
    return _run(environment, "sh", "scripts/setup.sh", *what, **variables)


def _run(environment: Path, *command: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], str]:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "VENV": str(environment), "CXX": "sh", "WHEELS": "", **variables},
        capture_output=True,
        text=True,
    )
    log = environment / "bin" / "python.log"
    return done, log.read_text() if log.exists() else ""


INSTALLS_THE_LOCK = "--no-deps -r requirements/gguf.txt"


def test_a_prebuilt_wheel_of_the_pinned_version_saves_compiling(environment: Path) -> None:
    done, asked = _set_up(environment, "requirements/gguf.txt", WHEELS="https://example.org/whl", CXX="nothing")
    version = _pins(ROOT / "requirements" / "gguf.txt")["llama-cpp-python"]
    assert done.returncode == 0 and "not covered by the lock's hashes" in done.stdout
    assert f"--only-binary :all: --default-index https://example.org/whl llama-cpp-python=={version}" in asked
    assert INSTALLS_THE_LOCK in asked and "uninstall" not in asked
    again, _ = _set_up(environment, "requirements/gguf.txt")
    assert again.returncode == 0 and again.stdout == "", "what is installed is not installed again"


@pytest.mark.parametrize(
    ("variables", "wheel_asked", "wheel_removed"),
    [
        ({"WHEELS": ""}, False, False),
        ({"WHEELS": "https://example.org/whl", "WHEEL_STATUS": "1"}, True, False),
        ({"WHEELS": "https://example.org/whl", "LIBRARY_STATUS": "1"}, True, True),
    ],
)
def test_without_a_wheel_that_runs_it_is_compiled(
    environment: Path, variables: dict[str, str], wheel_asked: bool, wheel_removed: bool
) -> None:
    refused, _ = _set_up(environment, "requirements/gguf.txt", **variables, CXX="nothing")
    assert refused.returncode == 1 and "needs a C++ compiler. On Debian: apt-get install build-essential" in (
        refused.stderr
    )
    done, asked = _set_up(environment, "requirements/gguf.txt", **variables)
    assert done.returncode == 0 and ("it is compiled" in done.stdout) is wheel_asked
    assert ("--default-index" in asked) is wheel_asked and ("uninstall" in asked) is wheel_removed
    assert asked.count(INSTALLS_THE_LOCK) == 1


def test_a_provider_is_held_to_the_locked_versions(environment: Path) -> None:
    done, asked = _set_up(environment, "langchain-anthropic")
    constraints = environment / ".locks" / "constraints.txt"
    assert done.returncode == 0 and f"--constraint {constraints} langchain-anthropic" in asked
    written = constraints.read_text(encoding="utf-8")
    assert [line.split("==")[0] for line in written.splitlines()] == list(_pins(ROOT / "requirements.txt"))
    assert "\\" not in written and "sha256" not in written


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("extra", ["", "requests", "langchain", "langchain-x==1", "langchain-../x", "gguf models"])
def test_other_extras_are_refused(environment: Path, extra: str) -> None:
    done, asked = _run(environment, "make", f"VENV={environment}", "extra", f"EXTRA={extra}")
    assert done.returncode == 2 and "make extra EXTRA=" in done.stdout + done.stderr
    assert "langchain" not in asked and "gguf" not in asked


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_a_model_is_fetched_after_what_runs_it_was_installed(environment: Path) -> None:
    make = ("make", f"VENV={environment}")
    done, asked = _run(environment, *make, "model", "NAME=qwen3-4b", "WHEELS=")
    steps = ["-m rag.models --dry-run qwen3-4b", INSTALLS_THE_LOCK, "-m rag.models qwen3-4b"]
    assert done.returncode == 0 and sorted(steps, key=asked.index) == steps
    _, asked = _run(environment, *make, "model-embed", "NAME=bge-m3")
    assert asked.endswith("-m rag.models --embed bge-m3\n")
    _, asked = _run(environment, *make, "model")
    assert asked.endswith("-m rag.models\n")
