"""How clients of each protocol send and take messages: the same few verbs for all.

Bodies are texts. A side with transactions sends, accepts and rolls back in them; one without has every message
confirmed.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pika

import batonmq
from proof.soak.stomp import Stomp, Wire

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingConnection

__all__ = ["PREFETCH", "Api", "Pika", "Side", "Stomps", "connect_pika"]

PREFETCH = 50
Handle: TypeAlias = Any
"""With what its side settles a message."""
Taken = tuple[Handle, str]
"""A handle, and the body."""


class Side(ABC):
    """A client; it takes from one queue at most."""

    @abstractmethod
    def send(self, queue: str, bodies: Sequence[str], delay: float = 0.0) -> None:
        """Send them, and return when all are safe."""

    @abstractmethod
    def abort(self, queue: str, bodies: Sequence[str]) -> None:
        """Send them in a transaction that is rolled back."""

    @abstractmethod
    def subscribe(self, queue: str) -> None:
        """Take from this queue."""

    @abstractmethod
    def take(self, wait: float) -> list[Taken]:
        """What has come; after so many seconds nothing."""

    @abstractmethod
    def accept(self, handles: Sequence[Handle]) -> None:
        """Settle them."""

    @abstractmethod
    def reject(self, handle: Handle) -> None:
        """Refuse it: it becomes a dead letter where its queue has a place for these."""

    @abstractmethod
    def close(self) -> None:
        """Leave. What it holds goes back."""


def connect_pika(port: int) -> BlockingConnection:
    """A connection that needs no heartbeats: a client that waits for the tide answers none."""
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", port, socket_timeout=30, stack_timeout=60, heartbeat=0)
    )


class Pika(Side):
    """AMQP 0-9-1."""

    def __init__(self, port: int, *, transactions: bool = False) -> None:
        self._connection = connect_pika(port)
        self._channel = self._connection.channel()
        self._transactions = transactions
        self._incoming: Any = iter(())
        self._queue = ""
        if transactions:
            self._channel.tx_select()
        else:
            self._channel.confirm_delivery()

    def send(self, queue: str, bodies: Sequence[str], delay: float = 0.0) -> None:
        headers: dict[str, Any] = {"x-delay": int(delay * 1000)} if delay else {}
        properties = pika.BasicProperties(delivery_mode=2, headers=headers)
        for body in bodies:
            self._channel.basic_publish("", queue, body.encode(), properties, mandatory=not self._transactions)
        if self._transactions:
            self._channel.tx_commit()

    def abort(self, queue: str, bodies: Sequence[str]) -> None:
        for body in bodies:
            self._channel.basic_publish("", queue, body.encode(), pika.BasicProperties(delivery_mode=2))
        self._channel.tx_rollback()

    def subscribe(self, queue: str) -> None:
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._queue = queue

    def take(self, wait: float) -> list[Taken]:
        taken: list[Taken] = []
        for method, _, body in self._channel.consume(self._queue, inactivity_timeout=wait):
            if method is None or body is None:
                break
            taken.append((method.delivery_tag, body.decode()))
            if len(taken) >= PREFETCH // 2:
                break
        return taken

    def accept(self, handles: Sequence[Handle]) -> None:
        for tag in handles:
            self._channel.basic_ack(tag)
        if self._transactions:
            self._channel.tx_commit()

    def reject(self, handle: Handle) -> None:
        self._channel.basic_reject(handle, requeue=False)

    def close(self) -> None:
        self._connection.close()


class Api(Side):
    """BatonMQ's own API: `amqp://`, `amqp10://` or a file."""

    def __init__(self, url: str, *, transactions: bool = False) -> None:
        self._mq = batonmq.connect(url)
        self._transactions = transactions
        self._receiver: batonmq.Receiver | None = None

    def send(self, queue: str, bodies: Sequence[str], delay: float = 0.0) -> None:
        messages = [batonmq.Message(body.encode(), delay=delay) for body in bodies]
        if self._transactions:
            with self._mq.transaction() as transaction:
                for message in messages:
                    transaction.send(queue, message)
        else:
            self._mq.send_many(queue, messages)

    def abort(self, queue: str, bodies: Sequence[str]) -> None:
        with contextlib.suppress(_Regret), self._mq.transaction() as transaction:
            for body in bodies:
                transaction.send(queue, body.encode())
            raise _Regret

    def subscribe(self, queue: str) -> None:
        self._receiver = self._mq.receiver(queue, prefetch=PREFETCH)

    def take(self, wait: float) -> list[Taken]:
        assert self._receiver is not None
        return [(delivery, delivery.body.decode()) for delivery in self._receiver.receive(PREFETCH // 2, wait)]

    def accept(self, handles: Sequence[Handle]) -> None:
        if self._transactions:
            with self._mq.transaction() as transaction:
                for delivery in handles:
                    transaction.accept(delivery)
        else:
            for delivery in handles:
                delivery.accept()

    def reject(self, handle: Handle) -> None:
        handle.reject()

    def close(self) -> None:
        self._mq.close()


class _Regret(Exception):
    """Rolls a transaction back."""


class Stomps(Side):
    """STOMP over whatever wire."""

    def __init__(self, wire: Wire, *, transactions: bool = False) -> None:
        self._stomp = Stomp(wire)
        self._transactions = transactions

    def send(self, queue: str, bodies: Sequence[str], delay: float = 0.0) -> None:
        headers = {"destination": f"/queue/{queue}", "persistent": "true"}
        if delay:
            headers["x-delay"] = str(int(delay * 1000))
        if self._transactions:
            self._begin("SEND", [(headers, body) for body in bodies])
            self._stomp.ask("COMMIT", {"transaction": "t"})
        else:
            for body in bodies[:-1]:
                self._stomp.send("SEND", headers, body)
            # A receipt says that all before it are safe, too.
            self._stomp.ask("SEND", headers, bodies[-1])

    def abort(self, queue: str, bodies: Sequence[str]) -> None:
        self._begin("SEND", [({"destination": f"/queue/{queue}"}, body) for body in bodies])
        self._stomp.ask("ABORT", {"transaction": "t"})

    def subscribe(self, queue: str) -> None:
        headers = {"id": "0", "destination": f"/queue/{queue}", "ack": "client-individual"}
        self._stomp.ask("SUBSCRIBE", {**headers, "prefetch-count": str(PREFETCH)})

    def take(self, wait: float) -> list[Taken]:
        taken: list[Taken] = []
        while len(taken) < PREFETCH // 2 and (found := self._stomp.message(0.0 if taken else wait)) is not None:
            taken.append((found[1]["ack"], found[2]))
        return taken

    def accept(self, handles: Sequence[Handle]) -> None:
        frames = [({"id": str(handle)}, "") for handle in handles]
        if self._transactions:
            self._begin("ACK", frames)
            self._stomp.ask("COMMIT", {"transaction": "t"})
        else:
            for headers, body in frames:
                self._stomp.send("ACK", headers, body)

    def reject(self, handle: Handle) -> None:
        self._stomp.send("NACK", {"id": str(handle), "requeue": "false"})

    def close(self) -> None:
        self._stomp.ask("DISCONNECT", {})
        self._stomp.close()

    def _begin(self, command: str, frames: Sequence[tuple[dict[str, str], str]]) -> None:
        self._stomp.send("BEGIN", {"transaction": "t"})
        for headers, body in frames:
            self._stomp.send(command, {**headers, "transaction": "t"}, body)
