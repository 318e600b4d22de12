"""How often somebody may try. Counted by each process for itself, and forgotten at its end."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

_REMEMBERED = 10_000


class Attempts:
    """At most `most` within `seconds` for each key."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._made: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until another one may be made; 0 where it may be made now."""
        made = self._made.get(key)
        if made is None or len(made) < self._most:
            return 0.0
        return max(0.0, made[0] + self._seconds - self._clock())

    def add(self, key: str) -> None:
        """Counts one."""
        made = self._made.setdefault(key, deque(maxlen=self._most))
        made.append(self._clock())
        self._made.move_to_end(key)
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)

    def take_back(self, key: str) -> None:
        """Counts one less: it turned out to be right."""
        made = self._made.get(key)
        if made:
            made.pop()
