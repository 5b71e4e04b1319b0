"""Whether commits wait for consumers is learned from how it went."""

from __future__ import annotations

import random

from batonmq.server.patience import LIMIT, STEP_MAX, Patience

DISK = LIMIT / 2


def seen() -> Patience:
    patience = Patience()
    patience.note(DISK)
    return patience


def skipped(patience: Patience) -> int:
    """How many commits go before it would put one off again."""
    count = 0
    while not patience.is_willing():
        count += 1
    return count


def test_nothing_is_put_off_before_the_disk_was_seen() -> None:
    assert not Patience().is_willing()
    assert seen().is_willing()


def test_consumers_have_as_long_as_the_disk_takes_and_a_tick_at_most() -> None:
    patience = seen()
    assert patience.limit == DISK
    for _ in range(100):
        patience.note(10 * LIMIT)
    assert patience.limit == LIMIT


def test_while_consumers_are_faster_every_commit_is_put_off() -> None:
    patience = seen()
    for _ in range(10):
        assert patience.is_willing()
        patience.settled(DISK / 2)


def test_what_is_in_vain_is_tried_less_and_less() -> None:
    patience = seen()
    steps = []
    for _ in range(8):
        patience.in_vain()
        steps.append(skipped(patience))
    assert steps == sorted(steps)
    assert steps[0] > 0
    assert steps[-1] == STEP_MAX


def test_slower_than_the_disk_is_in_vain() -> None:
    patience = seen()
    patience.settled(2 * DISK)
    assert skipped(patience) > 0


def test_a_stroke_of_luck_is_no_habit() -> None:
    patience = seen()
    for _ in range(8):
        patience.in_vain()
    patience.settled(DISK / 2)
    assert skipped(patience) == 0
    patience.in_vain()
    assert skipped(patience) == STEP_MAX


def test_consumers_that_become_fast_are_trusted_again() -> None:
    patience = seen()
    for _ in range(8):
        patience.in_vain()
    for _ in range(12):
        patience.settled(DISK / 2)
    patience.in_vain()
    assert skipped(patience) < 10


def spared(share: float) -> float:
    """Of commits for which consumers are in time so often, how many are spared."""
    chance, patience, count = random.Random(1), seen(), 0
    for _ in range(20_000):
        if not patience.is_willing():
            continue
        if chance.random() < share:
            count += 1
            patience.settled(DISK / 2)
        else:
            patience.in_vain()
    return count / 20_000


def test_a_consumer_that_is_late_now_and_then_is_waited_for() -> None:
    assert spared(0.9) > 0.7
    assert 0.4 < spared(0.8) < 0.7
    assert spared(0.5) < 0.05
