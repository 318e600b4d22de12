"""How many requests are worked on at once: what comes beyond is told so, and nothing queues without a bound."""

import threading
from collections.abc import Callable, Mapping


class Admission:
    """Counts, by kind of work, up to the limits. Thread-safe. `changed` is told the kind and by how much."""

    def __init__(self, limits: Mapping[str, int], changed: Callable[[str, int], None] = lambda kind, by: None) -> None:
        self.limits = dict(limits)
        self._changed = changed
        self._used = dict.fromkeys(limits, 0)
        self._lock = threading.Lock()

    def take(self, kind: str) -> bool:
        """Whether there was room for one more."""
        with self._lock:
            if self._used[kind] >= self.limits[kind]:
                return False
            self._used[kind] += 1
        self._changed(kind, 1)
        return True

    def free(self, kind: str) -> None:
        with self._lock:
            self._used[kind] -= 1
        self._changed(kind, -1)

    def used(self, kind: str) -> int:
        return self._used[kind]
