"""Which consumer a queue with a single active consumer serves, once that one is late.

It stays until it goes, or a delivery is taken back from it while another consumer can take messages. Then it is served
no more, and what else it holds goes back too: the next one gets all of it in the order of the queue, before anything
newer. Who has settled all that was late is as good as any other again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.featured import FeaturedQueue

log = logging.getLogger("batonmq.broker")


def choose_active(queue: FeaturedQueue) -> None:
    """Begin to hand the queue over, go on with that, or give it up, as its consumers are now."""
    consumers = queue.consumers
    active = consumers.active
    if active is None:
        return
    successor = consumers.successor()
    if successor is None:
        if consumers.is_handing_over:
            consumers.hand_over(False)
            queue.begin(active)
        return
    consumers.hand_over(True)
    queue.withdraw(active)
    if queue.ack_timeouts is not None and queue.ack_timeouts.hurry(active):
        # It calls again when all of that is back.
        return
    log.info("%r: consumer %r holds messages for too long: %r is served instead", queue, active.tag, successor.tag)
    consumers.activate(successor)
    active.activity_changed()
    successor.activity_changed()
    queue.begin(successor)


def finish_handing_over(queue: FeaturedQueue, leaving: Consumer) -> None:
    """A consumer cancels. If its messages are going back for the next one, they are back before that is served."""
    consumers = queue.consumers
    if leaving is consumers.active and consumers.successor() is not None and queue.ack_timeouts is not None:
        queue.ack_timeouts.take_back_all(leaving)
