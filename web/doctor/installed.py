"""Python, the packages of the lock, the extras, and the programs of the system. Imports none of the packages."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rag.settings import ROOT
from web.doctor.finding import BROKEN, FINE, NOTE, Finding

_PYTHON = ((3, 11), (3, 13))
_EXTRAS = {
    "gguf": (("llama_cpp",), "local chat and embedding models", "make extra EXTRA=gguf"),
    "models": (("sentence_transformers", "torch"), "large embedders and rerankers", "make extra EXTRA=models"),
    "dev": (("pytest", "mypy", "ruff"), "tests and checks", "make test, which installs them"),
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LISTED = 5
INSTALL = "rm -f .venv/.locks/requirements.txt && make setup"
"""The record of what was installed would make the set-up pass over it."""


def installed() -> Iterator[Finding]:
    yield _python()
    yield _core(ROOT / "requirements.txt")
    for name, (packages, purpose, command) in _EXTRAS.items():
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            yield Finding("installed", f"extra {name}", NOTE, f"not installed, for {purpose}", command)
        else:
            yield Finding("installed", f"extra {name}", FINE, f"installed, for {purpose}")
    yield _tesseract()
    browser = next((path for name in (os.environ.get("CHROMIUM", ""), *_BROWSERS) if (path := shutil.which(name))), "")
    yield (
        Finding("installed", "Chromium", FINE, browser)
        if browser
        else Finding("installed", "Chromium", NOTE, "not found; only tests of the page need it", "apt install chromium")
    )
    compiler = shutil.which("c++")
    yield (
        Finding("installed", "C++ compiler", FINE, compiler)
        if compiler
        else Finding(
            "installed", "C++ compiler", NOTE, "not found; the extra gguf may need it", "apt install build-essential"
        )
    )  # fmt: skip


def _python() -> Finding:
    first, last = _PYTHON
    text = f"{platform.python_version()} at {sys.executable}"
    if first <= sys.version_info[:2] <= last:
        return Finding("installed", "Python", FINE, text)
    wanted = ".".join(map(str, last))
    return Finding(
        "installed", "Python", BROKEN, f"{text}; 3.11, 3.12 and 3.13 are known to work",
        f"make clean && make setup PYTHON=/path/to/python{wanted}",
    )  # fmt: skip


def _core(lock: Path) -> Finding:
    """Whether each package of the lock is here, in the lock's version."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return Finding("installed", "packages", BROKEN, f"those of {lock.name} are not installed here", INSTALL)
    wanted, wrong = 0, []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line[:1].isalnum():
            continue
        requirement = Requirement(line.rstrip(" \\"))
        if requirement.marker and not requirement.marker.evaluate():
            continue
        wanted += 1
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version} instead of {requirement.specifier}")
    if not wrong:
        return Finding("installed", "packages", FINE, f"{wanted} as in {lock.name}")
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    text = f"{len(wrong)} of {wanted} are not those of {lock.name}: {', '.join(wrong[:_LISTED])}{more}"
    return Finding("installed", "packages", BROKEN, text, INSTALL)


def _tesseract() -> Finding:
    try:
        from ingest.loaders import ocr
    except ImportError as error:
        return Finding("installed", "Tesseract", NOTE, f"not looked at: {error}")
    version = ocr.fingerprint()
    if not version:
        return Finding("installed", "Tesseract", NOTE, "not found; scans and pictures are not read", ocr.INSTALL)
    lacking = [language for language in ocr.LANGUAGES if language not in version]
    text = version.removeprefix("tesseract ")
    if lacking:
        packages = " ".join(f"tesseract-ocr-{language}" for language in lacking)
        return Finding(
            "installed", "Tesseract", NOTE, f"{text}; scans in {', '.join(lacking)} are read badly",
            f"apt install {packages}",
        )  # fmt: skip
    return Finding("installed", "Tesseract", FINE, text)
