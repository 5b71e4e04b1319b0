"""Cleans up in forked children: a child has its parent's files and sockets, but none of its threads.

A lock or a connection that a child holds open would outlive the parent: nobody could take over from it, and nobody
would notice that it is gone.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKED", "Forked", "end_watch", "watch_for_fork", "when_forked"]

FORKED = "the connection was opened before this process was forked from another, whose it is: connect anew in this one"
"""The error for a child that goes on using them, as under web servers that load the application first."""


class Forked(Protocol):
    """Something that must not be used in a child."""

    def forked(self) -> None:
        """Called in the child, which has one thread: drop the parent's resources silently."""


_here: WeakSet[Forked] = WeakSet()
# Objects of compiled classes, to which nothing can refer weakly. Each says itself when it has ended.
_watching: set[Forked] = set()


def when_forked(one: Forked) -> None:
    """Call its ``forked`` in every child from now on, as long as it lives."""
    _here.add(one)


def watch_for_fork(one: Forked) -> None:
    """The same for an object of a compiled class, until ``end_watch``."""
    _watching.add(one)


def end_watch(one: Forked) -> None:
    """The object has ended: in children it has nothing to drop any more."""
    _watching.discard(one)


def _in_child() -> None:
    for one in [*_here, *_watching]:
        one.forked()
    _here.clear()
    _watching.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
