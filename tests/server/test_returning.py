"""A client that held thousands of messages is gone: over each protocol they go back over several turns, in order."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support.amqp10_wire import Wire10
from tests.support.managed import SECONDS, ManagedServer
from tests.support.waiting import until
from tests.support.wire import Address, Wire

from batonmq.broker.model.scheduler import RETURNS
from batonmq.broker.queues.queue import Queue

# More than a turn's share.
HELD = RETURNS + 40

Hold = Callable[[ManagedServer, str, ExitStack], Callable[[], None]]
"""Has a client hold all messages of a queue; returns what it does to end."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    with ManagedServer(Path(tmp_path_factory.mktemp("data"))) as served:
        yield served


def channel_closes(server: ManagedServer, queue: str, leaving: ExitStack) -> Callable[[], None]:
    opened = leaving.enter_context(closing(Wire(Address("127.0.0.1", server.port)))).open()
    channel = opened.channel()
    channel.consume(queue)
    channel.messages(HELD)
    return channel.close


def connection_is_lost(server: ManagedServer, queue: str, leaving: ExitStack) -> Callable[[], None]:
    opened = leaving.enter_context(closing(Wire(Address("127.0.0.1", server.port)))).open()
    channel = opened.channel()
    channel.consume(queue)
    channel.messages(HELD)
    return opened.abort


def many_are_requeued(server: ManagedServer, queue: str, leaving: ExitStack) -> Callable[[], None]:
    opened = leaving.enter_context(closing(Wire(Address("127.0.0.1", server.port)))).open()
    channel = opened.channel()
    tag = channel.consume(queue)
    last = channel.messages(HELD)[-1].tag
    channel.cancel(tag)
    return lambda: channel.nack(last, multiple=True)


def stomp_is_lost(server: ManagedServer, queue: str, leaving: ExitStack) -> Callable[[], None]:
    opened = leaving.enter_context(socket.create_connection(("127.0.0.1", server.ports["stomp"]), SECONDS))
    opened.sendall(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0")
    opened.sendall(f"SUBSCRIBE\nid:0\nack:client\nprefetch-count:60000\ndestination:/amq/queue/{queue}\n\n\0".encode())
    count, tail = 0, b""
    while count < HELD:
        heard = tail + opened.recv(65536)
        count += heard.count(b"MESSAGE\n")
        tail = heard[-7:] if not heard.endswith(b"MESSAGE\n") else b""
    return opened.close


def session_ends(server: ManagedServer, queue: str, leaving: ExitStack) -> Callable[[], None]:
    opened = Wire10(Address("127.0.0.1", server.port), timeout=SECONDS)
    leaving.callback(opened.close_socket)
    opened.open()
    session = opened.session(incoming_window=2 * HELD)
    link = session.receiver(queue, HELD)
    for _ in range(HELD):
        link.receive()
    return session.end


@pytest.mark.parametrize("hold", [channel_closes, connection_is_lost, many_are_requeued, stomp_is_lost, session_ends])
def test_what_it_held_goes_back_over_some_turns_in_order(server: ManagedServer, name: str, hold: Hold) -> None:
    with ExitStack() as leaving:
        opened = leaving.enter_context(closing(Wire(Address("127.0.0.1", server.port)))).open()
        channel = opened.channel()
        channel.queue(name)
        for number in range(HELD):
            channel.publish(name, b"%d" % number)
        channel.barrier()
        queue = server.server.broker.vhosts["/"].queues[name]
        assert isinstance(queue, Queue)
        steps: list[int] = []
        end = hold(server, name, leaving)
        until(lambda: queue.unsettled == HELD)
        observe(server, queue, steps)
        end()
        until(lambda: queue.ready_count == HELD)
        assert steps[0] < HELD
        channel.consume(name)
        back = channel.messages(HELD)
        assert [each.body for each in back] == [b"%d" % number for number in range(HELD)]
        assert all(each.redelivered for each in back)


def observe(server: ManagedServer, queue: Queue, steps: list[int]) -> None:
    """Note, in each pass of the loop, how many messages are back, until all are."""

    def look() -> None:
        if queue.ready_count and (not steps or queue.ready_count != steps[-1]):
            steps.append(queue.ready_count)
        if queue.ready_count < HELD:
            server.loop.call_soon(look)

    server.loop.call_soon_threadsafe(look)
