"""ActiveMQ Classic where the contract suite does not look: what it makes necessary, and what the URL says of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

import batonmq
from batonmq.engines.amqp10.products.classic import COUNT
from batonmq.engines.messages import HeaderValue
from batonmq.errors import BrokerError
from batonmq.testing.contract import Place, bodies, take
from tests.engines.amqp10.products.agent import Agent
from tests.engines.proxy import Proxy
from tests.peers.activemq import ActiveMQ
from tests.peers.place import url_of
from tests.support.waiting import until

SOON = 10.0


@pytest.fixture(scope="session")
def url() -> str:
    return url_of(ActiveMQ)


@pytest.fixture
def place(url: str) -> Iterator[Place]:
    with closing(Place(url, survives=True)) as place:
        yield place


@pytest.fixture
def mq(place: Place) -> batonmq.Connection:
    return place.connect()


@pytest.fixture
def bare(url: str) -> Iterator[batonmq.Connection]:
    """A connection whose URL says nothing of Jolokia."""
    with batonmq.connect(url.partition("?")[0]) as mq:
        yield mq


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with closing(Proxy(urlsplit(url).port or 5672)) as proxy:
        yield proxy


def through(url: str, proxy: Proxy) -> str:
    return url.replace(f":{urlsplit(url).port}", f":{proxy.port}", 1)


# ---------------------------------------------------------------------- counting, and the limit


def test_another_process_keeps_the_limit_that_one_has_declared(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=2, dead_letter=dead)
    mq.send(queue, b"poison", headers={"a": 1})
    other = place.connect()
    with other.receiver(queue) as receiver:
        for _ in range(2):
            take(receiver, 1)[0].release()
    (letter,) = other.peek(dead)
    assert letter.headers == {"a": 1, "x-last-death-queue": queue, "x-last-death-reason": "delivery_limit"}
    assert other.count(queue) == 0


def test_what_is_released_goes_to_others_with_its_count_which_no_program_sees(
    place: Place, mq: batonmq.Connection
) -> None:
    queue = place.queue()
    mq.declare(queue)
    mq.send(queue, b"", headers={"a": 1}, id="m-1", priority=7)
    with mq.receiver(queue, prefetch=1) as one:
        take(one, 1)[0].release()
        with mq.receiver(queue, prefetch=1) as other:
            again = (one.receive(wait=0.5) or take(other, 1))[0]
            again.release()
        (again,) = take(one, 1)
        assert (again.delivery_count, again.message.headers) == (3, {"a": 1})
        assert (again.message.id, again.message.priority) == ("m-1", 7)
    assert [COUNT in message.headers for message in mq.peek(queue)] == [False]


def test_the_limit_is_kept_over_lost_connections(place: Place, mq: batonmq.Connection, proxy: Proxy) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=3, dead_letter=dead)
    mq.send(queue, b"poison")
    with (
        batonmq.connect(through(place.url, proxy)) as away,
        away.receiver(queue, prefetch=1) as receiver,
        mq.receiver(dead) as undertaker,
    ):
        for count in (1, 2, 3):
            (held,) = take(receiver, 1)
            assert held.delivery_count == count
            proxy.cut()
        assert bodies(take(undertaker, 1)) == [b"poison"]
    assert mq.count(queue) == 0


def test_what_nobody_has_seen_is_not_counted(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    mq.declare(queue)
    mq.send_many(queue, [b"0", b"1", b"2"])
    with mq.receiver(queue, prefetch=3) as receiver:
        take(receiver, 1)
    with mq.receiver(queue) as receiver:
        again = take(receiver, 3)
    assert bodies(again) == [b"0", b"1", b"2"]
    assert [delivery.delivery_count for delivery in again] == [1, 1, 1]


@pytest.mark.parametrize("with_receiver", [True, False])
def test_what_was_released_or_rejected_is_not_undone_by_closing(
    place: Place, mq: batonmq.Connection, with_receiver: bool
) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send_many(queue, [b"0", b"1"])
    other = place.connect()
    receiver = other.receiver(queue)
    first, second = take(receiver, 2)
    first.reject(reason="why")
    second.release()
    if with_receiver:
        receiver.close()
    other.close()
    assert [message.headers["x-reject-reason"] for message in mq.peek(dead)] == ["why"]
    with mq.receiver(queue) as receiver:
        (again,) = take(receiver, 1)
        assert (again.body, again.delivery_count) == (b"1", 2)


def test_a_wait_between_deliveries_is_kept_by_whoever_releases(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    mq.declare(queue, retry_delay=1.5)
    mq.send(queue, b"")
    with place.connect().receiver(queue) as receiver:
        take(receiver, 1)[0].release()
        assert receiver.receive(wait=0.5) == []
        assert take(receiver, 1)[0].delivery_count == 2


def test_what_is_delayed_is_in_no_transaction(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    mq.declare(queue)
    tx = mq.transaction()
    tx.send(queue, b"now")
    tx.send(queue, batonmq.Message(b"later", delay=1.0))
    with pytest.raises(batonmq.UnsupportedFeature, match="delay in a transaction"), tx:
        pass
    assert mq.count(queue) == 0


# ---------------------------------------------------------------------- declaring


def test_what_was_declared_counts_until_the_queue_is_deleted(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=2, dead_letter=dead)
    other = place.connect()
    other.declare(queue, max_deliveries=2, dead_letter=dead)
    for options in ({}, {"max_deliveries": 3}, {"dead_letter": dead}):
        with pytest.raises(batonmq.PreconditionFailed, match="declared otherwise"):
            other.declare(queue, **options)
    mq.delete(queue)
    other.declare(queue, max_deliveries=3)


def test_two_that_declare_at_once_agree(place: Place) -> None:
    queue = place.queue()
    connections = [place.connect() for _ in range(4)]
    outcomes: list[str] = []

    def declare(mq: batonmq.Connection, most: int) -> None:
        try:
            mq.declare(queue, max_deliveries=most)
            outcomes.append(str(most))
        except batonmq.PreconditionFailed:
            outcomes.append("refused")

    threads = [threading.Thread(target=declare, args=(mq, 2 + n)) for n, mq in enumerate(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = {outcome for outcome in outcomes if outcome != "refused"}
    place.connect().declare(queue, max_deliveries=int(kept))


@pytest.mark.parametrize(
    "options", [{"ttl": 1.0}, {"max_length": 1}, {"max_bytes": 1}, {"expires": 9.0}, {"single_consumer": True}]
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_made(
    place: Place, mq: batonmq.Connection, options: dict[str, object]
) -> None:
    queue = place.queue()
    with pytest.raises(batonmq.UnsupportedFeature):
        mq.declare(queue, dead_letter=f"{queue}.dead", **options)  # type: ignore[arg-type]
    for one in (queue, f"{queue}.dead"):
        with pytest.raises(batonmq.NotFound):
            mq.count(one)


@pytest.mark.parametrize("name", ["a,b", "a?b=c", "*", "a.>", " a"])
def test_a_name_that_means_something_else_is_refused(mq: batonmq.Connection, name: str) -> None:
    operations: list[Callable[[], object]] = [
        lambda: mq.declare(name),
        lambda: mq.send(name, b""),
        lambda: mq.receiver(name).receive(wait=0),
        lambda: mq.count(name),
        lambda: mq.peek(name),
        lambda: mq.request(name, b"", timeout=1),
        lambda: mq.delete(name),
    ]
    for operation in operations:
        with pytest.raises(ValueError, match="ActiveMQ has no queue of the name"):
            operation()


@pytest.mark.parametrize("name", ["t-über:'\"=x y", "topic://t-x", "t-a.b/c"])
def test_any_other_name_is_a_queues(mq: batonmq.Connection, name: str) -> None:
    mq.declare(name, max_deliveries=2)
    try:
        mq.send(name, b"1")
        assert mq.count(name) == 1
        with mq.receiver(name) as receiver:
            take(receiver, 1)[0].accept()
    finally:
        mq.delete(name)
    with pytest.raises(batonmq.NotFound):
        mq.send(name, b"2")


def test_a_deleted_queue_ends_what_its_deleter_has_of_it(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    mq.declare(queue)
    mq.send(queue, b"")
    receiver = mq.receiver(queue)
    take(receiver, 1)
    mq.delete(queue)
    with pytest.raises(batonmq.NotFound):
        receiver.receive(wait=SOON)
    with pytest.raises(batonmq.NotFound):
        mq.send(queue, b"")


# ---------------------------------------------------------------------- messages


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], [b"x"]])
def test_a_header_that_would_cost_the_connection_is_refused(
    place: Place, mq: batonmq.Connection, value: HeaderValue
) -> None:
    queue = place.queue()
    mq.declare(queue)
    with mq.receiver(queue) as receiver:
        mq.send(queue, b"held")
        (held,) = take(receiver, 1)
        with pytest.raises(ValueError, match="'bad' would cost the connection"):
            mq.send(queue, b"", headers={"good": 1, "bad": value})
        held.accept()
    assert mq.count(queue) == 0


def test_dead_letters_go_back_clean_and_in_order(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send_many(queue, [b"0", b"1", b"2"])
    with mq.receiver(queue) as receiver:
        for delivery in take(receiver, 3):
            delivery.reject(reason="no")
    assert mq.replay(dead, queue) == 3
    with mq.receiver(queue) as receiver:
        again = take(receiver, 3)
        assert bodies(again) == [b"0", b"1", b"2"]
        assert [(one.message.headers, one.delivery_count) for one in again] == [({}, 1)] * 3


# ---------------------------------------------------------------------- without Jolokia, or with another


def test_without_jolokia_queues_appear_and_the_rest_is_refused(
    place: Place, mq: batonmq.Connection, bare: batonmq.Connection
) -> None:
    assert not bare.capabilities.delay
    assert not bare.capabilities.priority
    queue, dead = place.queue(), place.queue()
    bare.declare(queue, max_deliveries=1, dead_letter=dead)
    bare.send(queue, b"poison")
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].release()
    assert [message.body for message in bare.peek(dead)] == [b"poison"]
    with pytest.raises(batonmq.UnsupportedFeature, match="jolokia"):
        bare.delete(queue)


def test_the_broker_itself_may_count(place: Place, mq: batonmq.Connection, bare: batonmq.Connection) -> None:
    if not bare.capabilities.count:
        pytest.skip("the broker has no statisticsBrokerPlugin")
    queue = place.queue()
    with pytest.raises(batonmq.NotFound):
        bare.count(queue)
    with pytest.raises(batonmq.NotFound):
        bare.send(queue, b"")
    mq.declare(queue)
    bare.send_many(queue, [b"0", b"1", b"2"])
    with mq.receiver(queue, prefetch=1) as receiver:
        take(receiver, 1)
        # Those in somebody's hands are counted a moment after he has them.
        until(lambda: bare.count(queue) == 2)
    assert [name for name in (queue, f"ActiveMQ.Statistics.Destination{queue}") if _is_there(mq, name)] == [queue]


def _is_there(mq: batonmq.Connection, queue: str) -> bool:
    try:
        mq.count(queue)
    except batonmq.NotFound:
        return False
    return True


def test_the_url_may_tell_what_is_configured(url: str) -> None:
    with batonmq.connect(url.partition("?")[0] + "?offers=delay") as mq:
        assert (mq.capabilities.delay, mq.capabilities.priority) == (True, False)
    with pytest.raises(ValueError, match="offers is"):
        batonmq.connect(url.partition("?")[0] + "?offers=all")


def test_a_broker_without_a_scheduler_delays_nothing(url: str) -> None:
    beans = {"brokerName=*": ["org.apache.activemq:type=Broker,brokerName=b"], "JobScheduler": []}

    def answer(asked: dict[str, object]) -> dict[str, object]:
        return {"status": 200, "value": next(value for name, value in beans.items() if name in str(asked["mbean"]))}

    with closing(Agent(answer, password="admin")) as agent:
        with batonmq.connect(f"{url.partition('?')[0]}?jolokia={agent.url}") as mq:
            assert not mq.capabilities.delay
            with pytest.raises(batonmq.UnsupportedFeature):
                mq.send("q", b"", delay=1)
        beans["brokerName=*"] = []
        with pytest.raises(BrokerError, match="knows 0 brokers"):
            batonmq.connect(f"{url.partition('?')[0]}?jolokia={agent.url}")


def test_a_jolokia_that_is_not_there_or_refuses_is_told_at_once(url: str) -> None:
    with closing(Agent(lambda _: {}, password="another")) as agent:
        wrong = f"{url.partition('?')[0]}?jolokia={agent.url}"
        with pytest.raises(batonmq.AccessRefused, match="Jolokia at"):
            batonmq.connect(wrong)
    with pytest.raises(batonmq.ConnectionLost, match="nothing listens there"):
        batonmq.connect(wrong)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batonmq")]
