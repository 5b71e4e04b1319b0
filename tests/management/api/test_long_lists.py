"""However many are connected, a list of them holds up no message."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proof.by_hand import StillSocket
from tests.support.managed import ManagedServer

from batonmq.broker import Consumer, Queue
from batonmq.broker.model.channels import ChannelStatus
from batonmq.broker.model.clients import Client, Introduction, Subscriber
from batonmq.broker.model.sockets import Ends
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.queued import QueuedMessage

CONNECTIONS = 5_000
# Of processor time: whatever else the machine does. All of the list takes some 200 ms.
LONGEST_HOLD = 0.02


class Two:
    """A connection with two channels."""

    channel_count = 2
    is_closing = False

    def __init__(self) -> None:
        self.counts = ConnectionCounts()
        self._counts = [self.counts.open(), self.counts.open()]

    def channel_numbers(self) -> list[int]:
        return [1, 2]

    def channel(self, number: int) -> ChannelStatus | None:
        return ChannelStatus(number=number, counts=self._counts[number - 1])

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        return []

    def sessions(self) -> None:
        return None

    def force_close(self, reason: str) -> None:
        """It is nobody's."""


class Idle(Consumer):
    """A consumer that takes nothing."""

    __slots__ = ("_client",)

    def __init__(self, queue: Queue, client: Client, number: int) -> None:
        super().__init__(queue, f"idle {number}")
        self._client = client

    def deliver(self, queued: QueuedMessage) -> bool:
        return False

    def has_room(self) -> bool:
        return False

    def subscriber(self) -> Subscriber:
        return Subscriber(self._client, 1, 10)

    def cancelled(self) -> None:
        """It is nobody's."""


class Watch:
    """Passes of the loop, and the longest of them."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    async def crowd(server: ManagedServer) -> None:
        vhost = server.server.broker.vhosts["/"]
        queue = vhost.add_queue("busy", durable=False, auto_delete=False, owner=None, arguments={})
        for number in range(CONNECTIONS):
            two = Two()
            socket = StillSocket(ends=Ends("10.0.0.1", number, "127.0.0.1", 5672))
            said = Introduction(protocol="words", properties={"product": "a client"})
            client = Client(socket, "guest", "/", said, two, two.counts, number)
            server.server.broker.clients.add(client)
            queue.subscribe(Idle(queue, client, number))

    folder: Path = tmp_path_factory.mktemp("crowded")
    with ManagedServer(folder) as server:
        asyncio.run_coroutine_threadsafe(crowd(server), server.loop).result(30)
        yield server


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/api/connections", CONNECTIONS),
        ("/api/channels", 2 * CONNECTIONS),
        ("/api/connections?page=1&page_size=500&sort=recv_oct", 500),
        ("/api/connections/username/guest", CONNECTIONS),
        ("/api/consumers", CONNECTIONS),
        ("/api/queues/%2F/busy", CONNECTIONS),
    ],
)
def test_a_long_list_is_made_in_slices(crowded: ManagedServer, path: str, count: int) -> None:
    http = crowded.http()
    http.get("/api/connections/username/nobody")
    watch = Watch()
    running = asyncio.run_coroutine_threadsafe(watch.run(), crowded.loop)
    # What the collector of circles takes is not the list's.
    gc.disable()
    try:
        found = http.get(path)
    finally:
        gc.enable()
        running.cancel()
    if isinstance(found, dict):
        found = found["items" if "page" in path else "consumer_details"]
    assert len(found) == count
    assert watch.longest < LONGEST_HOLD
