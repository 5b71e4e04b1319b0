"""How often a message was delivered before, as far as its queue tells."""

from __future__ import annotations

from typing import NamedTuple

from batonmq.engines.messages import Message
from batonmq.fields import FieldError

__all__ = ["Earlier", "earlier_deliveries"]


class Earlier(NamedTuple):
    """How often the message was delivered before this time."""

    deliveries: int
    is_counted: bool
    """Is the number exact?"""


NONE = Earlier(0, True)
# In a queue that does not count, once means once or more.
UNCOUNTED = Earlier(1, False)
# A dead letter may carry the count of its former queue, and this may be its first delivery here.
OF_ANOTHER_QUEUE = Earlier(0, False)


def earlier_deliveries(message: Message, *, redelivered: bool, counts_anew: bool) -> Earlier:
    """How often a message was handed out before.

    ``counts_anew``: a dead letter comes without the count of its former queue, as in BatonMQ. RabbitMQ leaves the count
    in place. Its classic queues do not touch it; its quorum queues continue it (4.3), and mark such a message
    redelivered when it is not.

    Quorum queues of RabbitMQ 4.3 count orderly returns in the first header, but not in the second.
    """
    if not redelivered:
        return NONE
    try:
        headers = message.headers
    except FieldError:
        # Brokers other than ours pass on a client's headers unchecked.
        return UNCOUNTED
    for name in ("x-acquired-count", "x-delivery-count"):
        count = headers.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return Earlier(int(count), True) if counts_anew or "x-death" not in headers else OF_ANOTHER_QUEUE
    # BatonMQ is asked for the count, which leaves out returns that nobody saw.
    return NONE if counts_anew else UNCOUNTED
