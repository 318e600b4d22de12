import threading

import pytest

from rag.models.breaker import FIRST_SECONDS, LONGEST_SECONDS, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def rest_of(breaker: Breaker, clock: Clock, name: str = "a") -> float:
    """How long the model rests, to the second; the trial at its end is taken."""
    seconds = 0
    while not breaker.allows(name):
        clock.now += 1
        seconds += 1
        assert seconds <= LONGEST_SECONDS
    return seconds


def test_a_model_rests_after_a_failure_and_the_others_do_not(breaker, clock):
    assert breaker.allows("a")
    breaker.failed("a", "timeout")
    assert not breaker.allows("a") and breaker.allows("b")
    assert rest_of(breaker, clock) == FIRST_SECONDS


def test_one_trial_decides(breaker, clock):
    breaker.failed("a", "timeout")
    rest_of(breaker, clock)
    assert not breaker.allows("a")
    breaker.succeeded("a")
    assert breaker.allows("a") and breaker.allows("a")


def test_each_failed_trial_doubles_the_rest_up_to_the_longest(breaker, clock):
    rests = []
    for _ in range(7):
        breaker.failed("a", "server")
        rests.append(rest_of(breaker, clock))
    assert rests == [15, 30, 60, 120, 240, 300, 300]
    breaker.succeeded("a")
    breaker.failed("a", "server")
    assert rest_of(breaker, clock) == 15


def test_visitors_who_waited_for_the_same_failure_do_not_double_the_rest(breaker, clock):
    for _ in range(50):
        breaker.failed("a", "timeout")
        clock.now += 0.1
    assert 10 <= rest_of(breaker, clock) <= 15


def test_a_server_may_ask_for_more(breaker, clock):
    breaker.failed("a", "rate", 100.0)
    assert rest_of(breaker, clock) == 100
    breaker.failed("a", "rate", 1.0)
    assert rest_of(breaker, clock) == 30
    breaker.failed("a", "rate", 86_400.0)
    assert rest_of(breaker, clock) == LONGEST_SECONDS


def test_a_longer_wait_that_is_asked_for_while_the_model_rests_is_kept(breaker, clock):
    breaker.failed("a", "timeout")
    breaker.failed("a", "rate", 40.0)
    breaker.failed("a", "rate", 5.0)
    assert rest_of(breaker, clock) == 40


@pytest.mark.parametrize("reason", ["context", "rejected", "empty", "other"])
def test_what_may_be_due_to_the_question_is_no_cause_to_rest(breaker, clock, reason):
    breaker.failed("a", reason)
    assert breaker.allows("a")
    breaker.failed("a", "timeout")
    rest_of(breaker, clock)
    breaker.failed("a", reason)
    # The trial told nothing: the next one may try.
    assert breaker.allows("a")
    assert not breaker.allows("a")


def test_a_trial_that_is_left_lets_the_next_one_try(breaker, clock):
    breaker.failed("a", "timeout")
    rest_of(breaker, clock)
    breaker.undecided("a")
    assert breaker.allows("a")


def test_a_trial_that_never_reports_ends_by_itself(breaker, clock):
    breaker.failed("a", "timeout")
    rest_of(breaker, clock)
    assert rest_of(breaker, clock) == LONGEST_SECONDS


def test_leaving_ends_no_rest(breaker):
    breaker.failed("a", "timeout")
    breaker.undecided("a")
    assert not breaker.allows("a")


def test_of_many_threads_one_gets_the_trial(breaker, clock):
    breaker.failed("a", "timeout")
    clock.now += FIRST_SECONDS
    barrier = threading.Barrier(16)
    allowed: list[bool] = []

    def try_it() -> None:
        barrier.wait()
        allowed.append(breaker.allows("a"))

    threads = [threading.Thread(target=try_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(allowed) == [False] * 15 + [True]
