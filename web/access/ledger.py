"""How many requests and tokens each account has used, in one SQLite file that all processes share.

Requests of a minute come back one by one (the generic cell rate algorithm, ITU-T I.371), those of a day at 00:00 UTC.
"""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from rag.database import open_database
from rag.settings import Settings
from web.access.caller import Caller, Limits

_LOG = logging.getLogger(__name__)
_MINUTE = 60.0
_DAY = 86400.0
# That of floating-point numbers must not cost a request.
_ROUNDING = 1e-6
# Longer than another process keeps the file to itself; whoever asks waits as long.
_WAIT_SECONDS = 1.0
_SWEEP_SECONDS = 3600.0
_LOG_SECONDS = 60.0
_TABLE = """
create table if not exists accounts (
    account text primary key, ready real not null, day integer not null, requests integer not null,
    tokens integer not null
) without rowid
"""


class Exceeded(Exception):
    """A limit is reached; `seconds` until it is not any more. `unit` is `minute`, `day` or `tokens`."""

    def __init__(self, unit: str, limit: int, seconds: float) -> None:
        super().__init__(f"{limit} a {unit}")
        self.unit = unit
        self.limit = limit
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """Requests that are left of `limit`, and seconds until all of them are there again."""

    limit: int
    remaining: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Used:
    """An account's counts: when all requests of the minute are there again, in Unix time, and those of the day."""

    ready: float
    requests: int = 0
    tokens: int = 0


class Ledger:
    """The file `limits.sqlite`, made when the first limited request comes. Thread-safe.

    Where it can't be written nothing is limited: a full disk must not lock everyone out. `now` tells Unix time.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._path = settings.var / "limits.sqlite"
        self._now = now
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._swept = self._logged = -math.inf

    def take(self, caller: Caller) -> Standing | None:
        """Counts a request; what is left, None where nothing limits it. Raises Exceeded and counts nothing."""
        limits, now = caller.limits, self._now()
        left: list[Standing] = []

        def count(used: Used) -> Used:
            midnight = _DAY - now % _DAY
            if limits.tokens and used.tokens >= limits.tokens:
                raise Exceeded("tokens", limits.tokens, midnight)
            if limits.day and used.requests >= limits.day:
                raise Exceeded("day", limits.day, midnight)
            ready = used.ready
            if limits.minute:
                ready += _MINUTE / limits.minute
                if ready - now > _MINUTE + _ROUNDING:
                    raise Exceeded("minute", limits.minute, ready - now - _MINUTE)
                free = (_MINUTE - (ready - now)) * limits.minute / _MINUTE
                left.append(Standing(limits.minute, int(free + _ROUNDING), ready - now))
            if limits.day:
                left.append(Standing(limits.day, limits.day - used.requests - 1, midnight))
            return Used(ready, used.requests + 1, used.tokens)

        if limits != Limits():
            self._change(caller, now, count)
        return min(left, key=lambda standing: standing.remaining, default=None)

    def spend(self, caller: Caller, tokens: int) -> None:
        """Counts tokens of a model that were used for the caller."""
        if tokens and caller.limits.tokens:
            self._change(caller, self._now(), lambda used: replace(used, tokens=used.tokens + tokens))

    def close(self) -> None:
        with self._lock:
            self._close()

    def _change(self, caller: Caller, now: float, change: Callable[[Used], Used]) -> None:
        """What `change` makes of the account's counts; no other process comes between. It may raise Exceeded."""
        day = int(now // _DAY)
        with self._lock:
            try:
                connection = self._connection or self._open()
                connection.execute("begin immediate")
                try:
                    used = change(_read(connection, caller.account, now, day))
                    connection.execute(
                        "insert or replace into accounts values (?, ?, ?, ?, ?)",
                        (caller.account, used.ready, day, used.requests, used.tokens),
                    )
                    if abs(now - self._swept) >= _SWEEP_SECONDS:
                        self._swept = now
                        # Who asked on an earlier day is forgotten.
                        connection.execute("delete from accounts where day < ? and ready < ?", (day, now))
                    connection.execute("commit")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("rollback")
                    raise
            except (sqlite3.Error, OSError) as error:
                self._close()
                moment = time.monotonic()
                if moment - self._logged >= _LOG_SECONDS:
                    self._logged = moment
                    _LOG.error("Requests can't be counted, so nobody is limited: %s: %s", self._path, error)

    def _open(self) -> sqlite3.Connection:
        connection = self._connection = open_database(self._path, _WAIT_SECONDS, check_same_thread=False)
        # With a write-ahead log this loses the last counts when the machine stops, and never the file.
        connection.execute("pragma synchronous = normal")
        connection.execute(_TABLE)
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read(connection: sqlite3.Connection, account: str, now: float, day: int) -> Used:
    row = connection.execute(
        "select ready, day, requests, tokens from accounts where account = ?", (account,)
    ).fetchone()
    if row is None:
        return Used(now)
    ready, counted, requests, tokens = row
    # Later than a minute from now can only be where the clock was set back.
    ready = ready if now <= ready <= now + _MINUTE + _ROUNDING else now
    return Used(ready, requests, tokens) if counted == day else Used(ready)
