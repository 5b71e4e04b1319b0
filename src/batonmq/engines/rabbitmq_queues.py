"""The options of ``declare`` in RabbitMQ, over any protocol: arguments, and a queue type.

Its quorum queues count deliveries, delay redelivery (4.3), and keep a dead letter until the target queue has confirmed
it. A classic queue sends dead letters on and forgets them, and the target writes messages without confirms lazily: as
seen in 3.10 and 4.3, those of the last seconds are lost with the broker's process.
"""

from __future__ import annotations

from batonmq.engines.values import QueueOptions
from batonmq.errors import UnsupportedFeature
from batonmq.fields import FieldValue

__all__ = ["arguments_of"]

# The highest priority that quorum queues distinguish, from 4.3 on.
QUORUM_PRIORITY = 31
# No delivery limit, for a quorum queue of 4.0 or later, whose default is 20 returns.
NO_LIMIT = -1


def arguments_of(
    options: QueueOptions, version: tuple[int, ...], engine: str, *, is_quorum_better: bool = False
) -> dict[str, FieldValue]:
    """The arguments of a queue. Raises UnsupportedFeature, which names the engine.

    ``is_quorum_better``: use a quorum queue wherever possible, because the protocol can do more with it.
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
    """Can it keep each dead letter until it is confirmed?

    Not if the oldest is dropped when full, as that cannot wait.
    """
    is_limited = options.max_length is not None or options.max_bytes is not None
    return options.dead_letter is not None and version >= (3, 10) and (not is_limited or options.overflow == "refuse")
