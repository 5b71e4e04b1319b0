"""python-qpid-proton with a deadline on every wait. Where it is not installed, tests that import this are skipped."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeAlias

import pytest

from tests.interop.amqp10.peer import WAIT, Peer

# Objects of the client, which carries no types.
Foreign: TypeAlias = Any

proton: Any = pytest.importorskip("proton", reason="python-qpid-proton is not installed: `make clients` builds it")
reactor: Any = pytest.importorskip("proton.reactor")
utils: Any = pytest.importorskip("proton.utils")
handlers: Any = pytest.importorskip("proton.handlers")

Message = proton.Message
Delivery = proton.Delivery


class Capability(reactor.LinkOption):  # type: ignore[misc]
    """Asks for a node of a kind: `queue`, `topic`, `temporary-queue` and so on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, link: Foreign) -> None:
        terminus = link.target if link.is_sender else link.source
        terminus.capabilities.put_object(proton.symbol(self.name))


class Client:
    """A blocking connection of proton: `wire` is its own, the rest is what the tests do often."""

    def __init__(self, peer: Peer, **options: object) -> None:
        self.wire = utils.BlockingConnection(peer.url, timeout=WAIT, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.wire.close()

    def sender(self, address: str | None, *, name: str = "", **options: object) -> Foreign:
        return self.wire.create_sender(address, name=name or f"sender-{uuid.uuid4()}", **options)

    def receiver(self, address: str | None, *, name: str = "", **options: object) -> Foreign:
        return self.wire.create_receiver(address, name=name or f"receiver-{uuid.uuid4()}", **options)

    def send(self, address: str, *bodies: object) -> None:
        """Sends durable messages, and waits until each was accepted."""
        sender = self.sender(address)
        for body in bodies:
            sender.send(Message(body=body, durable=True))
        sender.close()

    def until(self, condition: Callable[[], bool], what: str = "") -> None:
        self.wire.wait(condition, msg=what)

    def drained(self, receiver: Foreign, credit: int = 100) -> list[Foreign]:
        """What comes for so much credit that is taken back when no more comes: all that there is, settled or not."""
        receiver.link.drain(credit)
        self.until(lambda: not receiver.link.credit, "draining")
        found = []
        while receiver.fetcher.has_message:
            found.append(receiver.fetcher.pop())
        return found

    def left(self, address: str) -> list[object]:
        """The bodies of what is in a queue: taken and accepted."""
        receiver = self.receiver(address, credit=0)
        found = bodies(self.drained(receiver))
        for _ in found:
            receiver.accept()
        receiver.close()
        return found


def bodies(messages: Iterable[Foreign]) -> list[object]:
    """Binary is copied: what the client gives is gone with its message."""
    return [bytes(one.body) if isinstance(one.body, memoryview) else one.body for one in messages]
