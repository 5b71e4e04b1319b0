"""rabbitmq-amqp-python-client, RabbitMQ's own for AMQP 1.0: its management, its addresses, its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from tests.interop.amqp10.peer import Peer

# It is built on proton, which may be missing where this one is not.
pytest.importorskip("cproton", reason="python-qpid-proton is not installed: `make clients` builds it")
rabbit: Any = pytest.importorskip("rabbitmq_amqp_python_client", reason="the client is not installed: `make clients`")
send_exception: Any = pytest.importorskip("rabbitmq_amqp_python_client.qpid.proton.utils").SendException

# Objects of the client.
Foreign: TypeAlias = Any

pytestmark = pytest.mark.only("batonmq", "rabbitmq")


@pytest.fixture
def connection(peer: Peer) -> Iterator[Foreign]:
    with rabbit.Environment(
        uri=f"{peer.url}/", recovery_configuration=rabbit.RecoveryConfiguration(active_recovery=False)
    ) as environment:
        connection = environment.connection()
        connection.dial()
        yield connection


@pytest.fixture
def management(connection: Foreign) -> Foreign:
    return connection.management()


@pytest.fixture
def declared(management: Foreign, name: str) -> Iterator[str]:
    """A classic queue's name."""
    management.declare_queue(rabbit.ClassicQueueSpecification(name=name))
    yield name
    management.delete_queue(name)


def at(name: str) -> str:
    address: str = rabbit.AddressHelper.queue_address(name)
    return address


def publish(connection: Foreign, name: str, *messages: Foreign) -> None:
    publisher = connection.publisher(at(name))
    for one in messages:
        assert publisher.publish(one).remote_state == rabbit.OutcomeState.ACCEPTED
    publisher.close()


def message(body: bytes, **fields: object) -> Foreign:
    return rabbit.Message(body=body, inferred=True, durable=True, **fields)


