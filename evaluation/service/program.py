"""`app.py` as processes of their own, with settings, corpora and a `var` that nobody else uses."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from rag.errors import LacertaError
from rag.settings import LANGUAGES, ROOT

_START_SECONDS = 600.0
_STOP_SECONDS = 30.0
_LOG_CHARACTERS = 2000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: object) -> dict[str, str]:
    """The variables of a process with these settings and no others, neither of this process nor of a file `.env`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LACERTA_")}
    stored = ROOT / ".env"
    names = stored.read_text(encoding="utf-8").splitlines() if stored.exists() else []
    # An empty variable of the process comes before one of the file, and leaves the default.
    emptied = {name.partition("=")[0].strip(): "" for name in names if name.startswith("LACERTA_")}
    return kept | emptied | {f"LACERTA_{name.upper()}": str(value) for name, value in settings.items()}


def write_domain(corpora: Path, name: str, languages: Sequence[str] = LANGUAGES) -> Path:
    """A domain of files without a glossary; the folder of its sources."""
    sources = corpora / name / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    texts = "\n".join(f'{language} = "{name}"' for language in LANGUAGES)
    examples = "\n".join(f'{language} = ["?"]' for language in LANGUAGES)
    known = ", ".join(f'"{language}"' for language in languages)
    (corpora / name / "domain.toml").write_text(
        f"languages = [{known}]\n[title]\n{texts}\n[description]\n{texts}\n[examples]\n{examples}\n"
        '[[sources]]\nkind = "files"\n',
        encoding="utf-8",
    )
    return sources


class Program:
    """The program, started and stopped as often as wanted, on the same port. `settings` are those without `LACERTA_`.

    Leaving it as a context manager ends it. What it logs is in `log`.
    """

    def __init__(self, **settings: object) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = environment(host="127.0.0.1", port=self.port, **settings)
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it is ready. Raises LacertaError where it is not in time, with what it said."""
        self._process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self.ready():
            if self._process.poll() is not None:
                raise LacertaError(f"The program ended with status {self._process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise LacertaError(f"The program was not ready within {_START_SECONDS:.0f} seconds:\n{self.log()}")
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether one of its processes says so."""
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """Ends it with all its processes at once, as if the power had failed."""
        assert self._process
        ended = [self._process.pid, *self.children()]
        for process in ended:
            _signal(process, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Ends it as a person would; the status it ended with. Raises LacertaError where it does not."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise LacertaError(f"The program did not end within {_STOP_SECONDS:.0f} seconds:\n{self.log()}") from error

    def children(self) -> list[int]:
        """Processes that it started and that still run, oldest first."""
        assert self._process
        told = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid), "--sort=start_time"], capture_output=True, text=True
        )
        return [int(line) for line in told.stdout.split()]

    def resident(self) -> dict[int, float]:
        """Resident memory of its processes in MB, by process."""
        assert self._process
        processes = ",".join(map(str, (self._process.pid, *self.children())))
        told = subprocess.run(["ps", "-o", "pid=,rss=", "-p", processes], capture_output=True, text=True)
        return {int(process): int(size) / 1024 for process, size in map(str.split, told.stdout.splitlines())}

    def log(self) -> str:
        """The end of what it said."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-_LOG_CHARACTERS:]

    def __enter__(self) -> "Program":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.poll() is None:
            self.stop() if error is None else self.kill()
        self._log.close()


@contextmanager
def module(name: str, *arguments: str) -> Iterator[str]:
    """`python -m NAME` as a process that says its address on its first line and ends with this context."""
    command = [sys.executable, "-m", name, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise LacertaError(f"{' '.join(command)} ended before it served.")
            yield address
        finally:
            process.kill()


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        # Ended by itself in the meantime.
        return
