"""Consumers with and without selectors, groups, retries and a small memory, in a random order of events."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker

from batonmq.message import Message
from batonmq.queued import QueuedMessage


class Colour:
    """Wants messages whose header `colour` is of one of these."""

    def __init__(self, colours: list[str]) -> None:
        self.colours = colours

    def matches(self, message: Message) -> bool:
        return (message.properties.headers or {}).get("colour") in self.colours


def name_of(queued: QueuedMessage) -> str:
    return queued.message.body.decode().rstrip(".")


class Play:
    """One queue and up to four consumers; remembers what was sent and what was settled for good."""

    def __init__(self, seed: int, path: Path | None) -> None:
        self.chance = random.Random(seed)
        self.driven = Driven(path, memory_limit=40 << 10)
        self.driven.slow_commits = seed % 2 == 1
        self.queue = self.driven.queue(x_retry_delay=500) if seed >= 8 else self.driven.queue()
        self.sent: list[str] = []
        self.done: list[str] = []
        self.takers: list[Taker] = []
        self.actions = [
            self.publish,
            self.publish,
            self.accept,
            self.accept,
            self.release,
            self.come,
            self.go,
            self.get,
        ]

    def publish(self) -> None:
        chance = self.chance
        for _ in range(chance.randrange(40)):
            colour = chance.choice("rgb")
            name = f"{colour}{len(self.sent)}"
            headers = {"colour": colour}
            if chance.random() < 0.3:
                headers["x-group"] = str(chance.randrange(3))
            self.driven.publish(name, headers, size=chance.choice([10, 2_000]), persistent=chance.random() < 0.5)
            self.sent.append(name)

    def come(self) -> None:
        chance = self.chance
        if len(self.takers) == 4:
            return
        taker = self.driven.taker(prefetch=chance.choice([1, 3, 50]))
        if chance.random() < 0.7:
            taker.selector = Colour(chance.sample("rgb", chance.randrange(1, 3)))
        self.driven.operations.subscribe(taker.queue, taker)
        self.takers.append(taker)

    def go(self) -> None:
        if self.takers:
            self.takers.pop(self.chance.randrange(len(self.takers))).leave()

    def get(self) -> None:
        if (queued := self.queue.get()) is None:
            return
        if self.chance.random() < 0.5:
            self.queue.accept(queued)
            self.done.append(name_of(queued))
        else:
            self.queue.release([queued])

    def accept(self) -> None:
        if self.takers:
            taker = self.chance.choice(self.takers)
            count = self.chance.randrange(1 + len(taker.held))
            self.done += [name_of(queued) for queued in taker.held[:count]]
            taker.accept(count)

    def release(self) -> None:
        if self.takers:
            taker = self.chance.choice(self.takers)
            taker.release(self.chance.randrange(1 + len(taker.held)))

    def step(self) -> None:
        self.chance.choice(self.actions)()
        if self.chance.random() < 0.4:
            self.driven.turn()
        if self.chance.random() < 0.1:
            self.driven.wait(0.4)

    def check(self) -> None:
        """Each message is in exactly one place, and nobody was given what it did not select."""
        held = [name_of(queued) for taker in self.takers for queued in taker.held]
        assert len(held) == self.queue.unsettled
        assert len(set(held + self.done)) == len(held + self.done)
        assert len(self.sent) == self.queue.ready_count + self.queue.delayed_count + len(held) + len(self.done)
        for taker in self.takers:
            if isinstance(taker.selector, Colour):
                assert all(name[0] in taker.selector.colours for name in taker.seen)

    def drain(self) -> list[str]:
        """All that is left, once everybody has gone."""
        for taker in self.takers:
            taker.leave()
        self.driven.settle()
        last = self.driven.consume(no_ack=True)
        self.driven.settle()
        for _ in range(20):
            self.driven.wait(1)
        return last.seen


@pytest.mark.parametrize("seed", range(16))
def test_whatever_happens_nothing_is_lost_doubled_or_given_to_the_wrong_one(tmp_path: Path, seed: int) -> None:
    play = Play(seed, tmp_path / "store.db" if seed % 3 else None)
    for _ in range(250):
        play.step()
        play.check()
    assert sorted(play.drain() + play.done) == sorted(play.sent)
    assert play.queue.ready_count == play.queue.unsettled == 0
