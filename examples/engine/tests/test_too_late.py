"""What is taken for somebody who has ceased to wait."""

from __future__ import annotations

from pathlib import Path

from directory_engine.files import Held, QueueFiles
from directory_engine.subscription import DirectorySubscription

from batonmq import Message
from batonmq.engines.futures import resolved


class Slow(QueueFiles):
    """While it takes the first message, whoever waits for it goes away."""

    subscription: DirectorySubscription
    is_first = True

    def take(self, most: int) -> list[Held]:
        taken = super().take(most)
        if taken and self.is_first:
            self.is_first = False
            self.subscription.withdraw(self.subscription._waiting[0])  # noqa: SLF001 (nobody else has it yet)
        return taken


def test_a_message_that_comes_too_late_for_a_receive_was_not_handed_out(tmp_path: Path) -> None:
    files = Slow(tmp_path, "orders")
    files.create(max_deliveries=1, dead_letter=None)
    files.send([Message(b"1")])
    files.subscription = DirectorySubscription(files, 1, lambda work: resolved(work()), lambda _: None)
    assert files.subscription.receive(1).get() == []
    assert files.count() == 1
    (again,) = files.subscription.receive(1).get()
    assert (again.message.body, again.delivery_count) == (b"1", 1)
    files.subscription.close()
