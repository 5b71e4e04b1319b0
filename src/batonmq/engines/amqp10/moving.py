"""What a broker cannot do by itself, done by receiving: moving messages to another queue, and dropping them."""

from __future__ import annotations

from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.death_headers import without_death_headers
from batonmq.engines.interface import Engine
from batonmq.engines.messages import received_message
from batonmq.engines.steps import Steps, wait_for
from batonmq.errors import BatonError

__all__ = ["drop_all", "move_all"]

# Messages that are held at once.
SLICE = 100


def move_all(engine: Engine, product: Product, source: str, target: str, most: int) -> Steps[int]:
    """Send ready messages to another queue, and accept each when it is there; tells how many.

    With transactions each is moved in one; without, a lost connection may leave a message in both queues.
    """
    yield from product.require(target)
    pull = yield from wait_for(engine.pull(source))
    moved = 0
    try:
        while moved < most:
            found = yield from wait_for(pull.receive(min(SLICE, most - moved)))
            if not found:
                break
            copies = [
                received_message(one.message.body, without_death_headers(one.message.properties)) for one in found
            ]
            if engine.capabilities.transactions:
                sends = [(target, copy) for copy in copies]
                yield from wait_for(engine.transact(sends, [(pull, one) for one in found]))
            else:
                yield from wait_for(engine.send(target, copies))
                for one in found:
                    pull.settle(one, "accept")
            moved += len(found)
    except BatonError:
        yield from wait_for(pull.close())
        if not moved:
            raise
        return moved
    yield from wait_for(pull.close())
    return moved


def drop_all(engine: Engine, queue: str) -> Steps[int]:
    """Receive and accept what is ready; tells how many that were."""
    pull = yield from wait_for(engine.pull(queue))
    dropped = 0
    while True:
        found = yield from wait_for(pull.receive(SLICE))
        if not found:
            break
        for one in found:
            pull.settle(one, "accept")
        dropped += len(found)
    yield from wait_for(pull.close())
    return dropped
