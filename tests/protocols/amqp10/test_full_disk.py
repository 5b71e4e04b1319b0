"""A receiver's outcomes while the disk is full: we settle them when the store has them, and not before."""

from __future__ import annotations

from pathlib import Path

from proof.disk import Disk

from batonmq.protocols.amqp10.codec.constants import FRAME
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import Accepted, Disposition
from batonmq.protocols.amqp10.codec.values import UInt
from tests.protocols.amqp10.client import Client, Delivery, of, one
from tests.support.driven import Driven


def _said(client: Client) -> list[Disposition]:
    """What has been said, with no turn of the broker."""
    client.session.turn_ended()
    data = b"".join(client.session.output)
    client.session.output.clear()
    events = client.parser.feed(data)
    return [event[2] for event in events if event[0] == FRAME and isinstance(event[2], Disposition)]


def test_an_outcome_is_settled_when_the_store_has_it(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        driven = Driven(tmp_path / "store")
        driven.queue()
        driven.publish("m")
        client = Client(driven).start()
        client.receiver("q", 1)
        delivery = one(client.read(), Delivery)
        driven.settle()
        disk.is_full = True
        accepted = Disposition(role=True, first=UInt(delivery.delivery_id), settled=False, state=Accepted())
        client.session.receive(frame(0, accepted))
        for _ in range(3):
            driven.attempt()
            assert driven.broker.store.error is not None
            assert _said(client) == []
        disk.is_full = False
        driven.attempt()
        (settled,) = _said(client)
        assert settled.settled
        assert isinstance(settled.state, Accepted)
        driven.crash()
        assert driven.bodies() == []
        assert not of(client.came, Delivery)
