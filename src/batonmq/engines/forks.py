"""What a forked child must not keep: it has the files and sockets of its parent, and none of its threads.

A lock or a connection that a child holds open would outlive the parent: nobody could take over from it, and nobody
would notice that it is gone.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKED", "Forked", "when_forked"]

FORKED = "the connection was opened before this process was forked from another, whose it is: connect anew in this one"
"""What a child is told that goes on with it, as web servers do that load the application first."""


class Forked(Protocol):
    """Something that is not to be used in a child."""

    def forked(self) -> None:
        """Called in the child, which has one thread: let go of what the parent holds, without a word to anybody."""


_here: WeakSet[Forked] = WeakSet()


def when_forked(one: Forked) -> None:
    """Tell it in every child from now on, as long as it lives."""
    _here.add(one)


def _in_child() -> None:
    for one in list(_here):
        one.forked()
    _here.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
