"""Browsing: everything that is ready is seen, in order, wherever it is, and nothing is taken."""

from __future__ import annotations

from pathlib import Path

from tests.support.driven import Driven

from batonmq.broker.queues.browsing import Browser
from batonmq.message import Message


def fill(driven: Driven, count: int, *, first: int = 0, size: int = 1024) -> list[str]:
    names = [f"m{number}" for number in range(first, first + count)]
    for name in names:
        driven.publish(name, size=size)
    driven.settle()
    return names


def read(driven: Driven, browser: Browser, most: int = 7) -> list[str]:
    """All that it shows."""
    seen: list[str] = []
    for _ in range(10_000):
        found = browser.read(most)
        assert len(found) <= most
        seen += [browsed.message.body.decode().rstrip(".") for browsed in found]
        if browser.finished:
            return seen
        if not found:
            driven.turn()
    raise AssertionError("the browser does not end")


class Odd:
    def matches(self, message: Message) -> bool:
        return int(message.body.decode().rstrip(".")[1:]) % 2 == 1


def test_a_browser_sees_memory_and_store_in_order_and_takes_nothing(driven: Driven) -> None:
    queue = driven.queue()
    names = fill(driven, 1_200)
    assert driven.path is None or queue.lane.paged > 1_000
    assert read(driven, driven.operations.browse("q")) == names
    assert (queue.ready_count, queue.unsettled) == (1_200, 0)
    taker = driven.consume(no_ack=True)
    driven.settle()
    assert taker.seen == names


def test_what_comes_after_it_began_is_left_out(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 100)
    browser = driven.operations.browse("q")
    fill(driven, 100, first=100)
    assert read(driven, browser) == names


def test_what_is_in_a_consumers_hands_is_not_seen(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 300)
    taker = driven.consume(prefetch=10)
    driven.settle()
    assert read(driven, driven.operations.browse("q")) == names[10:]
    taker.leave()
    driven.settle()
    assert read(driven, driven.operations.browse("q")) == names


def test_a_selector_chooses_what_is_seen(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 300)
    assert read(driven, driven.operations.browse("q", Odd())) == names[1::2]


def test_priorities_come_in_the_order_of_their_hand_over(driven: Driven) -> None:
    driven.queue(x_max_priority=5)
    from batonmq.properties import Properties

    for priority in (1, 5, 0, 3):
        message = Message("", "q", Properties.make(priority=priority), f"m{priority}".encode())
        driven.operations.vhost.router.publish(message, driven.operations.resolve("", "q").targets)
    driven.settle()
    assert read(driven, driven.operations.browse("q")) == ["m5", "m3", "m1", "m0"]


def test_while_the_store_commits_the_browser_waits(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue()
    names = fill(driven, 200)
    store = driven.broker.store
    browser = driven.operations.browse("q")
    driven.publish("later")
    driven.broker.end_turn()
    store.stage()
    seen = browser.read(1_000)
    assert len(seen) < 100
    assert browser.read(1_000) == []
    assert not browser.finished
    called: list[bool] = []
    driven.broker.when_read(lambda: called.append(True))
    assert not called
    store.commit()
    driven.broker.commit_done(None)
    assert called
    rest = read(driven, browser)
    assert [browsed.message.body.decode().rstrip(".") for browsed in seen] + rest == names


def test_expired_messages_are_not_seen(driven: Driven) -> None:
    driven.queue(x_message_ttl=1_000)
    fill(driven, 50)
    driven.clock.now += 2
    assert read(driven, driven.operations.browse("q")) == []
