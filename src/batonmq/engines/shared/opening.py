"""Finds the owner of a file: this process from now on, or another one, which it connects to."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import STARTING, Ending, Inherited, InUse
from batonmq.engines.shared.link import HELLO_SECONDS, Link
from batonmq.engines.shared.registry import own_file_as_guest
from batonmq.engines.shared.socket_path import HAS_SOCKETS, is_trusted, socket_path_of_note
from batonmq.errors import Closed, StoreError

__all__ = ["Reached", "dial", "reach"]

# Seconds. An owner that does not say where it listens does not share, unless it has just taken the lock.
SILENCE_SECONDS = 0.25
# Seconds. A killed process releases its locks one by one, with pauses on a busy machine.
ENDING_SECONDS = 5.0
FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Reached:
    """The link to the file's broker, and the engine that keeps the broker alive, if it is in this process."""

    link: Link
    own: EmbeddedEngine | None


def reach(path: str, patience: float, is_wanted: Callable[[], bool] = lambda: True) -> Reached:
    """Take the file, or connect to its owner. Tries for ``patience`` seconds, while it is wanted.

    Raises InUse if the owner does not share, or does not answer; StoreError, StoreCorrupt if the file cannot be used;
    Closed when it is not wanted any more.
    """
    end = time.monotonic() + patience
    silent_until: float | None = None
    before: type[InUse] = InUse
    pause = FIRST_PAUSE
    while is_wanted():
        try:
            return _take(path)
        except InUse as error:
            in_use = error
        now = time.monotonic()
        if in_use.note and in_use.note != STARTING and HAS_SOCKETS:
            link = dial(socket_path_of_note(path, in_use.note))
            if link is not None:
                return Reached(link, None)
        if in_use.note and HAS_SOCKETS:
            silent_until = None
        elif silent_until is None or type(in_use) is not before:
            silent_until = now + (ENDING_SECONDS if isinstance(in_use, Ending) else SILENCE_SECONDS)
        elif now >= silent_until:
            if isinstance(in_use, Ending):
                # It does not end.
                raise StoreError(str(in_use)) from None
            raise in_use
        before = type(in_use)
        if now >= end:
            if isinstance(in_use, Inherited):
                raise in_use
            raise InUse(f"{in_use}, which does not answer")
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)
    raise Closed("the connection was closed")


def _take(path: str) -> Reached:
    own, peer = own_file_as_guest(path)
    try:
        link = Link(peer)
        link.greet()
    except BaseException:
        own.close()
        raise
    return Reached(link, own)


def dial(path: str) -> Link | None:
    """Connect to the process that listens there; None: none does, or not yet. Raises StoreError."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Without a time limit it could wait for ever for room in the backlog of a stopped process.
    peer.settimeout(HELLO_SECONDS)
    try:
        peer.connect(path)
        if not is_trusted(peer):
            raise PermissionError(f"{path} is another user's")
    except OSError:
        peer.close()
        return None
    link = Link(peer)
    with contextlib.suppress(OSError):
        link.greet()
        return link
    return None
