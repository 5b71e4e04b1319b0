"""python-qpid-proton: local transactions through a coordinator. RabbitMQ has none."""

from __future__ import annotations

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.proton_client import Client, Foreign, Message, handlers, reactor

pytestmark = pytest.mark.only("batonmq", "artemis")


class _Work(handlers.MessagingHandler, handlers.TransactionHandler):  # type: ignore[misc]
    """In one transaction: takes `take` messages from one queue, sends `send` to another, and commits or aborts."""

    def __init__(self, peer: Peer, source: str, target: str, take: int, send: int, *, commit: bool) -> None:
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False)
        self.peer, self.source, self.target = peer, source, target
        self.take, self.send, self.commit = take, send, commit
        self.transaction: Foreign = None
        self.taken: list[object] = []
        self.accepted = 0
        self.end = ""

    def on_start(self, event: Foreign) -> None:
        self.container = event.container
        self.connection = event.container.connect(self.peer.url, reconnect=False)
        self.guard = event.container.schedule(30, self)
        self.receiver = event.container.create_receiver(self.connection, self.source)
        self.sender = event.container.create_sender(self.connection, self.target)
        event.container.declare_transaction(self.connection, handler=self)

    def on_timer_task(self, _: Foreign) -> None:
        self._ends("timeout")

    def on_transaction_declared(self, event: Foreign) -> None:
        self.transaction = event.transaction
        if self.take:
            self.receiver.flow(self.take)
        self._send()

    def on_transaction_declare_failed(self, _: Foreign) -> None:
        self._ends("declare failed")

    def on_sendable(self, _: Foreign) -> None:
        self._send()

    def _send(self) -> None:
        while self.transaction is not None and self.send and self.sender.credit:
            self.send -= 1
            self.transaction.send(self.sender, Message(body=f"sent {self.send}", durable=True))
            self.accepted -= 1
        self._discharge()

    def on_message(self, event: Foreign) -> None:
        self.taken.append(event.message.body)
        self.transaction.accept(event.delivery)
        self._discharge()

    def on_delivery(self, event: Foreign) -> None:
        delivery = event.delivery
        if event.link == self.sender and delivery.updated and delivery.remote_state == 0x34:
            delivery.settle()
            self.accepted += 1
            self._discharge()

    def _discharge(self) -> None:
        done = len(self.taken) == self.take and not self.send and not self.accepted
        if done and self.transaction is not None:
            transaction, self.transaction = self.transaction, None
            if self.commit:
                transaction.commit()
            else:
                transaction.abort()

    def on_transaction_committed(self, _: Foreign) -> None:
        self._ends("committed")

    def on_transaction_commit_failed(self, _: Foreign) -> None:
        self._ends("commit failed")

    def on_transaction_aborted(self, _: Foreign) -> None:
        self._ends("aborted")

    def _ends(self, how: str) -> None:
        self.end = how
        self.guard.cancel()
        self.connection.close()


def run(peer: Peer, source: str, target: str, take: int, send: int, *, commit: bool) -> _Work:
    work = _Work(peer, source, target, take, send, commit=commit)
    reactor.Container(work).run()
    return work


def test_what_was_sent_and_taken_is_committed_at_once(peer: Peer, node: str) -> None:
    with Client(peer) as client:
        client.send(node, "a", "b", "c")
        work = run(peer, node, node, 2, 3, commit=True)
        assert (work.end, work.taken) == ("committed", ["a", "b"])
        assert client.left(node) == ["c", "sent 2", "sent 1", "sent 0"]


def test_an_abort_leaves_all_as_it_was(peer: Peer, node: str) -> None:
    with Client(peer) as client:
        client.send(node, "a", "b", "c")
        work = run(peer, node, node, 2, 3, commit=False)
        assert (work.end, work.taken) == ("aborted", ["a", "b"])
        assert sorted(map(str, client.left(node))) == ["a", "b", "c"]


def test_a_connection_that_goes_takes_its_transaction_along(peer: Peer, node: str) -> None:
    class Gone(_Work):
        def _discharge(self) -> None:
            if len(self.taken) == self.take and not self.send and not self.accepted:
                self._ends("gone")

    with Client(peer) as client:
        client.send(node, "a", "b")
        work = Gone(peer, node, node, 1, 2, commit=True)
        reactor.Container(work).run()
        assert work.end == "gone"
        assert sorted(map(str, client.left(node))) == ["a", "b"]
