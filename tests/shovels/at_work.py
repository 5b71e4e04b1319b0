"""Shovels at work, as tests start them, and other sides that have their own mind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from batonmq.clock import Clock
from batonmq.engines.values import Capabilities, Incoming
from batonmq.errors import BatonError, ConnectionLost
from batonmq.shovels.carrying import Carrier, Into
from batonmq.shovels.ends import Local, open_source
from batonmq.shovels.progress import Progress
from batonmq.shovels.rules import Rules
from batonmq.shovels.running import RunningShovel
from batonmq.shovels.settings import End, ShovelSettings

LONG = 90.0


def nowhere(uri: str) -> Local:
    raise ConnectionLost(uri)


def settings_of(source: str, target: str, queue: str = "orders", **more: object) -> ShovelSettings:
    ends = End("", (source,), queue), End("", (target,), queue)
    return ShovelSettings(*ends, **{"reconnect_delay": 0.1, "idle": 0.5, **more})  # type: ignore[arg-type]


@contextmanager
def shovelling(settings: ShovelSettings) -> Iterator[RunningShovel]:
    ended = threading.Event()
    shovel = RunningShovel("", "test", settings, nowhere, Clock(), ended.set)
    shovel.start()
    try:
        yield shovel
        assert settings.idle is None or ended.wait(LONG), shovel.status
    finally:
        shovel.tell_to_stop()
        shovel.join()


def shovel_all(settings: ShovelSettings) -> RunningShovel:
    with shovelling(settings) as shovel:
        pass
    return shovel


class Refusing(Into):
    """Another side that has its own mind about what comes."""

    def __init__(self, refusal: Callable[[bytes], BatonError | None]) -> None:
        self._refusal = refusal
        self.arrived: list[bytes] = []

    @property
    def can(self) -> Capabilities:
        return Capabilities(engine="refusing", durable=True)

    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        outcomes: list[BatonError | None] = []
        for one in messages:
            outcomes.append(self._refusal(one.message.body))
            if outcomes[-1] is None:
                self.arrived.append(one.message.body)
        return outcomes


def carry(url: str, target: Into, **rules: object) -> Progress:
    source = open_source(End("", (url,), "orders"), nowhere)
    try:
        source.subscribe(100)
        progress = Progress()
        Carrier("test", source, target, Rules(**rules), Clock(), threading.Event(), progress).carry(None, 0.1)  # type: ignore[arg-type]
        source.finish()
    finally:
        source.close()
    return progress
