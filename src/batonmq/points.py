"""Named instants in the life of a store and of a file that several processes share, at which a test can strike.

A crash harness kills the process there, a test counts or raises. Unless something is armed, reaching a point is one
look at an empty dictionary (40 ns), and none is reached once a message: only once a batch, a command or a hand-over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["POINTS", "arm", "disarm", "reached"]

POINTS = {
    "create.begun": "a new file is there, and has no tables yet",
    "create.done": "a new file has its tables",
    "upgrade.begun": "a file of an earlier format was found, and is unchanged",
    "upgrade.step": "in the transaction: one format further",
    "upgrade.done": "the file has this format",
    "recovery.begun": "the file is open, and nothing is mended yet",
    "recovery.noted": "what was in somebody's hands counts as delivered, and this opening has its number",
    "recovery.step": "a slice of what is left over was deleted, in a transaction of its own",
    "recovery.done": "all is mended, and the log is copied",
    "journal.begun": "the journal of dispatches is begun anew",
    "journal.noted": "a dispatch is in the journal; the consumer has not seen the message",
    "stage.begun": "a batch is about to be written into the transaction",
    "stage.rows": "its definitions and new messages are written; moves, keys and deletions are not",
    "stage.done": "all of a batch is written but what is left to the commit, and nothing is committed",
    "commit.begun": "a commit begins; what is written with it may not be written yet",
    "commit.ready": "all is written, and COMMIT comes next",
    "commit.done": "the disk has it, and nobody knows",
    "commit.failed": "it was rolled back, and nobody knows",
    "commit.told": "the broker knows how a commit ended, and has answered those who waited",
    "checkpoint.begun": "the log is about to be copied into the file",
    "checkpoint.done": "the log was copied",
    "log.renewed": "after an error of the disk: the log was copied, and the next commit begins it anew",
    "page.read": "some of what waits only in the file was read, and has no place in memory yet",
    "trash.deleted": "in the transaction: a slice of what was purged or dropped is deleted",
    "vacuum.done": "in the transaction: some free pages are given back",
    "reserve.made": "the room beside the file is reserved",
    "reserve.freed": "the reserved room is given up",
    "shortage.begun": "the disk is full, and that is known",
    "shortage.over": "there is room again",
    "close.committed": "the last commit is done; the file does not say that it was closed in order",
    "close.noted": "the file says so; the journal is still there",
    "close.done": "the file is closed, and its lock still held",
    "lock.taken": "this process has the file, and has not opened it",
    "lock.released": "this process has let go of the file",
    "roll.written": "the list of the guests is written",
    "take_over.begun": "a new owner knows whom to expect, and serves nobody yet",
    "take_over.claimed": "a guest's claims are entered, and it is not told",
    "take_over.answered": "a guest is about to be told what it keeps",
    "take_over.done": "a new owner serves",
    "guest.begun": "a command of a guest is read, and not done",
    "guest.done": "a command of a guest is done, and not committed",
    "answer.ready": "the outcome of a command is committed, and the guest not told",
    "answer.sent": "the guest was told",
    "owner.lost": "a guest has noticed that the owner has gone",
    "owner.found": "a guest has reached the next owner, or is it, and has not said what it holds",
    "owner.resumed": "a guest has read what the next owner has left it, and asks for the rest",
    "hand_over.begun": "an owner closes the file, and still serves",
    "hand_over.stopped": "nothing is dispatched any more; guests do not know",
    "hand_over.dismissed": "the guests were answered, and have the owner's last word",
}
"""Each point, and what is true when it is reached."""


class _Armed:
    """An action at one point, after the point was passed that many times."""

    __slots__ = ("_action", "_left", "_lock")

    def __init__(self, action: Callable[[], object], after: int) -> None:
        self._action = action
        self._left = after
        self._lock = threading.Lock()

    def meet(self) -> None:
        with self._lock:
            self._left -= 1
            is_due = self._left < 0
        if is_due:
            self._action()


_armed: dict[str, _Armed] = {}


def reached(name: str) -> None:
    """This point is reached. Raises the errors of the action that is armed here."""
    if _armed and (armed := _armed.get(name)) is not None:
        armed.meet()


def arm(name: str, action: Callable[[], object], *, after: int = 0) -> None:
    """Call ``action`` in any thread that reaches the point, each time once it was passed ``after`` times.

    It replaces an earlier action. Raises KeyError if there is no such point.
    """
    if name not in POINTS:
        raise KeyError(name)
    _armed[name] = _Armed(action, after)


def disarm() -> None:
    """Nothing is armed any more."""
    _armed.clear()
