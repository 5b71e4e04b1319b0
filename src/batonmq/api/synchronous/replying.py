# Generated from api/asynchronous/replying.py by scripts/unasync.py: change that file instead.
"""Sends a reply made from a handler's result, together with the acceptance of its message."""

from __future__ import annotations

import contextlib

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.synchronous.transaction import Transaction
from batonmq.engines.messages import Message
from batonmq.errors import NotFound

__all__ = ["reply_and_accept"]

# Whoever asked waits at such an address, and no queue keeps the reply: it cannot be part of a transaction.
DIRECT = "amq.rabbitmq.reply-to"


def reply_and_accept(delivery: Delivery, reply: Message) -> None:
    """Send the reply and accept the delivery: both or neither if the engine has transactions, else in that order.

    If nobody waits for the reply any more, the delivery is accepted all the same. Raises ResourceError when the queue
    for the replies is full, LeaseLost, and the errors of sending.
    """
    engine, asked = delivery._engine, delivery.message
    assert asked.reply_to is not None
    if engine.capabilities.transactions and not delivery.settled and not asked.reply_to.startswith(DIRECT):
        # Without a queue of that name it may be an address of another kind, which the engine knows.
        with contextlib.suppress(NotFound, ValueError):
            transaction = Transaction(engine)
            transaction.send(asked.reply_to, reply)
            transaction.accept(delivery)
            transaction._commit()
            return
    if engine.capabilities.request:
        engine.reply(asked, reply).get()
    else:
        with contextlib.suppress(NotFound):
            engine.send(asked.reply_to, [reply]).get()
    if not delivery.settled:
        delivery.accept()
