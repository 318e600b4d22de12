"""Which state of the program runs, as git knows it."""

import subprocess
from functools import cache
from pathlib import Path

from rag.settings import ROOT


def revision(folder: Path = ROOT) -> str:
    """The git revision of the program, `-dirty` behind it where files differ from it; `unknown` without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown" if done.returncode == 0 else "unknown"


@cache
def running() -> str:
    """The revision of the program as it was when this was asked first."""
    return revision()
