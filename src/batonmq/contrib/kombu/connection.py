"""A connection of kombu to the queues of a file."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count

from batonmq.contrib.kombu.channel import Channel
from batonmq.contrib.kombu.consumption import Consumption
from batonmq.contrib.kombu.wake import Wake
from batonmq.engines.interface import Engine
from batonmq.engines.openers import open_target
from batonmq.engines.urls import Target
from batonmq.errors import BatonError, Closed

__all__ = ["FileConnection"]


class FileConnection:
    """What py-amqp's connection is for a broker."""

    def __init__(self, path: str, client: object = None) -> None:
        """``client`` is kombu's own connection. Raises StoreError."""
        self.path = path
        self.engine: Engine = open_target(Target("file", path))
        self.lock = threading.RLock()
        """Guards the channels. Nothing that an engine's thread calls takes it."""
        self.channels: dict[int, Channel] = {}
        self.client = client
        self.wake = Wake()
        self._arrivals: deque[tuple[Channel, Consumption]] = deque()
        self._ids = count(1)
        self._is_closed = False

    @property
    def connected(self) -> bool:
        """Was it not closed?"""
        return not self._is_closed

    def _require_open(self) -> None:
        if self._is_closed:
            raise Closed(f"the connection to {self.path} was closed; open another one")

    def channel(self) -> Channel:
        """A new channel. Raises Closed."""
        self._require_open()
        channel = Channel(self, next(self._ids))
        self.channels[channel.channel_id] = channel
        return channel

    def forget(self, channel: Channel) -> None:
        """It was closed."""
        self.channels.pop(channel.channel_id, None)

    # ------------------------------------------------------------------ what comes

    def notify(self, channel: Channel) -> Callable[[Consumption], None]:
        """What consumers of the channel are to call when something has come for them, in any thread."""

        def arrived(consumption: Consumption) -> None:
            self._arrivals.append((channel, consumption))
            self.wake.set()

        return arrived

    def deliver(self) -> bool:
        """Give the application what has come, without waiting; False: nothing had. What it raises is let through."""
        self._require_open()
        self.wake.clear()
        arrivals = self._arrivals
        given = 0
        # What comes meanwhile is for the next call: who has other things to do is not kept from them.
        for _ in range(len(arrivals)):
            channel, consumption = arrivals.popleft()
            try:
                given += channel.deliver(consumption)
            finally:
                if consumption.ready:
                    arrivals.append((channel, consumption))
        if arrivals:
            self.wake.set()
        return given > 0

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for messages, and give them to the application. Raises socket.timeout when none has come by then."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.deliver():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise socket.timeout(f"no message has come within {timeout} s")  # noqa: UP041  (the name that kombu documents)
            self.wake.wait(left)

    # ------------------------------------------------------------------ the end

    def collect(self) -> None:
        """This process was forked from the one whose connection it is: let go of it without a word to anybody."""
        self._is_closed = True
        channels, self.channels = list(self.channels.values()), {}
        for channel in channels:
            channel.collect()
        self.wake.close()

    def close(self) -> None:
        """Give back what is unsettled, and leave the file. A second call does nothing."""
        if self._is_closed:
            return
        for channel in list(self.channels.values()):
            channel.close()
        self._is_closed = True
        try:
            # What is out of reach has been let go of already.
            with contextlib.suppress(BatonError):
                self.engine.close()
        finally:
            self.wake.close()
