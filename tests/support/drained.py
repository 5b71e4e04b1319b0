"""All that is in a queue, however slow the machine is."""

from __future__ import annotations

from pathlib import Path

import batonmq


def drained(url: str | Path, queue: str) -> list[batonmq.Message]:
    """Takes what is ready in a queue, and returns it in order.

    That nothing has come for a while means little on a busy machine: the queue is asked whether there is more.
    """
    found: list[batonmq.Message] = []
    with batonmq.connect(url) as mq:
        while mq.count(queue):
            with mq.receiver(queue, prefetch=1000, wait=0.1) as receiver:
                for delivery in receiver:
                    found.append(delivery.message)
                    delivery.accept()
    return found
