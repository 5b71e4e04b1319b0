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
    """Stands in for py-amqp's connection."""

    def __init__(self, path: str, client: object = None) -> None:
        """``client`` is kombu's own connection. Raises StoreError."""
        self.path = path
        self.engine: Engine = open_target(Target("file", path))
        self.lock = threading.RLock()
        """Guards the channels. Callbacks from an engine's thread never take it."""
        self.channels: dict[int, Channel] = {}
        self.client = client
        self.wake = Wake()
        self._arrivals: deque[tuple[Channel, Consumption]] = deque()
        self._ids = count(1)
        self._is_closed = False

    @property
    def connected(self) -> bool:
        """Is the connection open?"""
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
        """A channel was closed."""
        self.channels.pop(channel.channel_id, None)

    # ------------------------------------------------------------------ what comes

    def notify(self, channel: Channel) -> Callable[[Consumption], None]:
        """What the channel's consumers call, in any thread, when messages have arrived for them."""

        def arrived(consumption: Consumption) -> None:
            self._arrivals.append((channel, consumption))
            self.wake.set()

        return arrived

    def deliver(self) -> bool:
        """Give the application what has arrived, without waiting; False: nothing had.

        Exceptions of its callbacks pass through.
        """
        self._require_open()
        self.wake.clear()
        arrivals = self._arrivals
        given = 0
        # Messages that arrive meanwhile wait for the next call, so that the caller gets on with its other work.
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
        """Wait for messages, and give them to the application. Raises socket.timeout when none arrives in time."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.deliver():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise socket.timeout(f"no message has come within {timeout} s")  # noqa: UP041  (the name that kombu documents)
            self.wake.wait(left)

    # ------------------------------------------------------------------ the end

    def collect(self) -> None:
        """Drop the connection silently, in a process forked from its owner."""
        self._is_closed = True
        channels, self.channels = list(self.channels.values()), {}
        for channel in channels:
            channel.collect()
        self.wake.close()

    def close(self) -> None:
        """Give back unsettled messages, and close the file. A second call does nothing."""
        if self._is_closed:
            return
        for channel in list(self.channels.values()):
            channel.close()
        self._is_closed = True
        try:
            # A file whose owner cannot be reached has been given up already.
            with contextlib.suppress(BatonError):
                self.engine.close()
        finally:
            self.wake.close()
