"""How long a message may be held, when it comes back, and who may have it meanwhile, in engines that support it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import batonmq
from batonmq.testing.contract.hands import QUIET, SOON, bodies, has_ready, needs, numbered, take
from batonmq.testing.contract.place import Place
from batonmq.testing.contract.working import at_work

# Short enough to wait for, long enough for a message to get through a busy machine.
LEASE = 0.6
FAR = 3600.0


class Pace:
    """The longest time between two steps of a test: on a busy machine the test itself may be late."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.monotonic()

    def step(self) -> None:
        """Mark the end of a step."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self._last = now


def in_time(attempt: Callable[[float, Pace], None]) -> None:
    """Run a test with a short lease; if the test itself could not keep up, with longer ones."""
    for lease in (LEASE, 5 * LEASE, 25 * LEASE):
        pace = Pace()
        try:
            attempt(lease, pace)
        except (AssertionError, batonmq.LeaseLost):
            pace.step()
            if pace.longest < lease / 2 or lease > 5 * LEASE:
                raise
        else:
            return


# ---------------------------------------------------------------------- leases


def test_what_is_held_for_too_long_goes_to_another(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "lease")
    mq.send(queue, b"order")
    with mq.receiver(queue, lease=LEASE, prefetch=1) as slow, mq.receiver(queue) as other:
        (late,) = take(slow, 1)
        (again,) = take(other, 1)
        assert (again.body, again.redelivered) == (late.body, True)
        with pytest.raises(batonmq.LeaseLost):
            late.accept()
        again.accept()
        assert slow.receive(wait=0) == []
    has_ready(mq, queue, 0)


def test_what_was_late_and_comes_again_is_another_delivery(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "lease")
    mq.send(queue, b"order")
    with mq.receiver(queue, lease=LEASE, prefetch=2) as receiver:
        (late,) = take(receiver, 1)
        (again,) = take(receiver, 1)
        assert again.redelivered
        with pytest.raises(batonmq.LeaseLost):
            late.renew()
        with pytest.raises(batonmq.LeaseLost):
            late.reject()
        again.accept()
    has_ready(mq, queue, 0)


def test_who_is_late_gets_no_more_before_it_settles(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "lease")

    def stick(lease: float, pace: Pace) -> None:
        queue = place.queue()
        mq.declare(queue)
        mq.send(queue, b"first")
        with mq.receiver(queue, lease=lease, prefetch=1) as stuck:
            (late,) = take(stuck, 1)
            time.sleep(1.5 * lease)
            mq.send(queue, b"second")
            with mq.receiver(queue) as other:
                again = take(other, 2)
                assert [(each.body, each.redelivered) for each in again] == [(b"first", True), (b"second", False)]
                for delivery in again:
                    delivery.accept()
            with pytest.raises(batonmq.LeaseLost):
                late.accept()
            mq.send(queue, b"third")
            pace.step()
            (third,) = take(stuck, 1)
            third.accept()
            pace.step()
            assert (third.body, third.redelivered) == (b"third", False)
        has_ready(mq, queue, 0)

    in_time(stick)


def test_a_renewal_keeps_it(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "lease")

    def hold(lease: float, pace: Pace) -> None:
        queue = place.queue()
        mq.declare(queue)
        mq.send(queue, b"order")
        with mq.receiver(queue, lease=lease, prefetch=1) as receiver, mq.receiver(queue) as other:
            pace.step()
            (held,) = take(receiver, 1)
            end = time.monotonic() + 2 * lease
            while time.monotonic() < end:
                held.renew()
                pace.step()
                assert other.receive(wait=lease / 4) == []
            held.renew(FAR)
            pace.step()
            assert other.receive(wait=1.5 * lease) == []
            held.accept()
        has_ready(mq, queue, 0)

    in_time(hold)


def test_a_renewal_may_shorten_it(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "lease")
    mq.send(queue, b"order")
    with mq.receiver(queue, lease=FAR, prefetch=1) as receiver, mq.receiver(queue) as other:
        (held,) = take(receiver, 1)
        held.renew(0.1)
        assert bodies(take(other, 1)) == [b"order"]


def test_what_waits_in_the_clients_hands_has_its_whole_lease(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "lease")

    def work(lease: float, pace: Pace) -> None:
        queue = place.queue()
        mq.declare(queue)
        mq.send_many(queue, numbered(5))
        with mq.receiver(queue, lease=lease, prefetch=5) as receiver:
            for number in range(5):
                (held,) = take(receiver, 1)
                assert (held.body, held.redelivered) == (b"%d" % number, False)
                time.sleep(lease / 3)  # it is worked on: all five take longer than one lease
                held.accept()
                pace.step()
        has_ready(mq, queue, 0)

    in_time(work)


def test_a_late_delivery_counts(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "lease", "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=1, dead_letter=dead)
    mq.send(queue, b"order")
    with mq.receiver(queue, lease=LEASE) as receiver, mq.receiver(dead) as undertaker:
        take(receiver, 1)
        assert bodies(take(undertaker, 1)) == [b"order"]


def test_a_renewal_says_for_how_long(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "lease")
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        with pytest.raises(ValueError, match="no lease"):
            held.renew()
        held.renew(FAR)
        for seconds in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="100 years"):
                held.renew(seconds)
        held.accept()
        with pytest.raises(batonmq.AlreadySettled):
            held.renew(FAR)
    with pytest.raises(ValueError, match="lease is"):
        mq.receiver(queue, lease=0.0)


def test_a_lease_is_refused_where_it_cannot_be_kept(mq: batonmq.Connection, queue: str) -> None:
    if mq.capabilities.lease:
        return
    with pytest.raises(batonmq.UnsupportedFeature, match="lease"):
        mq.receiver(queue, lease=FAR)
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        with pytest.raises(batonmq.UnsupportedFeature, match="renew"):
            held.renew(FAR)
        held.accept()


# ---------------------------------------------------------------------- back for later


def test_a_message_is_given_back_for_later(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "release_delay")
    mq.send_many(queue, numbered(2))
    with mq.receiver(queue) as receiver:
        first, second = take(receiver, 2)
        began = time.monotonic()
        first.release(delay=0.3)
        second.accept()
        (again,) = take(receiver, 1)
        assert time.monotonic() - began >= 0.29
        assert (again.body, again.redelivered) == (b"0", True)
        again.accept()


def test_while_it_waits_it_is_not_ready(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "release_delay")
    mq.send_many(queue, numbered(2))
    with mq.receiver(queue, prefetch=1) as receiver:
        (first,) = take(receiver, 1)
        first.release(delay=FAR)
        (second,) = take(receiver, 1)
        assert second.body == b"1"
        second.accept()
    has_ready(mq, queue, 0)


def test_a_return_for_later_counts(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "release_delay", "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=2, dead_letter=dead)
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        for count in (1, 2):
            (delivery,) = take(receiver, 1)
            assert delivery.delivery_count == count
            delivery.release(delay=0.05)
        with mq.receiver(dead) as undertaker:
            assert bodies(take(undertaker, 1)) == [b"order"]


def test_a_queue_lets_what_comes_back_wait_longer_each_time(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "retry_delay", "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, retry_delay=0.15, retry_delay_max=0.35, max_deliveries=4, dead_letter=dead)
    mq.send_many(queue, [b"order", b"other"])
    with mq.receiver(queue) as receiver:
        began = time.monotonic()
        for least in (0.0, 0.15, 0.3, 0.35):
            (delivery,) = take(receiver, 1)
            if delivery.body == b"other":
                # A waiting message does not delay others.
                delivery.accept()
                (delivery,) = take(receiver, 1)
            assert time.monotonic() - began >= least - 0.02
            # Before it goes back: this program may be held up after that.
            began = time.monotonic()
            delivery.release()
        with mq.receiver(dead) as undertaker:
            assert bodies(take(undertaker, 1)) == [b"order"]


def test_a_worker_without_a_backoff_leaves_it_to_the_queue(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "retry_delay")
    queue = place.queue()
    mq.declare(queue, retry_delay=0.3)
    mq.send(queue, b"order")
    called: list[float] = []
    over = threading.Event()

    def handle(_: batonmq.Delivery) -> None:
        called.append(time.monotonic())
        if len(called) < 3:
            raise LookupError("not yet")
        over.set()

    with at_work(mq, queue, handle, backoff=0):
        assert over.wait(SOON)
    assert called[1] - called[0] >= 0.28
    assert called[2] - called[1] >= 0.28


def test_a_retry_delay_is_refused_where_there_is_none(mq: batonmq.Connection, place: Place) -> None:
    queue = place.queue()
    with pytest.raises(ValueError, match="needs a retry_delay"):
        mq.declare(queue, retry_delay_max=1)
    with pytest.raises(ValueError, match="needs a retry_delay"):
        mq.declare(queue, retry_delay=2, retry_delay_max=1)
    if mq.capabilities.retry_delay:
        return
    with pytest.raises(batonmq.UnsupportedFeature, match="retry_delay"):
        mq.declare(queue, retry_delay=1)


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf")])
def test_a_delay_that_is_none_is_refused(mq: batonmq.Connection, queue: str, delay: float) -> None:
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        with pytest.raises(ValueError, match="100 years"):
            held.release(delay=delay)
        held.accept()


def test_what_waits_survives_those_who_gave_it_back(place: Place, mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "release_delay")
    mq.send(queue, b"order")
    with place.connect() as another, another.receiver(queue) as receiver:
        take(receiver, 1)[0].release(delay=0.3)
    with mq.receiver(queue) as receiver:
        (again,) = take(receiver, 1)
        assert (again.body, again.redelivered) == (b"order", True)


def test_the_reason_of_a_rejection_is_in_the_dead_letter(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "reject_reason", "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"order", headers={"tenant": "a"})
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        take(receiver, 1)[0].reject(reason="no such customer")
        (letter,) = take(undertaker, 1)
        assert letter.message.headers["x-reject-reason"] == "no such customer"
        assert letter.message.headers["tenant"] == "a"


def test_what_nobody_has_seen_is_neither_counted_nor_redelivered(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "delivery_count")
    mq.send_many(queue, [b"%d" % number for number in range(10)])
    with mq.receiver(queue, prefetch=10) as receiver:
        (seen,) = take(receiver, 1)
        assert (seen.redelivered, seen.delivery_count) == (False, 1)
    with mq.receiver(queue, prefetch=10) as receiver:
        found = take(receiver, 10)
        said = {one.body: (one.redelivered, one.delivery_count) for one in found if one.body != b"0"}
        for one in found:
            one.accept()
    assert said == {b"%d" % number: (False, 1) for number in range(1, 10)}


# ---------------------------------------------------------------------- groups


def test_a_group_is_in_one_pair_of_hands_at_a_time_and_in_order(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "group")
    for number in range(3):
        mq.send(queue, b"a%d" % number, group="a")
    mq.send(queue, b"b0", group="b")
    with mq.receiver(queue, prefetch=1) as one, mq.receiver(queue, prefetch=1) as other:
        (first,) = take(one, 1)
        assert (first.body, first.message.group) == (b"a0", "a")
        (of_b,) = take(other, 1)
        assert (of_b.body, of_b.message.group) == (b"b0", "b")
        of_b.accept()
        assert other.receive(wait=0.1) == []
        first.accept()
        # The receiver that has it now has the group.
        owner, idle = one, other
        end = time.monotonic() + SOON
        while not (came := owner.receive(wait=QUIET)):
            assert time.monotonic() < end, "a1 does not come"
            owner, idle = idle, owner
        assert bodies(came) == [b"a1"]
        assert idle.receive(wait=0.1) == []
        came[0].release()
        owner.close()
        (again,) = take(idle, 1)
        assert (again.body, again.redelivered) == (b"a1", True)
        again.accept()
        assert bodies(take(idle, 1)) == [b"a2"]


@pytest.mark.parametrize("group", ["", "x" * 256])
def test_a_group_has_a_name(mq: batonmq.Connection, queue: str, group: str) -> None:
    with pytest.raises(ValueError, match="group"):
        mq.send(queue, b"", group=group)


def test_a_message_has_no_group_unless_it_was_given_one(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"", headers={"kind": "x"})
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        assert delivery.message.group is None
        delivery.accept()
    has_ready(mq, queue, 0)
