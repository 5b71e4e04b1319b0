"""The engine over AMQP 1.0 where the contract does not look: lost connections, refusals, what it says of itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

import batonmq
from batonmq.engines import reconnection
from batonmq.engines.amqp10 import publisher, uplink
from batonmq.engines.amqp10.browser import CREDIT
from batonmq.engines.amqp10.engine import Amqp10Engine
from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.amqp10.products.batonmq import BatonmqProduct
from batonmq.engines.futures import Future
from batonmq.engines.steps import Steps, wait_for
from tests.engines.amqp10.conftest import url_of
from tests.engines.proxy import Proxy
from tests.support.wire import Address

SOON = 30.0


def test_it_says_what_it_is(mq: batonmq.Connection) -> None:
    assert (mq.capabilities.engine, mq.capabilities.transactions, mq.capabilities.lease) == ("amqp10", True, True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("count", [CREDIT - 1, CREDIT, CREDIT + 1, 2 * CREDIT])
def test_a_peek_ends_when_a_full_batch_was_the_last(mq: batonmq.Connection, queue: str, count: int) -> None:
    mq.send_many(queue, [b"%d" % number for number in range(count)])
    assert [message.body for message in mq.peek(queue, 3 * CREDIT)] == [b"%d" % number for number in range(count)]


def test_a_receiver_that_waits_resumes_after_a_lost_connection(
    proxy: Proxy, mq: batonmq.Connection, queue: str, amqp: Address
) -> None:
    with mq.receiver(queue) as receiver, batonmq.connect(url_of(amqp.port)) as other:
        found: list[batonmq.Delivery] = []
        thread = threading.Thread(target=lambda: found.extend(receiver.receive(wait=SOON)))
        thread.start()
        proxy.cut()
        other.send(queue, b"after")
        thread.join()
        assert [delivery.body for delivery in found] == [b"after"]
        assert proxy.accepted == 2


def test_what_was_held_over_a_lost_connection_comes_again_and_settling_it_raises(
    proxy: Proxy, mq: batonmq.Connection, queue: str
) -> None:
    mq.send(queue, b"held")
    with mq.receiver(queue) as receiver:
        (held,) = receiver.receive(wait=SOON)
        proxy.cut()
        (again,) = receiver.receive(wait=SOON)
        assert (again.body, again.redelivered, again.delivery_count) == (b"held", True, 2)
        with pytest.raises(batonmq.LeaseLost):
            held.accept()
        again.accept()
    assert mq.count(queue) == 0


def test_what_is_on_its_way_to_a_receiver_that_closes_is_not_counted(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, [b"%02d" % number + bytes(200_000) for number in range(40)])
    with mq.receiver(queue, prefetch=40) as receiver:
        (seen,) = receiver.receive(1, wait=SOON)
        assert seen.delivery_count == 1
    counts: list[int] = []
    with mq.receiver(queue, prefetch=40) as receiver:
        while len(counts) < 40:
            for delivery in receiver.receive(40, wait=SOON):
                assert delivery.body[:2] == b"%02d" % len(counts)
                counts.append(delivery.delivery_count)
                delivery.accept()
    assert counts == [2] + [1] * 39


def test_sending_while_the_broker_is_away_waits_until_it_is_back(
    proxy: Proxy, mq: batonmq.Connection, queue: str
) -> None:
    proxy.cut(refuse=True)

    def send() -> None:
        # The first may still go into the connection that is just being lost: it is told so, and tried again.
        while True:
            try:
                mq.send(queue, b"late")
            except batonmq.ConnectionLost:
                continue
            return

    thread = threading.Thread(target=send)
    thread.start()
    proxy.mend()
    thread.join(SOON)
    assert not thread.is_alive()
    assert mq.count(queue) >= 1


def test_what_was_not_confirmed_when_the_connection_went_is_said_to_be_lost(
    proxy: Proxy, mq: batonmq.Connection, queue: str
) -> None:
    mq.send(queue, b"first")
    proxy.hold()
    errors: list[BaseException] = []

    def send() -> None:
        try:
            mq.send(queue, b"second")
        except batonmq.BatonError as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    assert proxy.is_holding.wait(SOON)
    assert thread.is_alive()
    proxy.cut()
    thread.join(SOON)
    assert [type(error) for error in errors] == [batonmq.ConnectionLost]


def test_a_broker_that_stays_away_raises_in_receivers_and_senders(
    proxy: Proxy, mq: batonmq.Connection, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnection, "RECONNECT_SECONDS", 0.1)
    receiver = mq.receiver(queue)
    assert receiver.receive(wait=0) == []
    proxy.cut(refuse=True)
    with pytest.raises(batonmq.ConnectionLost):
        receiver.receive(wait=None)
    with pytest.raises(batonmq.ConnectionLost):
        mq.send(queue, b"")
    # It has its whole time now, which a busy machine may need.
    monkeypatch.undo()
    proxy.mend()
    mq.send(queue, b"again")


def test_a_transaction_that_the_connection_ends_has_not_happened(
    proxy: Proxy, mq: batonmq.Connection, queue: str
) -> None:
    mq.send(queue, b"in")
    with mq.receiver(queue) as receiver:
        (held,) = receiver.receive(wait=SOON)
        transaction = mq.transaction()
        transaction.send(queue, b"out")
        transaction.accept(held)
        proxy.hold()
        cutting = threading.Timer(0.1, proxy.cut)
        cutting.start()
        with pytest.raises((batonmq.LeaseLost, batonmq.ConnectionLost)), transaction:
            pass
        cutting.join()
    with mq.receiver(queue) as receiver:
        (again,) = receiver.receive(wait=SOON)
        assert again.body == b"in"
        again.accept()
    assert mq.count(queue) == 0


def test_accepts_of_two_receivers_and_sends_to_two_queues_are_one_transaction(
    mq: batonmq.Connection, queue: str
) -> None:
    other = f"{queue}-2"
    mq.declare(other)
    mq.send_many(queue, [b"1", b"2"])
    with mq.receiver(queue, prefetch=1) as one, mq.receiver(queue, prefetch=1) as two:
        held = [*one.receive(wait=SOON), *two.receive(wait=SOON)]
        transaction = mq.transaction()
        transaction.send(queue, b"a")
        transaction.send("nobody-has-this", b"b")
        for each in held:
            transaction.accept(each)
        with pytest.raises(batonmq.NotFound), transaction:
            pass
        assert (mq.count(queue), mq.count(other)) == (0, 0)
        with mq.transaction() as transaction:
            transaction.send(other, b"a")
            transaction.send(other, b"b")
            for each in held:
                transaction.accept(each)
    assert (mq.count(queue), mq.count(other)) == (0, 2)
    mq.delete(other)


def test_messages_keep_their_order_while_their_queue_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, mq: batonmq.Connection, queue: str
) -> None:
    looks: list[Future[None]] = []

    def require(_: Product, queue: str) -> Steps[None]:
        looks.append(Future())
        yield from wait_for(looks[-1])

    engine = mq._engine
    assert isinstance(engine, Amqp10Engine)
    with monkeypatch.context() as patched:
        patched.setattr(BatonmqProduct, "require", require)
        sent = [engine.send(queue, [batonmq.Message(b"%d" % number)]) for number in range(5)]
        asked: Future[None] = Future()

        def answer() -> None:
            # The last first, as where each has been asked in a thread of its own.
            for look in reversed(looks):
                look.resolve(None)
            asked.resolve(None)

        # Behind all that were sent.
        engine._uplink.call(answer)
        asked.get()
        for future in sent:
            future.get()
    assert [message.body for message in mq.peek(queue, 5)] == [b"%d" % number for number in range(5)]
    assert len(looks) == 1


def test_a_queue_that_is_deleted_ends_its_receiver_and_nobody_elses(mq: batonmq.Connection, queue: str) -> None:
    gone = f"{queue}-gone"
    mq.declare(gone)
    mq.send(gone, b"warm")
    with mq.receiver(gone) as receiver, mq.receiver(queue) as other:
        (held,) = receiver.receive(wait=SOON)
        mq.delete(gone)
        with pytest.raises(batonmq.NotFound):
            receiver.receive(wait=SOON)
        with pytest.raises(batonmq.LeaseLost):
            held.accept()
        with pytest.raises(batonmq.NotFound):
            mq.send(gone, b"late")
        mq.send(queue, b"alive")
        assert [each.body for each in other.receive(wait=SOON)] == [b"alive"]
    assert mq.count(queue) == 1
    mq.purge(queue)


def test_a_message_above_the_brokers_limit_fails_alone(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"small")
    with pytest.raises(batonmq.ResourceError, match="octets"):
        mq.send(queue, bytes((128 << 20) + 1))
    mq.send(queue, b"small again")
    assert mq.purge(queue) == 2


def test_large_messages_come_whole_and_in_order(mq: batonmq.Connection, queue: str) -> None:
    body = bytes(range(256)) * 8192
    mq.send_many(queue, [body, b"small", body])
    with mq.receiver(queue) as receiver:
        found: list[bytes] = []
        while len(found) < 3:
            for delivery in receiver.receive(3, wait=SOON):
                found.append(delivery.body)
                delivery.accept()
    assert found == [body, b"small", body]


def test_links_that_nobody_uses_make_room_for_others(
    mq: batonmq.Connection, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "LINKS_MAX", 2)
    names = [f"{queue}-{number}" for number in range(5)]
    for name in names:
        mq.declare(name)
    for name in (*names, *names):
        mq.send(name, b"")
    assert [mq.count(name) for name in names] == [2] * len(names)
    for name in names:
        mq.delete(name)


def test_what_nobody_saw_does_not_count_when_its_receiver_goes(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, [b"seen", b"unseen"])
    with mq.receiver(queue) as receiver:
        (seen,) = receiver.receive(1, wait=SOON)
        assert seen.body == b"seen"
    with mq.receiver(queue) as receiver:
        counts: dict[bytes, int] = {}
        while len(counts) < 2:
            for delivery in receiver.receive(2, wait=SOON):
                counts[delivery.body] = delivery.delivery_count
                delivery.accept()
    assert counts[b"seen"] == 2
    assert counts[b"unseen"] in (1, 2)


# ---------------------------------------------------------------------- connecting


def test_a_wrong_password_is_an_access_refused(amqp: Address) -> None:
    with pytest.raises(batonmq.AccessRefused, match="refused to log in user 'guest'"):
        batonmq.connect(url_of(amqp.port, user="guest:wrong@"))


def test_a_virtual_host_that_is_not_there_is_said_to_be_so(amqp: Address) -> None:
    with pytest.raises(batonmq.AccessRefused, match=r"does not let us in: .*nowhere"):
        batonmq.connect(url_of(amqp.port) + "nowhere")


@pytest.mark.parametrize(("scheme", "product"), [("artemis", "Artemis"), ("activemq", "ActiveMQ")])
def test_a_scheme_that_names_a_product_takes_no_other(amqp: Address, scheme: str, product: str) -> None:
    with pytest.raises(batonmq.ConnectionLost, match=f"is no {product}, but calls itself RabbitMQ"):
        batonmq.connect(url_of(amqp.port, scheme))


def test_nobody_there_is_a_lost_connection(proxy: Proxy) -> None:
    proxy.cut(refuse=True)
    with pytest.raises(batonmq.ConnectionLost, match=f"cannot connect to 127.0.0.1:{proxy.port}"):
        batonmq.connect(url_of(proxy.port))


def test_where_nobody_listens_the_broker_may_not_be_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(batonmq.ConnectionLost, match=r"cannot connect to .*: is the broker running\?"):
        batonmq.connect(url_of(port))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Takes connections, and says nothing."""
    monkeypatch.setattr(uplink, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("scheme", ["amqp10", "amqp10s"])
def test_who_does_not_answer_is_given_up(listener: socket.socket, scheme: str) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(batonmq.ConnectionLost) as raised:
        batonmq.connect(url_of(port, scheme))
    assert str(raised.value) == f"cannot connect to 127.0.0.1:{port}: no answer within 0.3 s"


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01"])
def test_another_protocol_is_said_to_be_one(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as client:
                client.recv(100)
                client.sendall(said)
                client.recv(100)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(batonmq.ConnectionLost, match="does not speak AMQP"):
            batonmq.connect(url_of(listener.getsockname()[1]))
        thread.join(SOON)
    assert not thread.is_alive()


def test_a_name_that_is_none_is_said_to_be_so() -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"the name 'nowhere\.invalid' cannot be resolved"):
        batonmq.connect("amqp10://nowhere.invalid/")


def test_tls_where_there_is_none_is_said_to_be_so(amqp: Address) -> None:
    with pytest.raises(batonmq.ConnectionLost, match="without TLS the URL begins with amqp10://"):
        batonmq.connect(url_of(amqp.port, "amqp10s"))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("amqp10://127.0.0.1/?verify=verify_none", "verify needs amqp10s://"),
        ("amqp10://127.0.0.1/?heartbeat=3", "there is no option 'heartbeat'"),
        ("amqp10://127.0.0.1/?idle_time_out=0", "idle_time_out is 1 to 3600 seconds"),
        ("amqp10://127.0.0.1/?auth_mechanism=scram", "auth_mechanism is plain, external or anonymous"),
        ("amqp10://127.0.0.1/?auth_mechanism=external", "needs TLS and a client certificate"),
        ("amqp10://a:b@127.0.0.1/?auth_mechanism=anonymous", "names a user"),
        ("amqp10://127.0.0.1:0/", "the port is 1 to 65535"),
        ("amqp10:///vhost", "names no host"),
    ],
)
def test_a_url_that_cannot_be_read_says_why(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        batonmq.connect(url)
