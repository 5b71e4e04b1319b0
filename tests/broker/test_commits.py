"""Waiting for a commit: nobody waits for one that nothing would bring about."""

from __future__ import annotations

from tests.support.driven import Driven

from batonmq.errors import StoreError


class Waiting:
    def __init__(self) -> None:
        self.committed: list[int] = []

    def batch_committed(self, batch: int) -> None:
        self.committed.append(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        raise AssertionError(error)


def test_who_waits_when_nothing_is_left_to_commit_has_the_host_end_a_turn() -> None:
    driven = Driven()
    scheduler = driven.broker.scheduler
    asked: list[bool] = []
    scheduler.attach(lambda: asked.append(True))
    waiting = Waiting()
    scheduler.commits.wait(waiting)
    assert asked == [True]
    driven.broker.end_turn()
    assert len(waiting.committed) == 1
