"""One running shovel, in a thread of its own.

    starting -> running -> terminated -> (after the delay) starting ...

A message is accepted when the other side has confirmed it: if the shovel ends in between, the message comes again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from batonmq.clock import Clock
from batonmq.errors import BatonError
from batonmq.fields import FieldValue
from batonmq.shovels.carrying import Carrier, Into
from batonmq.shovels.ends import Destination, FindLocal, Source, open_destination, open_source
from batonmq.shovels.marking import Marking
from batonmq.shovels.progress import Progress
from batonmq.shovels.settings import ShovelSettings
from batonmq.shovels.uris import without_credentials
from batonmq.shovels.within import Within

__all__ = ["Kind", "RunningShovel", "ShovelState", "Status"]

log = logging.getLogger("batonmq.shovels")

ShovelState = Literal["starting", "running", "terminated"]
Kind = Literal["dynamic", "static"]

# How long the other side may take to confirm messages once the shovel has to stop, in seconds: those that it confirms
# later are moved again.
STOP_SECONDS = 4.0
# How long accepting the confirmed messages may take then, and how long the end, in seconds.
END_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a shovel."""

    state: ShovelState
    since: datetime
    reason: str = ""
    """Why it was terminated."""
    source_uri: str = ""
    """The chosen URL, without user and password."""
    destination_uri: str = ""


class RunningShovel:
    """Moves messages from the moment it is started until it is stopped, or has moved as many as it should."""

    def __init__(
        self,
        vhost: str,
        name: str,
        settings: ShovelSettings,
        find_local: FindLocal,
        clock: Clock,
        done: Callable[[], None],
        kind: Kind = "dynamic",
    ) -> None:
        """``done`` is called, in the shovel's thread, when it has moved all that it should."""
        self.vhost = vhost
        self.name = name
        self.settings = settings
        self.kind: Kind = kind
        """Is it from a parameter of the broker ("dynamic"), or from the configuration ("static")?"""
        self._find_local = find_local
        self._clock = clock
        self._done = done
        self._stopping = threading.Event()
        self._stop_until = 0.0
        self._open: Sequence[Source | Destination] = ()
        self.status = Status("starting", self._now())
        self.progress = Progress()
        self.has_run = False
        """Have both sides been reached?"""
        self.restarts = 0
        """How often it was restarted after a failure."""
        self._thread = threading.Thread(target=self._run, name=f"batonmq-shovel-{name}"[:60], daemon=True)

    @property
    def moved(self) -> int:
        """Messages that it has moved in all."""
        return self.progress.total

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Have it end soon."""
        self._stop_until = time.monotonic() + STOP_SECONDS
        self._stopping.set()

    def join(self) -> bool:
        """Return when it has ended, at the latest some ten seconds after ``tell_to_stop``.

        Messages that it held and had not moved are back in their queue. False: it is still connecting to a broker that
        does not answer, holds nothing, and will end by itself.
        """
        self._thread.join(max(0.0, self._stop_until - time.monotonic()))
        # It waits for a broker that does not answer. The target first, so that confirmed messages are still accepted.
        for end in reversed(self._open):
            if not self._thread.is_alive():
                break
            end.close()
            self._thread.join(END_SECONDS)
        self._thread.join(END_SECONDS)
        return not self._thread.is_alive()

    # ------------------------------------------------------------------ in its thread

    def _run(self) -> None:
        settings = self.settings
        while not self._stopping.is_set():
            self.status = Status("starting", self._now())
            try:
                self._work()
            except BatonError as error:
                reason = str(error) or type(error).__name__
            except Exception as error:  # a bug of ours ends this attempt, but not the broker
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
            if not settings.reconnect_delay or self._stopping.wait(settings.reconnect_delay):
                return
            self.restarts += 1

    def _work(self) -> None:
        """Move messages until told to stop, or until all are moved. Raises BatonError."""
        settings = self.settings
        with contextlib.ExitStack() as opened:
            opened.callback(self._forget_ends)
            source = open_source(settings.source, self._find_local)
            opened.callback(source.close)
            self._open = (source,)
            if self._stopping.is_set():
                return
            destination, at = self._open_destination(source, opened)
            left = self._remaining(source)
            self.progress.begin(left)
            self.status = Status(
                "running",
                self._now(),
                source_uri=without_credentials(source.uri),
                destination_uri=without_credentials(at),
            )
            self.has_run = True
            log.info("shovel '%s' in vhost '%s' runs", self.name, self.vhost)
            if left == 0:
                return
            source.subscribe(min(settings.prefetch, left) if left is not None else settings.prefetch)
            mark: dict[str, FieldValue] = {
                "shovelled-by": "batonmq",
                "shovel-type": self.kind,
                "shovel-name": self.name,
                "shovel-vhost": self.vhost,
                "src-uri": without_credentials(source.uri),
                "dest-uri": without_credentials(at),
                "src-queue": source.queue,
            }
            target = Marking(destination, settings, mark, self._clock)
            carrier = Carrier(self.name, source, target, settings.rules, self._clock, self._stopping, self.progress)
            carrier.carry(left, settings.idle)
            source.finish()

    def _open_destination(self, source: Source, opened: contextlib.ExitStack) -> tuple[Into, str]:
        """Open the other side; also returns which of its URLs was used. Raises BatonError."""
        end = self.settings.destination
        if end.queue is not None and source.uri in end.uris and source.can.transactions:
            source.declare(end, end.queue)
            return Within(source, end.queue), source.uri
        destination = open_destination(end, self._find_local)
        opened.callback(destination.close)
        self._open = (source, destination)
        return destination, destination.uri

    def _forget_ends(self) -> None:
        self._open = ()

    def _remaining(self, source: Source) -> int | None:
        after = self.settings.delete_after
        if after == "never":
            return None
        return source.count() if after == "queue-length" else max(0, int(after) - self.moved)
