"""The files that set the program up agree with it and with each other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from rag.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("uv", "dev", "gguf", "models")
LOCKS = [ROOT / "requirements.txt", *(ROOT / "requirements" / f"{name}.txt" for name in EXTRAS)]
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ]+)", re.MULTILINE)


def _pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text(encoding="utf-8")))


def test_every_setting_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    written = re.findall(r"^#(LACERTA_\w+)=", example, re.MULTILINE)
    assert written == [f"LACERTA_{item.name.upper()}" for item in fields(Settings)]


def test_defaults_in_the_example_are_the_defaults() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"^#(LACERTA_\w+)=(.*)$", example, re.MULTILINE))
    for folder in ("LACERTA_VAR", "LACERTA_CORPORA", "LACERTA_PROMPTS"):
        values[folder] = str(ROOT / values[folder])
    written, default = Settings.from_environment(values), Settings.from_environment({})
    for item in fields(Settings):
        if item.name != "openai_api_key":
            assert getattr(written, item.name) == getattr(default, item.name), item.name


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
