"""One shovel at work, in a thread of its own.

    starting -> running -> terminated -> (after the delay) starting ...

A message is accepted when the other side has confirmed it: whatever ends the shovel in between, it comes again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from batonmq.clock import Clock
from batonmq.engines.messages import received_message
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError
from batonmq.shovels.rabbitmq.ends import Destination, FindLocal, Source, open_destination, open_source
from batonmq.shovels.rabbitmq.parameters import ShovelParameters
from batonmq.shovels.uris import without_credentials

__all__ = ["RunningShovel", "ShovelState", "Status"]

log = logging.getLogger("batonmq.shovels")

ShovelState = Literal["starting", "running", "terminated"]

# Messages that are sent and confirmed together.
BATCH = 200
# How soon a shovel without messages notices that it is to stop, in seconds.
LOOK_SECONDS = 0.2
# How long it may take to stop before its connections are cut, in seconds.
STOP_SECONDS = 1.0
HEADER, TIME_HEADER = "x-shovelled", "x-shovelled-timestamp"


@dataclass(frozen=True, slots=True)
class Status:
    """How a shovel stands."""

    state: ShovelState
    since: datetime
    reason: str = ""
    """Why it was terminated."""
    source_uri: str = ""
    """Which it has chosen, without user and password."""
    destination_uri: str = ""
    forwarded: int = 0
    """Messages that the other side has confirmed, since the shovel was last started."""
    pending: int = 0
    """Messages that are sent and not confirmed."""
    remaining: int | None = None
    """How many it still moves before it ends; None: it does not end."""


class RunningShovel:
    """Moves messages from the moment it is started until it is stopped, or has moved as many as it should."""

    def __init__(
        self,
        vhost: str,
        name: str,
        parameters: ShovelParameters,
        find_local: FindLocal,
        clock: Clock,
        done: Callable[[], None],
    ) -> None:
        """``done`` is called, in the shovel's thread, when it has moved all that it should."""
        self.vhost = vhost
        self.name = name
        self.parameters = parameters
        self._find_local = find_local
        self._clock = clock
        self._done = done
        self._stopping = threading.Event()
        self._open: Sequence[Source | Destination] = ()
        self.status = Status("starting", self._now())
        self.moved = 0
        """Messages that it has moved in all."""
        self.restarts = 0
        """How often it has begun anew after a failure."""
        self._thread = threading.Thread(target=self._run, name=f"batonmq-shovel-{name}"[:60], daemon=True)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Let it end soon."""
        self._stopping.set()

    def join(self) -> None:
        """Return when it has ended. What it held and had not moved is back in its queue. May block for a while."""
        self._thread.join(STOP_SECONDS)
        # It waits for a broker that does not answer.
        for end in self._open:
            end.close()
        self._thread.join()

    # ------------------------------------------------------------------ in its thread

    def _run(self) -> None:
        parameters = self.parameters
        while not self._stopping.is_set():
            self.status = Status("starting", self._now())
            try:
                self._work()
            except BatonError as error:
                reason = str(error) or type(error).__name__
            except Exception as error:  # a fault of ours ends this attempt, and not the broker
                log.exception("shovel '%s' in vhost '%s' failed", self.name, self.vhost)
                reason = f"internal error: {type(error).__name__}"
            else:
                self.status = Status("terminated", self._now(), "it was stopped")
                if not self._stopping.is_set():
                    log.info("shovel '%s' in vhost '%s' has moved what it should", self.name, self.vhost)
                    self._done()
                return
            if self._stopping.is_set():
                return
            shown = without_credentials(reason)
            log.warning("shovel '%s' in vhost '%s' was terminated: %s", self.name, self.vhost, shown)
            self.status = Status("terminated", self._now(), shown)
            if not parameters.reconnect_delay or self._stopping.wait(parameters.reconnect_delay):
                return
            self.restarts += 1

    def _work(self) -> None:
        """Returns when it is to stop, or has moved all. Raises BatonError."""
        parameters = self.parameters
        with contextlib.ExitStack() as opened:
            opened.callback(self._forget_ends)
            source = open_source(parameters.source, self._find_local)
            opened.callback(source.close)
            self._open = (source,)
            destination = open_destination(parameters.destination, self._find_local)
            opened.callback(destination.close)
            self._open = (source, destination)
            left = self._remaining(source)
            self.status = Status(
                "running",
                self._now(),
                source_uri=without_credentials(source.uri),
                destination_uri=without_credentials(destination.uri),
                remaining=left,
            )
            log.info("shovel '%s' in vhost '%s' runs", self.name, self.vhost)
            if left == 0:
                return
            source.subscribe(min(parameters.prefetch, left) if left is not None else parameters.prefetch)
            while not self._stopping.is_set() and left != 0:
                arrived = source.receive(BATCH if left is None else min(BATCH, left), LOOK_SECONDS)
                if not arrived:
                    continue
                self._note(pending=len(arrived), forwarded=0, left=left)
                destination.send(self._marked(arrived, source, destination))
                source.accept(arrived)
                left = None if left is None else left - len(arrived)
                self.moved += len(arrived)
                self._note(pending=0, forwarded=len(arrived), left=left)
            source.finish()

    def _forget_ends(self) -> None:
        self._open = ()

    def _remaining(self, source: Source) -> int | None:
        after = self.parameters.delete_after
        if after == "never":
            return None
        return source.count() if after == "queue-length" else int(after)

    def _note(self, *, pending: int, forwarded: int, left: int | None) -> None:
        was = self.status
        self.status = Status(
            was.state,
            was.since,
            source_uri=was.source_uri,
            destination_uri=was.destination_uri,
            forwarded=was.forwarded + forwarded,
            pending=pending,
            remaining=left,
        )

    def _marked(self, arrived: list[Incoming], source: Source, destination: Destination) -> list[Incoming]:
        """The messages with what the shovel adds to them."""
        parameters = self.parameters
        if not (parameters.adds_forward_headers or parameters.adds_timestamp_header or parameters.properties):
            return arrived
        return [self._with_marks(one, source, destination) for one in arrived]

    def _with_marks(self, one: Incoming, source: Source, destination: Destination) -> Incoming:
        parameters, message = self.parameters, one.message
        headers = dict(message.headers)
        if parameters.adds_forward_headers:
            earlier = headers.get(HEADER)
            headers[HEADER] = [
                {
                    "shovelled-by": "batonmq",
                    "shovel-type": "dynamic",
                    "shovel-name": self.name,
                    "shovel-vhost": self.vhost,
                    "src-uri": without_credentials(source.uri),
                    "dest-uri": without_credentials(destination.uri),
                    "src-queue": source.queue,
                },
                *(earlier if isinstance(earlier, list) else []),
            ]
        if parameters.adds_timestamp_header:
            headers[TIME_HEADER] = int(self._clock.time())
        changes: dict[str, Any] = {"headers": headers or None}
        for name, value in parameters.properties.items():
            changes[name] = int(value) if isinstance(value, float) else value
        marked = received_message(message.body, message.properties.replace(**changes), message.delay)
        return Incoming(
            marked, one.delivery_count, one.redelivered, one.handle, is_counted=one.is_counted, origin=one.origin
        )
