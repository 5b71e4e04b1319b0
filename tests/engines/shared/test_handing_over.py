"""The owner of a file goes, in order or not, and another takes over: what becomes of what was under way."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import batonmq
from batonmq import points
from batonmq.api.connections.synchronous import Connection
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, wire
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.opening import Reached
from batonmq.engines.values import QueueOptions
from tests.engines.shared.conftest import Connect, Owner

SOON = 30.0


def test_what_an_owner_had_begun_when_it_was_killed_and_not_done_is_done_by_the_next_one(departing: Owner) -> None:
    future = departing.engine.send("orders", [Message(b"1")])
    departing.hear()
    departing.go()
    future.get()
    assert [message.body for message in departing.engine.peek("orders", 9).get()] == [b"1"]


def test_whether_a_request_that_was_begun_is_answered_nobody_knows(departing: Owner) -> None:
    begun = departing.engine.request("orders", Message(b"1"))
    other = departing.engine.request("orders", Message(b"2"))
    number = departing.hear().number
    departing.say(answers.Bye(number))
    departing.go()
    with pytest.raises(batonmq.ConnectionLost):
        begun.get()
    assert departing.engine.count("orders").get() == 1
    assert [message.body for message in departing.engine.peek("orders", 9).get()] == [b"2"]
    departing.engine.forget(other)


def test_what_may_be_asked_twice_is_asked_of_the_next_owner(departing: Owner) -> None:
    engine = departing.engine
    counted, peeked = engine.count("orders"), engine.peek("orders", 1)
    declared, deleted = engine.declare("new", QueueOptions()), engine.delete("old")
    departing.go()
    assert (counted.get(), peeked.get(), declared.get(), deleted.get()) == (0, [], None, None)


def test_a_receiver_that_waits_goes_on_with_the_next_owner(departing: Owner) -> None:
    subscribing = departing.engine.subscribe("orders", 1)
    departing.say(answers.Done(departing.hear().number))
    future = subscribing.get().receive(1)
    departing.hear()
    departing.go()
    departing.engine.send("orders", [Message(b"1")]).get()
    assert [incoming.message.body for incoming in future.get()] == [b"1"]


def test_a_receiver_whose_queue_went_with_the_owner_is_told(departing: Owner) -> None:
    subscribing = departing.engine.subscribe("in-memory-only", 1)
    departing.say(answers.Done(departing.hear().number))
    future = subscribing.get().receive(1)
    departing.go()
    with pytest.raises(batonmq.NotFound):
        future.get()
    with pytest.raises(batonmq.NotFound):
        subscribing.get().receive(1).get()


def test_what_the_next_owner_has_not_is_lost(departing: Owner) -> None:
    engine = departing.engine
    subscribing = engine.subscribe("orders", 1)
    departing.say(answers.Done(departing.hear().number))
    subscription = subscribing.get()
    receiving = subscription.receive(1)
    number = departing.hear().number
    departing.say(answers.Arrived(number, [(wire.message_to(Message(b"1")), 1, False, 7, 1 << 46, "", "orders")]))
    (held,) = receiving.get()
    future = engine.transact([("orders", Message(b"2"))], [(subscription, held)])
    departing.say(answers.Bye(number))
    departing.go()
    with pytest.raises(batonmq.LeaseLost):
        future.get()
    with pytest.raises(batonmq.LeaseLost):
        subscription.settle(held, "accept")
    assert engine.count("orders").get() == 0


def test_a_guest_that_cannot_have_the_file_either_tells_all_who_wait(path: str, departing: Owner) -> None:
    with open(path, "r+b") as file:  # noqa: PTH123
        file.write(b"not a database any more, " * 100)
    counted, subscribed = departing.engine.count("orders"), departing.engine.subscribe("orders", 1)
    departing.go()
    with pytest.raises(batonmq.StoreError):
        counted.get()
    with pytest.raises(batonmq.StoreError):
        subscribed.get()
    with pytest.raises(batonmq.StoreError):
        departing.engine.count("orders").get()


def test_an_orderly_change_of_owners_is_not_noticed_by_who_sends(owner: EmbeddedEngine, guest: Connect) -> None:
    owner.declare("orders", QueueOptions()).get()
    connections = [guest() for _ in range(3)]
    begun = threading.Barrier(4)

    def send(mq: Connection, first: int) -> None:
        for number in range(first, first + 100):
            if number == first + 20:
                begun.wait(SOON)
            mq.send("orders", b"%d" % number)

    threads = [threading.Thread(target=send, args=(mq, at * 100)) for at, mq in enumerate(connections)]
    for thread in threads:
        thread.start()
    begun.wait(SOON)
    owner.close()
    for thread in threads:
        thread.join(SOON)
    assert sorted(int(one.body) for one in connections[0].peek("orders", 999)) == list(range(300))


def test_a_worker_goes_on_with_the_next_owner_and_with_what_it_held(owner: EmbeddedEngine, guest: Connect) -> None:
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(b"1")]).get()
    mq, stop = guest(), threading.Event()
    done: list[int] = []
    owner.send("orders", [Message(b"2")]).get()

    def handle(delivery: batonmq.Delivery) -> None:
        done.append(delivery.delivery_count)
        if len(done) == 1:
            owner.close()
        else:
            stop.set()

    mq.run("orders", handle, stop=stop)
    assert done == [1, 1]
    assert mq.count("orders") == 0


def test_what_the_former_owner_held_comes_again_and_a_guest_keeps_its_own(
    owner: EmbeddedEngine, guest: Connect
) -> None:
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(b"1"), Message(b"2")]).get()
    owner.subscribe("orders", 1).get().receive(1).get()
    mq = guest()
    with mq.receiver("orders") as receiver:
        (held,) = receiver.receive(wait=SOON)
        assert held.body == b"2"
        owner.close()
        found = receiver.receive(9, wait=SOON)
        assert [(one.body, one.delivery_count) for one in found] == [(b"1", 2)]
        assert receiver.receive(wait=0) == []
        held.accept()
    assert [message.body for message in mq.peek("orders", 9)] == [b"1"]


def test_the_last_of_a_process_that_took_over_lets_go(path: str, owner: EmbeddedEngine, guest: Connect) -> None:
    one, other = guest(), guest()
    with pytest.raises(batonmq.UnsupportedFeature):
        one.native  # noqa: B018
    owner.close()
    one.declare("orders")
    other.send("orders", b"1")
    assert one.native is other.native
    one.close()
    assert other.count("orders") == 1
    other.close()
    with batonmq.connect(path) as mq:
        assert mq.native is not None
        assert mq.count("orders") == 1


def test_a_task_that_is_cancelled_while_it_waits_keeps_nothing(path: str, owner: EmbeddedEngine) -> None:
    from batonmq.api.connections.asynchronous import Connection as AsyncConnection
    from batonmq.engines.shared.opening import dial

    owner.declare("orders", QueueOptions()).get()

    async def main() -> None:
        link = dial(f"{path}-socket")
        assert link is not None
        async with AsyncConnection(SharedEngine(path, Reached(link, None))) as mq, mq.receiver("orders") as receiver:
            waiting = asyncio.create_task(receiver.receive())
            while not owner.core.run(lambda: len(_consumers(owner))):
                await asyncio.sleep(0.001)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await mq.send("orders", b"1")
            (delivery,) = await receiver.receive(wait=SOON)
            async with delivery:
                assert delivery.body == b"1"
            assert await receiver.receive(wait=0) == []
            assert await mq.count("orders") == 0

    asyncio.run(main())


def _consumers(owner: EmbeddedEngine) -> list[object]:
    return list(owner.core.broker.vhosts["/"].queues["orders"].consumers)


def test_a_lease_goes_on_with_the_next_owner(owner: EmbeddedEngine, guest: Connect) -> None:
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(b"1"), Message(b"2")]).get()
    mq = guest()
    with mq.receiver("orders", lease=3.0, prefetch=2) as receiver:
        held, late = receiver.receive(2, wait=SOON)
        held.renew(SOON)
        owner.close()
        (again,) = receiver.receive(wait=SOON)
        assert (again.body, again.delivery_count) == (b"2", 2)
        with pytest.raises(batonmq.LeaseLost):
            late.accept()
        held.accept()
        again.accept()
    assert mq.count("orders") == 0


def test_a_message_of_the_last_attempt_stays_with_who_holds_it(owner: EmbeddedEngine, guest: Connect) -> None:
    mq = guest()
    mq.declare("orders", max_deliveries=1, dead_letter="dead")
    mq.send("orders", b"1")
    with mq.receiver("orders") as receiver:
        (held,) = receiver.receive(wait=SOON)
        owner.close()
        assert receiver.receive(wait=0) == []
        held.accept()
    assert (mq.count("orders"), mq.count("dead")) == (0, 0)


def test_a_group_stays_in_the_hands_that_it_is_in(owner: EmbeddedEngine, guest: Connect) -> None:
    owner.declare("orders", QueueOptions()).get()
    for number in range(3):
        owner.send("orders", [Message(b"%d" % number, group="a")]).get()
    mq, other = guest(), guest()
    with mq.receiver("orders", prefetch=1) as receiver, other.receiver("orders", prefetch=1) as rival:
        (held,) = receiver.receive(wait=SOON)
        owner.close()
        assert rival.receive(wait=0.1) == []
        held.accept()
        found = rival.receive(wait=SOON)
        assert [(one.body, one.delivery_count) for one in found] == [(b"1", 1)]
        found[0].accept()


def test_what_one_process_holds_at_the_end_of_an_owner_is_not_taken_by_anothers_last_command(
    owner: EmbeddedEngine, guest: Connect
) -> None:
    """A move that was read is done; what others hold is not there for it, as little as before."""
    for queue in ("orders", "other"):
        owner.declare(queue, QueueOptions()).get()
    owner.send("orders", [Message(b"1"), Message(b"2")]).get()
    holder, mover = guest(), guest()
    (held,) = holder.receiver("orders").receive(wait=SOON)

    def wait_for_the_end() -> None:
        begun.set()
        assert stopped.wait(SOON)

    begun, stopped = threading.Event(), threading.Event()
    points.arm("hand_over.stopped", stopped.set)
    # It asks first how many there are.
    points.arm("guest.begun", wait_for_the_end, after=1)
    with ThreadPoolExecutor() as pool:
        moving = pool.submit(mover.replay, "orders", "other")
        assert begun.wait(SOON)
        owner.close()
        assert moving.result(SOON) == 1
    held.accept()
    assert (holder.count("orders"), holder.count("other")) == (0, 1)
