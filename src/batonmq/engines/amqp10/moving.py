"""Moves and drops messages by receiving them, for brokers that cannot do this themselves."""

from __future__ import annotations

from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.death_headers import without_death_headers
from batonmq.engines.interface import Engine, Subscription
from batonmq.engines.messages import received_message
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, NotFound

__all__ = ["drop_all", "move_all"]

# The most messages held at once.
SLICE = 100
# Messages without a target are held to the end; beyond this number the move ends.
STAY_MOST = 1_000


def move_all(engine: Engine, product: Product, source: str, target: str | None, most: int) -> Steps[int]:
    """Send ready messages to another queue, and accept each when it is there; returns how many.

    Without a target each goes to where it died; a message that died nowhere, or in a queue that is gone, is given back
    at the end. Each is moved in a transaction if the broker has them; otherwise a lost connection may leave a message
    in both queues.
    """
    if target is not None:
        yield from product.require_target(target)
    pull = yield from wait_for(engine.pull(source))
    moved = stays = 0
    try:
        while moved < most and stays < STAY_MOST:
            found = yield from wait_for(pull.receive(min(SLICE, most - moved)))
            if not found:
                break
            goes: dict[str, list[Incoming]] = {}
            for one in found:
                to = product.origin(one.message) if target is None else target
                if to is None or to == source:
                    stays += 1
                else:
                    goes.setdefault(to, []).append(one)
            for to, those in goes.items():
                try:
                    yield from _move(engine, pull, to, those)
                except NotFound:
                    if target is not None:
                        raise
                    stays += len(those)
                else:
                    moved += len(those)
    except BatonError:
        yield from wait_for(pull.close())
        if not moved:
            raise
        return moved
    yield from wait_for(pull.close())
    return moved


def _move(engine: Engine, pull: Subscription, to: str, those: list[Incoming]) -> Steps[None]:
    """Send what is held to a queue, and accept it. After NotFound or ResourceError it is still held."""
    copies = [received_message(one.message.body, without_death_headers(one.message.properties)) for one in those]
    if engine.capabilities.transactions:
        yield from wait_for(engine.transact([(to, copy) for copy in copies], [(pull, one) for one in those]))
        return
    yield from wait_for(engine.send(to, copies))
    for one in those:
        pull.settle(one, "accept")


def drop_all(engine: Engine, queue: str) -> Steps[int]:
    """Receive and accept the ready messages; returns how many there were."""
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
