"""A process that gives a report, and what it took: seconds, processor time, memory with that of all it started."""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.bench.memory import most
from rag.errors import LacertaError
from rag.settings import ROOT

# What a look at the memory of all processes costs must not slow them down.
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process and those it started took. `together_mb` is None where nobody looked or the system can't say."""

    seconds: float
    processor_seconds: float
    largest_mb: float
    together_mb: float | None


def measured(
    command: Sequence[str | Path], environment: Mapping[str, str], watched: bool
) -> tuple[dict[str, Any], Taken]:
    """What a command printed as JSON, and took; with `watched` all its processes together. Raises LacertaError."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, env=environment, cwd=ROOT)
        with _Watch(process.pid, watched) as watch:
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise LacertaError(f"{' '.join(map(str, command))} ended with {process.returncode}: see its error above.")
        output.seek(0)
        report = json.load(output)
    return report, Taken(seconds, usage.ru_utime + usage.ru_stime, most(usage), watch.most_mb)


class _Watch:
    """Looks every half second at the memory of a process and of those below it, shared pages counted once."""

    def __init__(self, process: int, wanted: bool) -> None:
        self.most_mb: float | None = None
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._wanted = wanted and Path("/proc/self/smaps_rollup").exists()

    def __enter__(self) -> "_Watch":
        if self._wanted:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._wanted:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            self.most_mb = max(self.most_mb or 0.0, _resident(self._process))
            self._stop.wait(_SAMPLE_SECONDS)


def _resident(process: int) -> float:
    """Proportional set size of a process and all below it in MB (proc_pid_smaps(5))."""
    waiting, kilobytes = [str(process)], 0
    while waiting:
        folder = Path("/proc", waiting.pop())
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for thread in (folder / "task").iterdir():
                waiting += (thread / "children").read_text().split()
        except OSError:
            # It ended meanwhile.
            continue
    return kilobytes / 1024
