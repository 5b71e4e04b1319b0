"""How often a message was delivered before, as far as its queue says."""

from __future__ import annotations

from batonmq.engines.messages import Message
from batonmq.fields import FieldError

__all__ = ["earlier_deliveries"]


def earlier_deliveries(message: Message) -> int | None:
    """How often a message that comes again was handed out before; None where its queue does not count.

    Quorum queues of RabbitMQ 4.3 leave what was given back in order out of the second header, but not of the first.
    """
    try:
        headers = message.headers
    except FieldError:
        # Another broker than ours takes what a client calls headers unseen.
        return None
    for name in ("x-acquired-count", "x-delivery-count"):
        count = headers.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return int(count)
    return None
