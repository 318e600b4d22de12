"""The plain pipeline as processes of its own environment: what it is, what it is asked, what it answers.

What it does stands in `evaluation.bench.plain`. Where its environment is missing, all else is measured without it.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.bench.plain import PACKAGES, TORCH, TORCH_PACKAGES
from rag.errors import LacertaError
from rag.settings import ROOT

Ask = Callable[[Any], Any]
"""Sends a line of JSON and waits for the answer."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The pipeline of the environment whose interpreter is `python`. `versions` is empty where there is none."""

    python: Path
    versions: dict[str, str]

    @classmethod
    def find(cls, python: Path) -> "Plain":
        if not python.exists():
            return cls(python, {})
        command = [str(python), "-m", "evaluation.bench.plain", "describe"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return cls(python, json.loads(done.stdout) if done.returncode == 0 else {})

    @property
    def works(self) -> bool:
        return bool(self.versions)

    @property
    def torch(self) -> bool:
        """Whether it has an encoder of its own."""
        return TORCH in self.versions

    @property
    def described(self) -> str:
        """What it is, or why it is not measured."""
        if self.works:
            return ", ".join(f"{name} {self.versions[name]}" for name in PACKAGES)
        return f"not measured: {self.python} is missing or lacks its packages; make bench sets it up"

    @property
    def encoder(self) -> str:
        """What its own encoder is, or why there is none."""
        if self.torch:
            return ", ".join(f"{name} {self.versions[name]}" for name in TORCH_PACKAGES)
        return "not measured; make bench TORCH=1 sets it up"

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.python), "-m", "evaluation.bench.plain", *map(str, arguments)]

    @contextmanager
    def talk(self, *arguments: str | Path) -> Iterator[tuple[Any, Ask]]:
        """A process that stays: its first answer, once it is ready, and what asks it. Raises LacertaError."""
        command = self.command(*arguments)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin and process.stdout
            writer, reader = process.stdin, process.stdout

            def answer() -> Any:
                line = reader.readline()
                if not line:
                    raise LacertaError(f"The plain pipeline ended while it worked: run {' '.join(command)}.")
                return json.loads(line)

            def ask(what: Any) -> Any:
                try:
                    print(json.dumps(what), file=writer, flush=True)
                except BrokenPipeError:
                    # It has ended, which `answer` tells.
                    pass
                return answer()

            try:
                yield answer(), ask
            except BaseException:
                process.kill()
                raise
            writer.close()
