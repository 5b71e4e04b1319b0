"""The stores that are damaged: all kinds of rows, closed in order or left by a process that was killed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeAlias

from batonmq.fields import FieldValue
from batonmq.properties import Properties
from batonmq.server.users import PermissionEntry, UserEntry, UserFile
from proof.damage.broker import Hand

__all__ = ["KINDS", "SETTLED", "STORE", "USERS", "Sent", "make_store"]

STORE = "batonmq.db"
KINDS = ("closed", "killed")
# By queue, in the order in which they were sent: bodies of messages that were confirmed and not settled; and, with
# this before its name, of those that were.
SETTLED = "settled "
USERS = {
    "ann": UserEntry(password_hash="", tags=("monitoring",)),
    "bob": UserEntry(password_hash="", permissions={"/": PermissionEntry("^mine-", ".*", "")}, limits={"channels": 7}),
}
Sent: TypeAlias = dict[str, list[bytes]]


def _body(queue: str, number: int, size: int) -> bytes:
    start = f"{queue} {number} ".encode()
    return start + hashlib.shake_128(start).digest(size)


def make_store(folder: Path, kind: str) -> Sent:
    """Make a data directory in a process of its own, and tell what is in it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _fill(folder / STORE, kind)
            code = 0
        finally:
            # Without a word: nothing is flushed or closed.
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError("a store could not be made")
    with UserFile(folder).change() as users:
        users.update(USERS)
    sent: Sent = {}
    for queue, (first, count, size) in CONTENT.items():
        sent[queue] = [_body(queue, number, size) for number in range(first, count)]
        sent[SETTLED + queue] = [_body(queue, number, size) for number in range(first)]
    return sent


# Queue: how many are settled again, how many there are, and how large each is. The last two share their bodies.
CONTENT = {"small": (40, 600, 60), "large": (2, 8, 30_000), "important": (0, 60, 200), "one": (0, 6, 9_000)}
ARGUMENTS: dict[str, dict[str, FieldValue]] = {"important": {"x-max-priority": 5}}


def _fill(file: Path, kind: str) -> None:
    hand = Hand(file)
    operations = hand.operations
    for queue in (*CONTENT, "two", "later"):
        operations.declare_queue(queue, durable=True, arguments=ARGUMENTS.get(queue, {}))
    operations.declare_exchange("both", "fanout", durable=True)
    for queue in ("one", "two"):
        operations.bind_queue(queue, "both", "", {})
    hand.settle()
    for queue, (_, count, size) in CONTENT.items():
        for number in range(count):
            priority = number % 3 if queue == "important" else None
            made = Properties.make(delivery_mode=2, priority=priority, message_id=f"{queue}-{number}")
            exchange = "both" if queue == "one" else ""
            hand.publish(_body(queue, number, size), queue, exchange, made)
            if number % 50 == 49:
                hand.settle()
    for number in range(20):
        made = Properties.make(delivery_mode=2, headers={"x-delay": 1_000_000 + number})
        hand.publish(b"later", "later", properties=made)
    hand.settle()
    for queue, (settled, _, _) in CONTENT.items():
        taker = hand.take(queue, settled + 3)
        hand.settle()
        taker.most = 0
        for queued in taker.held[:settled]:
            taker.queue.accept(queued)
        if kind == "closed":
            taker.queue.unsubscribe(taker)
            taker.queue.release(taker.held[settled:])
    hand.settle()
    if kind == "closed":
        hand.broker.close()
