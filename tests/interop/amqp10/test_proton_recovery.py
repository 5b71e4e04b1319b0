"""python-qpid-proton when the way to the broker fails: what comes back, what is kept, and heartbeats."""

from __future__ import annotations

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.proton_client import Client, Foreign, Message, handlers, reactor
from tests.interop.amqp10.relay import Relay
from tests.support.broker import Broker
from tests.support.waiting import in_time


def test_what_a_lost_connection_held_comes_back_counted(peer: Peer, relay: Relay, node: str) -> None:
    with Client(peer) as steady:
        steady.send(node, "a", "b")
        lost = Client(peer.through(relay.port))
        receiver = lost.receiver(node, credit=2)
        assert [receiver.receive().body, receiver.receive().body] == ["a", "b"]
        receiver.accept()
        # The answer to another link shows that the acceptance went through.
        lost.receiver(node, credit=0)
        relay.cut()
        again = steady.receiver(node)
        message = again.receive()
        again.accept()
        assert message.body == "b"
        assert message.delivery_count == 1
        assert steady.left(node) == []


class _Counting(handlers.MessagingHandler):  # type: ignore[misc]
    """Sends numbers one at a time, receives them, and has its connection cut on the way."""

    def __init__(self, url: str, node: str, count: int, relay: Relay) -> None:
        super().__init__(auto_accept=True, auto_settle=True)
        self.url, self.node, self.count, self.relay = url, node, count, relay
        self.sent = 0
        self.received: set[int] = set()
        self.under_way = False
        self.failed = ""

    def on_start(self, event: Foreign) -> None:
        self.connection = event.container.connect(self.url, reconnect=[0.05] * 200)
        self.sender = event.container.create_sender(self.connection, self.node)
        event.container.create_receiver(self.connection, self.node)
        self.guard = event.container.schedule(20, self)

    def on_timer_task(self, _: Foreign) -> None:
        self.failed = f"{self.sent} sent, {len(self.received)} received"
        self.connection.close()

    def on_connection_opened(self, _: Foreign) -> None:
        # What was on its way is not known to have arrived: it is sent again.
        self.under_way = False

    def on_sendable(self, event: Foreign) -> None:
        self._next(event.sender)

    def _next(self, sender: Foreign) -> None:
        if self.sent < self.count and sender.credit and not self.under_way:
            self.under_way = True
            sender.send(Message(body=self.sent, durable=True))

    def on_accepted(self, event: Foreign) -> None:
        self.sent += 1
        self.under_way = False
        if self.sent in (self.count // 3, 2 * self.count // 3):
            self.relay.cut()
        self._next(event.sender)

    def on_message(self, event: Foreign) -> None:
        self.received.add(event.message.body)
        if len(self.received) == self.count:
            self.guard.cancel()
            event.connection.close()

    def on_transport_error(self, event: Foreign) -> None:
        """That a connection is lost is what this is about."""


def test_a_client_that_reconnects_loses_nothing(peer: Peer, relay: Relay, node: str) -> None:
    counting = _Counting(peer.through(relay.port).url, node, 60, relay)
    reactor.Container(counting).run()
    assert counting.failed == ""
    assert counting.received == set(range(60))
    assert relay.taken >= 3


def test_heartbeats_come_while_nothing_else_does(peer: Peer) -> None:
    def come(seconds: int) -> None:
        with Client(peer, heartbeat=float(seconds)) as client:
            transport = client.wire.conn.transport
            before = transport.frames_input
            client.wire.wait(lambda: transport.frames_input >= before + 3, timeout=5.0 * seconds, msg="heartbeats")

    in_time(come, 2, 15)


def test_durable_messages_outlive_a_killed_broker(own_broker: Broker, name: str) -> None:
    with_port = Peer("batonmq", own_broker.address.host, own_broker.address.port)
    client = Client(with_port)
    client.send(name, *range(20))
    receiver = client.receiver(name, credit=5)
    assert receiver.receive().body == 0
    receiver.accept()
    client.receiver(name, credit=0)
    own_broker.kill()
    address = own_broker.start()
    with Client(Peer("batonmq", address.host, address.port)) as again:
        left = again.left(name)
    # An acceptance is not answered: it may be lost with the broker, and then the message comes again.
    assert left in (list(range(20)), list(range(1, 20)))
