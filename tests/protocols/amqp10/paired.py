"""Requests about the broker over a link pair, and their answers."""

from __future__ import annotations

from typing import Any

from batonmq.protocols.amqp10.codec.composites import MessageId
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Detach,
    End,
    MessageProperties,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UByte, UInt, ULong, encode
from tests.protocols.amqp10.client import Client, Delivery, of, one

ADDRESS = "/management"
PAIRED = {Symbol("paired"): True}


class Pair:
    """Both links to the management, on session 0 of a client that has begun it."""

    def __init__(self, client: Client, name: str = "management-link-pair", *, credit: int = 1000) -> None:
        self.client = client
        self._requests = 0
        ends: dict[str, Any] = {"source": Source(address=ADDRESS), "target": Target(address=ADDRESS)}
        modes: dict[str, Any] = {"snd_settle_mode": UByte(1), "rcv_settle_mode": UByte(0), "properties": PAIRED}
        for handle, role in ((100, False), (101, True)):
            count = None if role else UInt(0)
            attach = Attach(name=name, handle=UInt(handle), role=role, initial_delivery_count=count, **ends, **modes)
            came = client.say(attach)
            assert not of(came, Detach), came
            answer = one(came, Attach)
            assert answer.properties == PAIRED
            assert answer.source is not None
            assert answer.source.address == ADDRESS
            assert isinstance(answer.target, Target)
            assert answer.target.address == ADDRESS
        if credit:
            client.credit(101, credit)

    def send(self, method: str, path: str, body: object = None, *, request_id: MessageId | None = None) -> bytes:
        """The frame with a request."""
        number = self._requests
        self._requests += 1
        properties = MessageProperties(
            message_id=ULong(number) if request_id is None else request_id,
            to=path,
            subject=method,
            reply_to="$me",
        )
        payload = properties.encoded() + encode(Described(ULong(0x77), body))
        return self.raw(payload)

    def raw(self, payload: bytes) -> bytes:
        """The frame with a message that may be a request."""
        number = self._requests
        transfer = Transfer(
            handle=UInt(100),
            delivery_id=UInt(number),
            delivery_tag=number.to_bytes(4, "big"),
            message_format=UInt(0),
            settled=True,
        )
        return frame(0, transfer, payload)

    def ask(self, method: str, path: str, body: object = None) -> tuple[str, object]:
        """Status and body of the answer."""
        (answer,) = answers(self.client.feed(self.send(method, path, body)))
        return answer


def answers(came: list[object]) -> list[tuple[str, object]]:
    """Status and body of the answers that came."""
    assert not [each for each in came if isinstance(each, Detach | End)], came
    found = []
    for delivery in of(came, Delivery):
        sections = Sections(delivery.payload)
        properties = sections.properties()
        assert properties is not None
        found.append((str(properties.subject), sections.body_values()[0]))
    return found
