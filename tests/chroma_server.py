"""A real Chroma server on loopback, its data in a folder of its own."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

_SECONDS = 60.0


class ChromaServer:
    """The server of the installed package. `stop` and `start` may follow each other; what it holds stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        program = Path(sys.executable).with_name("chroma")
        command = [str(program), "run", "--host", "127.0.0.1", "--port", str(self._port), "--path", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        latest = time.monotonic() + _SECONDS
        while time.monotonic() < latest:
            try:
                urllib.request.urlopen(f"{self.address}/api/v2/heartbeat", timeout=5).close()
                return self
            except urllib.error.URLError:
                assert self._process.poll() is None, "the server ended"
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        """Kills it, as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