class Taking(rabbit.AMQPMessagingHandler):  # type: ignore[misc]
    """Hands each message to the next of `steps`, and ends the consumer after the last."""

    def __init__(self, *steps: Callable[[Taking, Foreign], None]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.bodies: list[bytes] = []
        self.messages: list[Foreign] = []

    def on_amqp_message(self, event: Foreign) -> None:
        self.messages.append(event.message)
        self.bodies.append(bytes(event.message.body))
        step = self.steps.pop(0)
        step(self, event)
        if not self.steps:
            raise _Enough


class _Enough(Exception):
    """All steps were taken."""


def take(connection: Foreign, name: str, *steps: Callable[[Taking, Foreign], None], **options: object) -> Taking:
    handler = Taking(*steps)
    consumer = connection.consumer(at(name), message_handler=handler, **options)
    with pytest.raises(_Enough):
        consumer.run()
    consumer.close()
    return handler


def accept(taking: Taking, event: Foreign) -> None:
    taking.delivery_context.accept(event)


def discard(taking: Taking, event: Foreign) -> None:
    taking.delivery_context.discard(event)


def requeue(taking: Taking, event: Foreign) -> None:
    taking.delivery_context.requeue(event)


def test_a_queue_is_declared_described_purged_and_deleted(connection: Foreign, management: Foreign, name: str) -> None:
    management.declare_queue(
        rabbit.ClassicQueueSpecification(
            name=name,
            max_len=1000,
            message_ttl=timedelta(seconds=60),
            max_priority=5,
            dead_letter_exchange="amq.fanout",
        )
    )
    publish(connection, name, *(message(b"%d" % number) for number in range(3)))
    info = management.queue_info(name)
    assert (info.name, info.is_durable, info.is_exclusive, info.is_auto_delete) == (name, True, False, False)
    assert (info.message_count, info.consumer_count) == (3, 0)
    assert info.queue_type == rabbit.QueueType.classic
    assert info.arguments["x-max-length"] == 1000
    assert info.arguments["x-message-ttl"] == 60_000
    assert info.arguments["x-dead-letter-exchange"] == "amq.fanout"
    assert management.purge_queue(name) == 3
    assert management.queue_info(name).message_count == 0
    management.delete_queue(name)
    with pytest.raises(rabbit.ValidationCodeException):
        management.queue_info(name)


def test_a_quorum_queue_is_declared(management: Foreign, name: str) -> None:
    management.declare_queue(rabbit.QuorumQueueSpecification(name=name))
    assert management.queue_info(name).queue_type == rabbit.QueueType.quorum
    management.delete_queue(name)


def test_declaring_otherwise_is_a_conflict(management: Foreign, declared: str) -> None:
    management.declare_queue(rabbit.ClassicQueueSpecification(name=declared))
    with pytest.raises(rabbit.ValidationCodeException):
        management.declare_queue(rabbit.ClassicQueueSpecification(name=declared, max_len=5))


def test_exchanges_and_bindings_route(connection: Foreign, management: Foreign, declared: str, name: str) -> None:
    first, second = f"{name}-first", f"{name}/second"
    management.declare_exchange(rabbit.ExchangeSpecification(name=first, exchange_type=rabbit.ExchangeType.topic))
    management.declare_exchange(rabbit.ExchangeSpecification(name=second, exchange_type=rabbit.ExchangeType.fanout))
    between = rabbit.ExchangeToExchangeBindingSpecification(
        source_exchange=first, destination_exchange=second, binding_key="orders.#"
    )
    to_queue = rabbit.ExchangeToQueueBindingSpecification(source_exchange=second, destination_queue=declared)
    management.bind(between)
    management.bind(to_queue)
    publisher = connection.publisher(rabbit.AddressHelper.exchange_address(first, "orders.new"))
    assert publisher.publish(message(b"routed")).remote_state == rabbit.OutcomeState.ACCEPTED
    assert take(connection, declared, accept).bodies == [b"routed"]
    management.unbind(to_queue)
    with pytest.raises(send_exception):
        publisher.publish(message(b"lost"))
    publisher.close()
    management.unbind(between)
    management.delete_exchange(second)
    management.delete_exchange(first)


def test_a_message_keeps_its_properties(connection: Foreign, declared: str) -> None:
    sent = {"id": "id", "correlation_id": "correlation", "subject": "subject"}
    publish(connection, declared, message(b"x", application_properties={"n": 1, "t": "ü"}, **sent))
    (arrived,) = take(connection, declared, accept).messages
    assert (arrived.id, arrived.correlation_id, arrived.subject) == ("id", "correlation", "subject")
    assert arrived.application_properties == {"n": 1, "t": "ü"}
    assert arrived.durable


def test_each_message_may_name_its_own_address(connection: Foreign, declared: str) -> None:
    publisher = connection.publisher()
    sent = rabbit.AddressHelper.message_to_address_helper(message(b"x"), at(declared))
    assert publisher.publish(sent).remote_state == rabbit.OutcomeState.ACCEPTED
    nowhere = rabbit.AddressHelper.message_to_address_helper(message(b"x"), at(f"{declared}-none"))
    with pytest.raises((send_exception, rabbit.AmqpMessageRejectedException)):
        publisher.publish(nowhere)
    publisher.close()
    assert take(connection, declared, accept).bodies == [b"x"]


def test_requeued_comes_again_and_discarded_does_not(connection: Foreign, management: Foreign, declared: str) -> None:
    publish(connection, declared, message(b"a"), message(b"b"))
    taking = take(connection, declared, requeue, accept, discard, credit=1)
    assert sorted(taking.bodies) == [b"a", b"a", b"b"]
    assert management.queue_info(declared).message_count == 0


def test_a_discarded_message_is_dead_lettered_with_its_annotations(
    connection: Foreign, management: Foreign, declared: str, name: str
) -> None:
    source = f"{name}-source"
    management.declare_queue(
        rabbit.QuorumQueueSpecification(
            name=source, dead_letter_exchange="amq.direct", dead_letter_routing_key=declared
        )
    )
    binding = rabbit.ExchangeToQueueBindingSpecification(
        source_exchange="amq.direct", destination_queue=declared, binding_key=declared
    )
    management.bind(binding)

    def annotate(taking: Taking, event: Foreign) -> None:
        taking.delivery_context.discard_with_annotations(event, {rabbit.symbol("x-opt-why"): "bad"})

    publish(connection, source, message(b"x"))
    take(connection, source, annotate)
    (dead,) = take(connection, declared, accept).messages
    assert bytes(dead.body) == b"x"
    assert dead.annotations["x-opt-why"] == "bad"
    management.unbind(binding)
    management.delete_queue(source)


def test_a_full_queue_rejects(connection: Foreign, management: Foreign, name: str) -> None:
    management.declare_queue(
        rabbit.ClassicQueueSpecification(name=name, max_len=1, overflow_behaviour="reject-publish")
    )
    publisher = connection.publisher(at(name))
    publisher.publish(message(b"x"))
    with pytest.raises(rabbit.AmqpMessageRejectedException):
        publisher.publish(message(b"x"))
    publisher.close()
    management.delete_queue(name)


def test_presettled_consumers_hold_nothing(connection: Foreign, management: Foreign, declared: str) -> None:
    publish(connection, declared, message(b"x"))
    options = rabbit.ConsumerOptions(settle_strategy=rabbit.ConsumerSettleStrategy.PreSettled)
    assert take(connection, declared, lambda *_: None, consumer_options=options).bodies == [b"x"]
    assert management.queue_info(declared).message_count == 0


def test_direct_replies(connection: Foreign, declared: str, peer: Peer) -> None:
    handler = Taking(lambda *_: None)
    options = rabbit.ConsumerOptions(settle_strategy=rabbit.ConsumerSettleStrategy.DirectReplyTo)
    consumer = connection.consumer(message_handler=handler, consumer_options=options)
    assert consumer.address
    with rabbit.Environment(uri=f"{peer.url}/") as elsewhere:
        server = elsewhere.connection()
        server.dial()
        publish(connection, declared, message(b"question", reply_to=consumer.address))
        (request,) = take(server, declared, accept).messages
        reply = message(b"re: " + bytes(request.body))
        server.publisher().publish(rabbit.AddressHelper.message_to_address_helper(reply, request.reply_to))
    with pytest.raises(_Enough):
        consumer.run()
    assert handler.bodies == [b"re: question"]


def test_names_are_escaped(connection: Foreign, management: Foreign, name: str) -> None:
    odd = f"{name}/ü %"
    management.declare_queue(rabbit.ClassicQueueSpecification(name=odd))
    publish(connection, odd, message(b"x"))
    assert take(connection, odd, accept).bodies == [b"x"]
    management.delete_queue(odd)
