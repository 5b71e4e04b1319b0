"""The engine over AMQP where the contract suite does not look: lost connections, refusals, what it says of itself."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from pika.channel import Channel

import batonmq
from batonmq.engines import reconnection
from batonmq.engines.amqp import link
from batonmq.errors import BrokerError
from tests.engines.proxy import Proxy
from tests.support.waiting import until
from tests.support.wire import Address

SOON = 30.0


@pytest.fixture
def proxy(amqp: Address) -> Iterator[Proxy]:
    proxy = Proxy(amqp.port)
    yield proxy
    proxy.close()


@pytest.fixture
def mq(proxy: Proxy) -> Iterator[batonmq.Connection]:
    with batonmq.connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/") as mq:
        yield mq


@pytest.fixture
def queue(mq: batonmq.Connection, name: str) -> Iterator[str]:
    mq.declare(name)
    yield name
    mq.delete(name)


def test_a_receiver_that_waits_resumes_after_a_lost_connection(
    proxy: Proxy, mq: batonmq.Connection, queue: str, amqp: Address
) -> None:
    with mq.receiver(queue) as receiver, batonmq.connect(f"amqp://guest:guest@127.0.0.1:{amqp.port}/") as other:
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
        assert (again.body, again.redelivered) == (b"held", True)
        with pytest.raises(batonmq.LeaseLost):
            held.accept()
        again.accept()
    assert mq.count(queue) == 0


def test_sending_while_the_broker_is_away_waits_until_it_is_back(
    proxy: Proxy, mq: batonmq.Connection, queue: str
) -> None:
    proxy.cut(refuse=True)
    errors: list[Exception] = []

    def send() -> None:
        # The first may still go into the connection that is just being lost: it is told so, and tried again.
        while True:
            try:
                mq.send(queue, b"late")
            except batonmq.ConnectionLost as error:
                errors.append(error)
            else:
                return

    thread = threading.Thread(target=send)
    thread.start()
    proxy.mend()
    thread.join(SOON)
    assert not thread.is_alive()
    assert mq.count(queue) >= 1


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


def test_a_wrong_password_is_an_access_refused(amqp: Address) -> None:
    with pytest.raises(batonmq.AccessRefused, match="refused to log in user 'guest'"):
        batonmq.connect(f"amqp://guest:wrong@127.0.0.1:{amqp.port}/")


def test_transactions_go_on_after_a_lost_connection(proxy: Proxy, mq: batonmq.Connection, queue: str) -> None:
    with mq.transaction() as transaction:
        transaction.send(queue, b"1")
    proxy.cut()

    def is_sent() -> bool:
        # The loss may be noticed in the middle of it.
        with contextlib.suppress(batonmq.ConnectionLost), mq.transaction() as transaction:
            transaction.send(queue, b"2")
            return True
        return False

    until(is_sent)
    assert mq.count(queue) >= 2


def test_nobody_there_is_a_lost_connection(proxy: Proxy) -> None:
    proxy.cut(refuse=True)
    with pytest.raises(batonmq.ConnectionLost, match=f"cannot connect to 127.0.0.1:{proxy.port}"):
        batonmq.connect(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")


def test_a_wrong_message_fails_alone_and_the_next_is_sent(mq: batonmq.Connection, queue: str) -> None:
    with pytest.raises(batonmq.AccessRefused):
        mq.declare("amq.reserved")
    mq.send(queue, b"")
    assert mq.count(queue) == 1


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Takes connections, and says nothing."""
    monkeypatch.setattr(link, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
def test_who_does_not_answer_is_given_up(listener: socket.socket, scheme: str) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(batonmq.ConnectionLost) as raised:
        batonmq.connect(f"{scheme}://127.0.0.1:{port}/")
    assert str(raised.value) == f"cannot connect to 127.0.0.1:{port}: no answer within 0.3 s"


def test_a_name_that_is_none_is_said_to_be_so() -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"the name 'nowhere\.invalid' cannot be resolved"):
        batonmq.connect("amqp://nowhere.invalid/")


def test_tls_where_there_is_none_is_said_to_be_so(amqp: Address) -> None:
    with pytest.raises(batonmq.ConnectionLost, match="does not speak TLS"):
        batonmq.connect(f"amqps://127.0.0.1:{amqp.port}/")


def test_where_nobody_listens_the_broker_may_not_be_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(batonmq.ConnectionLost, match=r"cannot connect to .*: is the broker running\?"):
        batonmq.connect(f"amqp://guest:guest@127.0.0.1:{port}/")


def test_a_broker_that_sends_beyond_the_prefetch_is_not_listened_to(
    mq: batonmq.Connection, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A broker that was not told of a prefetch has none.
    monkeypatch.setattr(Channel, "basic_qos", lambda *_args, **_kwargs: None)
    with mq.receiver(queue, prefetch=5) as receiver:
        mq.send_many(queue, [b"unasked"] * 400)
        # They were sent to the receiver before they were confirmed, and are back with its channel.
        until(lambda: mq.count(queue) == 400)
        with pytest.raises(BrokerError, match=f"more messages of queue '{queue}' than the prefetch allows"):
            receiver.receive(wait=SOON)
    monkeypatch.undo()
    with mq.receiver(queue) as receiver:
        assert receiver.receive(wait=SOON)
