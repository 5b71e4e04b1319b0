"""What the options of ``declare`` are in RabbitMQ, whichever protocol says them: arguments, and a type of queue.

Its quorum queues count deliveries, let what comes back wait (4.3), and keep a dead letter until the queue for it has
confirmed it. A classic queue sends dead letters on and forgets them, and the queue that they go to writes down what
nobody waits for when it has time: seen in 3.10 and 4.3, those of the last seconds are lost with the broker's process.
"""

from __future__ import annotations

from batonmq.engines.values import QueueOptions
from batonmq.errors import UnsupportedFeature
from batonmq.fields import FieldValue

__all__ = ["arguments_of"]

# The highest priority that quorum queues tell from others, from 4.3 on.
QUORUM_PRIORITY = 31
# What says so in a quorum queue of 4.0 or later, which otherwise gives a message up after 20 returns.
NO_LIMIT = -1


def arguments_of(
    options: QueueOptions, version: tuple[int, ...], engine: str, *, is_quorum_better: bool = False
) -> dict[str, FieldValue]:
    """The arguments of a queue. Raises UnsupportedFeature, which names the engine.

    ``is_quorum_better``: make a quorum queue of each that can be one, for what the protocol can do with it.
    """
    arguments = options.arguments()
    is_needed = options.max_deliveries is not None or options.retry_delay is not None
    most = QUORUM_PRIORITY if version >= (4, 3) else 0
    is_possible = options.durable and options.max_priority <= most
    is_safe = is_possible and _keeps_dead_letters(options, version)
    if not is_needed and not is_safe and not (is_quorum_better and is_possible):
        return arguments
    if not options.durable:
        raise UnsupportedFeature(f"{engine}: RabbitMQ's max_deliveries and retry_delay are for durable queues")
    if not is_possible:
        only = f"up to {most}" if most else "in no queue that counts deliveries, before version 4.3"
        raise UnsupportedFeature(f"{engine}: RabbitMQ has priorities {only}: max_priority")
    # Priorities are always on there.
    arguments.pop("x-max-priority", None)
    arguments["x-queue-type"] = "quorum"
    if version >= (4,):
        arguments.setdefault("x-delivery-limit", NO_LIMIT)
    if is_safe:
        arguments |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    return arguments


def _keeps_dead_letters(options: QueueOptions, version: tuple[int, ...]) -> bool:
    """Can it keep each until it is confirmed? Not where the oldest gives way, which could not wait for that."""
    is_limited = options.max_length is not None or options.max_bytes is not None
    return options.dead_letter is not None and version >= (3, 10) and (not is_limited or options.overflow == "refuse")
