"""What accounts have used up, in a real file that several writers share; only the clock is a test's own."""

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rag.settings import ROOT, Settings
from web.access.caller import Caller, Limits
from web.access.ledger import Exceeded, Ledger

NOON = 20_000 * 86400 + 12 * 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), var=tmp_path)


def someone(minute: int = 0, day: int = 0, tokens: int = 0, name: str = "alice") -> Caller:
    return Caller("key", name, limits=Limits(minute, day, tokens))


def refusal(ledger: Ledger, caller: Caller) -> Exceeded:
    with pytest.raises(Exceeded) as raised:
        ledger.take(caller)
    return raised.value


def test_requests_of_a_minute_come_back_one_by_one(settings: Settings) -> None:
    clock = Clock()
    ledger, caller = Ledger(settings, clock), someone(minute=6)
    left = [ledger.take(caller) for _ in range(6)]
    assert [(item.limit, item.remaining) for item in left if item] == [(6, n) for n in (5, 4, 3, 2, 1, 0)]
    assert left[5] and left[5].seconds == pytest.approx(60)
    refused = refusal(ledger, caller)
    assert (refused.unit, refused.limit) == ("minute", 6)
    assert refused.seconds == pytest.approx(10)
    clock.now += 9.9
    assert refusal(ledger, caller).seconds == pytest.approx(0.1)
    clock.now += 0.2
    standing = ledger.take(caller)
    assert standing and standing.remaining == 0
    refusal(ledger, caller)
    clock.now += 60
    standing = ledger.take(caller)
    assert standing and standing.remaining == 5


def test_a_day_ends_at_midnight_utc(settings: Settings) -> None:
    clock = Clock()
    ledger, caller = Ledger(settings, clock), someone(minute=100, day=2)
    assert [item and item.remaining for item in (ledger.take(caller), ledger.take(caller))] == [1, 0]
    refused = refusal(ledger, caller)
    assert (refused.unit, refused.seconds) == ("day", 12 * 3600)
    clock.now += 12 * 3600
    standing = ledger.take(caller)
    assert standing and standing.remaining == 1


def test_tokens_are_counted_behind_the_answer_that_used_them(settings: Settings) -> None:
    clock = Clock()
    ledger, caller = Ledger(settings, clock), someone(tokens=1000)
    assert ledger.take(caller) is None, "no limit of requests, nothing to tell of them"
    ledger.spend(caller, 999)
    ledger.take(caller)
    ledger.spend(caller, 500)
    assert refusal(ledger, caller).unit == "tokens"
    clock.now += 86400
    ledger.take(caller)


def test_accounts_do_not_share(settings: Settings) -> None:
    ledger = Ledger(settings, Clock())
    ledger.take(someone(minute=1))
    refusal(ledger, someone(minute=1))
    ledger.take(someone(minute=1, name="bob"))
    ledger.take(Caller("anonymous", "", "192.0.2.1", limits=Limits(minute=1)))
    ledger.take(Caller("anonymous", "", "192.0.2.2", limits=Limits(minute=1)))


def test_who_is_not_limited_makes_no_file(settings: Settings) -> None:
    ledger = Ledger(settings)
    assert ledger.take(someone()) is None
    ledger.spend(someone(minute=1), 10)
    assert not list(settings.var.iterdir())


def test_a_restart_forgets_nothing(settings: Settings) -> None:
    first = Ledger(settings)
    first.take(someone(day=1))
    first.close()
    refusal(Ledger(settings), someone(day=1))


def test_processes_count_together(settings: Settings) -> None:
    program = (
        "import sys; from dataclasses import replace; from pathlib import Path; from rag.settings import Settings;"
        "from web.access.caller import Caller, Limits; from web.access.ledger import Exceeded, Ledger\n"
        "ledger, taken = Ledger(replace(Settings(), var=Path(sys.argv[1]))), 0\n"
        "for _ in range(60):\n"
        "    try: ledger.take(Caller('key', 'alice', limits=Limits(day=100))); taken += 1\n"
        "    except Exceeded: pass\n"
        "print(taken)"
    )
    command = [sys.executable, "-c", program, str(settings.var)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in running) == 100


def test_threads_count_together(settings: Settings) -> None:
    ledger, caller = Ledger(settings), someone(day=100)

    def ask(_: int) -> int:
        try:
            return 1 if ledger.take(caller) else 0
        except Exceeded:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(160))) == 100


def test_a_clock_that_was_set_back_locks_nobody_out(settings: Settings) -> None:
    clock = Clock()
    ledger, caller = Ledger(settings, clock), someone(minute=1)
    ledger.take(caller)
    clock.now -= 3600
    ledger.take(caller)
    refusal(ledger, caller)


def test_earlier_days_are_forgotten(settings: Settings) -> None:
    clock = Clock()
    ledger = Ledger(settings, clock)
    ledger.take(Caller("anonymous", "", "192.0.2.1", limits=Limits(day=5)))
    clock.now += 86400
    ledger.take(someone(day=5))
    ledger.close()
    assert b"192.0.2.1" not in b"".join(path.read_bytes() for path in settings.var.glob("*.sqlite"))


def test_what_cannot_be_written_limits_nobody(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    (settings.var / "limits.sqlite").mkdir()
    ledger = Ledger(settings)
    with caplog.at_level(logging.ERROR):
        assert [ledger.take(someone(day=1)) for _ in range(3)] == [None] * 3
        ledger.spend(someone(tokens=1), 10)
    assert len(caplog.records) == 1
    (settings.var / "limits.sqlite").rmdir()
    ledger.take(someone(day=1))
    refusal(ledger, someone(day=1))
