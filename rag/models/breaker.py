"""A circuit breaker a model: one that failed rests, so that it does not cost every visitor its timeout.

Nygard, Release It! (2nd edition 2018), chapter 5. Knows nothing of models but their names.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_SECONDS = 15.0
"""How long a model rests after its first failure; each further one in a row doubles it."""
LONGEST_SECONDS = 300.0
"""The longest rest."""
# What will likely happen to the next question too. `context`, `rejected` and `empty` may be due to this one alone, and
# of `other` nothing is known.
_REPEATS = frozenset("unreachable timeout key missing unavailable memory broken died server rate".split())


@dataclass(slots=True)
class _Rest:
    """A model rests until `until`; `seconds` is how long. `trial`: it is being tried again."""

    until: float
    seconds: float
    trial: bool = False


class Breaker:
    """Which models rest. Thread-safe; `clock` gives seconds.

    After its rest one caller is let through and decides for all: whoever was let through tells how it went, by
    `succeeded`, `failed` or `undecided`. A trial that never does so is over after the longest rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rests: dict[str, _Rest] = {}

    def allows(self, name: str) -> bool:
        """Whether the model may be asked now."""
        with self._lock:
            rest = self._rests.get(name)
            if rest is None:
                return True
            now = self._clock()
            if now < rest.until:
                return False
            rest.until, rest.trial = now + LONGEST_SECONDS, True
            return True

    def succeeded(self, name: str) -> None:
        """The model answers: its failures are forgotten."""
        with self._lock:
            self._rests.pop(name, None)

    def failed(self, name: str, reason: str, wait: float | None = None) -> None:
        """The model failed for one of the reasons of `rag.models.failure`; it asked to be left alone for `wait`
        seconds, if it said so. Ends the trial even if such a failure is not a cause to rest."""
        if reason not in _REPEATS:
            self.undecided(name)
            return
        with self._lock:
            now = self._clock()
            asked = min(wait or 0.0, LONGEST_SECONDS)
            rest = self._rests.get(name)
            if rest is not None and not rest.trial and now < rest.until:
                # Whoever was waiting for it when it failed for another: theirs is the same failure.
                rest.until = max(rest.until, now + asked)
                return
            seconds = FIRST_SECONDS if rest is None else min(rest.seconds * 2, LONGEST_SECONDS)
            self._rests[name] = _Rest(now + max(seconds, asked), seconds)

    def undecided(self, name: str) -> None:
        """The trial told nothing, since the visitor left or the question was at fault: the next one may try."""
        with self._lock:
            rest = self._rests.get(name)
            if rest is not None and rest.trial:
                rest.until, rest.trial = self._clock(), False
