"""How often a message was delivered before, as far as its queue says."""

from __future__ import annotations

from typing import NamedTuple

from batonmq.engines.messages import Message
from batonmq.fields import FieldError

__all__ = ["Earlier", "earlier_deliveries"]


class Earlier(NamedTuple):
    """How often it was delivered before this time."""

    deliveries: int
    is_counted: bool
    """Is it more than a guess?"""


NONE = Earlier(0, True)
# Where the queue does not count, once stands for once or more.
UNCOUNTED = Earlier(1, False)
# The count of a dead letter may be that of the queue that it comes from, and this its first delivery here.
OF_ANOTHER_QUEUE = Earlier(0, False)


def earlier_deliveries(message: Message, *, redelivered: bool, counts_anew: bool) -> Earlier:
    """How often a message was handed out before.

    ``counts_anew``: a dead letter comes without the count of the queue that it was in before, as in BatonMQ. RabbitMQ
    leaves it there. Its classic queues don't touch it; its quorum queues go on from it (4.3), and call such a message
    redelivered when it is not.

    Quorum queues of RabbitMQ 4.3 leave what was given back in order out of the second header, but not of the first.
    """
    if not redelivered:
        return NONE
    try:
        headers = message.headers
    except FieldError:
        # Another broker than ours takes what a client calls headers unseen.
        return UNCOUNTED
    for name in ("x-acquired-count", "x-delivery-count"):
        count = headers.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return Earlier(int(count), True) if counts_anew or "x-death" not in headers else OF_ANOTHER_QUEUE
    # A BatonMQ is asked for the count: it says nothing of what came back unseen.
    return NONE if counts_anew else UNCOUNTED
