"""The shared busy clock: shares add up to the busy time, whatever overlaps."""

from __future__ import annotations

import threading
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.pricing import BusyClock

calls_in_time = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 5_000)).map(lambda span: (span[0], span[0] + span[1])),
    min_size=1,
    max_size=12,
)


def shares_of(spans: list[tuple[int, int]]) -> list[int]:
    """What the clock gives each call."""
    events = sorted(
        [(start, 0, call) for call, (start, _) in enumerate(spans)]
        + [(end, 1, call) for call, (_, end) in enumerate(spans)]
    )
    clock, tokens, shares = BusyClock(), {}, [0] * len(spans)
    for moment, is_end, call in events:
        if is_end:
            shares[call] = clock.end(tokens[call], moment)
        else:
            tokens[call] = clock.begin(moment)
    return shares


def exact_shares(spans: list[tuple[int, int]]) -> list[Fraction]:
    """The same, instant by instant: each elementary stretch is split among the calls open in it."""
    edges = sorted({edge for span in spans for edge in span})
    shares = [Fraction(0)] * len(spans)
    for start, end in pairwise(edges):
        running = [call for call, (begin, stop) in enumerate(spans) if begin <= start and end <= stop]
        for call in running:
            shares[call] += Fraction(end - start, len(running))
    return shares


def test_a_call_alone_pays_for_all_its_time() -> None:
    """The simplest case is a price list's own arithmetic: hours times price."""
    clock = BusyClock()
    token = clock.begin(1_000)
    assert clock.end(token, 4_600) == 3_600


def test_two_calls_at_once_pay_half_each_while_both_run() -> None:
    """Concurrency must not bill one machine twice."""
    clock = BusyClock()
    first = clock.begin(0)
    second = clock.begin(100)
    assert (clock.end(first, 200), clock.end(second, 250)) == (150, 100)


def test_time_in_which_nothing_runs_belongs_to_nobody() -> None:
    """Idle time is the plan's affair, not a call's."""
    clock = BusyClock()
    clock.end(clock.begin(0), 10)
    assert clock.end(clock.begin(1_000_000), 1_000_005) == 5


def test_a_clock_reading_from_the_past_does_not_turn_time_back() -> None:
    """Threads hand in their readings slightly out of order."""
    clock = BusyClock()
    first = clock.begin(100)
    second = clock.begin(90)
    assert clock.end(first, 110) + clock.end(second, 105) == 10


@given(calls_in_time)
def test_shares_add_up_to_the_busy_time_for_any_overlap(spans: list[tuple[int, int]]) -> None:
    """Otherwise the GPU bill is over- or under-charged to the calls."""
    exact = exact_shares(spans)
    shares = shares_of(spans)
    assert abs(sum(shares) - sum(exact)) <= len(spans)
    assert all(abs(share - fair) <= 1 for share, fair in zip(shares, exact, strict=True))


def test_many_threads_leave_no_call_open() -> None:
    """The clock is shared by every thread that serves calls."""
    clock = BusyClock()
    moments = iter(range(10_000_000))
    lock = threading.Lock()

    def now() -> int:
        with lock:
            return next(moments)

    def serve() -> None:
        for _ in range(200):
            clock.end(clock.begin(now()), now())

    threads = [threading.Thread(target=serve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.open_calls == 0
