"""Writes the messages of a batch into the open transaction, many rows in a statement."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias
from zlib import crc32

import apsw

from batonmq.queued import DURABLE, HELD
from batonmq.store.checksums import FACTORS, MODULUS, added, address_sum, content_sum
from batonmq.store.texts import to_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.message import Message
    from batonmq.properties import Properties
    from batonmq.queued import QueuedMessage

__all__ = ["Delayed", "Value", "write_messages", "write_rows"]

log = logging.getLogger("batonmq.store")

Value: TypeAlias = int | str | bytes | None
Delayed: TypeAlias = "tuple[QueuedMessage, int, int]"
"""A delayed message, when it is due, and the row to which it then returns (0: the tail)."""


def _insert(columns: str, count: int, *, is_held: bool) -> str:
    """A statement that inserts ``count`` rows with one address, which is bound once.

    apsw goes through its text each time: with numbers for all values, 32 rows take 2,300 instructions more.
    """
    held, ones = (", deliveries, returned", ",1,1") if is_held else ("", "")
    row = ",".join("?" * (columns.count(",") + 1))
    values = ",".join([f"(?1,?2{ones},{row})"] * count)
    return f"INSERT INTO message(exchange, routing_key{held}, {columns}) VALUES{values}"


def _inserts(columns: str, *, is_held: bool = False) -> list[tuple[int, str]]:
    """Statements that insert several rows, each with the number of its values.

    In a statement that inserts a single row, the row takes a third of the time. 64 rows at once are hardly cheaper than
    32.
    """
    width = columns.count(",") + 1
    return [(width * count, _insert(columns, count, is_held=is_held)) for count in (32, 8, 1)]


PLAIN_COLUMNS: Final = "id, properties, body, checksum"
FRAMED_COLUMNS: Final = "id, properties, body, framing, start, size, checksum"
PLAIN: Final = _inserts(PLAIN_COLUMNS)
FRAMED: Final = _inserts(FRAMED_COLUMNS)
# A message that a consumer holds when it is written is stored as if it had come back already. So its lane needs no mark
# for it, and a commit of one message writes one page instead of two.
PLAIN_HELD: Final = _inserts(PLAIN_COLUMNS, is_held=True)
FRAMED_HELD: Final = _inserts(FRAMED_COLUMNS, is_held=True)
# For a message that is written alone.
ONE: Final = PLAIN[-1][1]
ONE_HELD: Final = PLAIN_HELD[-1][1]
# What these two columns add to a checksum.
HELD_SUM: Final = FACTORS["deliveries"] + FACTORS["returned"]
INSERT_BODY: Final = "INSERT OR IGNORE INTO body VALUES(?,?)"
INSERT_FULL: Final = (
    "INSERT INTO message(id, exchange, routing_key, properties, body, expires, deliveries, returned, stored, shared,"
    " due, place, dead, framing, start, size, checksum) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def write_messages(cursor: apsw.Cursor, inserts: dict[int, QueuedMessage], delayed: dict[int, Delayed]) -> None:
    """Write new messages by row, and delayed ones, on the loop: with ``executemany`` it takes 1 us for each."""
    if not delayed and _write_lone(cursor, inserts):
        return
    runs: dict[tuple[str, str], _Run] = {}
    run: _Run | None = None
    full: list[tuple[Value, ...]] = []
    bodies: dict[int, bytes] = {}
    last_exchange: str | None = None
    last_key: str | None = None
    properties: Properties | None = None
    raw = b""
    before_body = 0
    sum_of = crc32
    for row, queued in inserts.items():
        message = queued.message
        if _is_plain(queued, message):
            # Similar messages share the objects of their address and properties.
            if run is None or message.exchange is not last_exchange or message.routing_key is not last_key:
                last_exchange, last_key = message.exchange, message.routing_key
                run = runs.get((last_exchange, last_key))
                if run is None:
                    run = runs[last_exchange, last_key] = _Run(last_exchange, last_key)
                properties = None
            if message.properties is not properties:
                properties = message.properties
                raw = properties.raw
                before_body = sum_of(raw, run.sum)
            framing = message.framing
            if framing is None or not framing.code:
                body = message.body
                if queued.state != HELD:
                    run.plain += (row, raw, body, (sum_of(body, before_body) + row) % MODULUS)
                else:
                    run.plain_held += (row, raw, body, (sum_of(body, before_body) + row + HELD_SUM) % MODULUS)
            else:
                payload, start, size, code = message.payload, message.start, message.size, framing.code
                checksum = sum_of(payload, before_body) + row + (code << 60 | start << 30 | size)
                if queued.state != HELD:
                    run.framed += (row, raw, payload, code, start, size, checksum % MODULUS)
                else:
                    run.framed_held += (row, raw, payload, code, start, size, (checksum + HELD_SUM) % MODULUS)
            continue
        if message.shared_id:
            bodies[message.shared_id] = message.kept
        full.append(_all_of(row, queued, 0, 0))
    for row, (queued, due, return_row) in delayed.items():
        if queued.message.shared_id:
            bodies[queued.message.shared_id] = queued.message.kept
        full.append(_all_of(row, queued, due, return_row))
    if runs:
        found = runs.values()
        _write_runs(cursor, PLAIN, [(run.address, run.plain) for run in found if run.plain])
        _write_runs(cursor, PLAIN_HELD, [(run.address, run.plain_held) for run in found if run.plain_held])
        _write_runs(cursor, FRAMED, [(run.address, run.framed) for run in found if run.framed])
        _write_runs(cursor, FRAMED_HELD, [(run.address, run.framed_held) for run in found if run.framed_held])
    if full:
        write_rows(cursor, INSERT_FULL, full)
    if bodies:
        cursor.executemany(INSERT_BODY, bodies.items())


def _write_lone(cursor: apsw.Cursor, inserts: dict[int, QueuedMessage]) -> bool:
    """Write a lone message, for half of what a run of one takes; False: there are more, or it is no plain one."""
    if len(inserts) != 1:
        return False
    for row, queued in inserts.items():
        message = queued.message
        framing = message.framing
        if not _is_plain(queued, message) or (framing is not None and framing.code):
            return False
        exchange, routing_key = to_file(message.exchange), to_file(message.routing_key)
        raw, body = message.properties.raw, message.body
        sql, checksum = ONE, crc32(body, crc32(raw, address_sum(exchange, routing_key))) + row
        if queued.state == HELD:
            sql, checksum = ONE_HELD, checksum + HELD_SUM
        write_rows(cursor, sql, [(exchange, routing_key, row, raw, body, checksum % MODULUS)])
    return True


def _is_plain(queued: QueuedMessage, message: Message) -> bool:
    """Do the columns of PLAIN, or FRAMED, tell all of it?"""
    return queued.stored == DURABLE and not (
        queued.expires_at or queued.returns or message.shared_id or message.is_dead_letter
    )


class _Run:
    """The rows of messages with one address, with the columns of PLAIN and FRAMED."""

    __slots__ = ("address", "framed", "framed_held", "plain", "plain_held", "sum")

    def __init__(self, exchange: str, routing_key: str) -> None:
        in_file = to_file(exchange), to_file(routing_key)
        self.address: list[Value] = list(in_file)
        self.sum = address_sum(*in_file)
        self.plain: list[Value] = []
        self.plain_held: list[Value] = []
        self.framed: list[Value] = []
        self.framed_held: list[Value] = []


def _write_runs(
    cursor: apsw.Cursor, inserts: list[tuple[int, str]], runs: list[tuple[list[Value], list[Value]]]
) -> None:
    """Write the rows of each address, by as few statements as possible."""
    groups: list[tuple[int, str, list[list[Value]]]] = [(length, sql, []) for length, sql in inserts]
    for address, values in runs:
        at = 0
        end = len(values)
        for length, _, rows in groups:
            while end - at >= length:
                rows.append(address + values[at : at + length])
                at += length
    for _, sql, rows in groups:
        if rows:
            write_rows(cursor, sql, rows)


def write_rows(cursor: apsw.Cursor, sql: str, rows: Sequence[Sequence[Value]]) -> None:
    """Write rows; one that exists already, which is a fault of ours, is replaced, so that the batch does not fail."""
    try:
        cursor.executemany(sql, rows)
    except apsw.ConstraintError as error:
        log.error("a fault of the broker's own: %s; the rows that are in the way are replaced", error)
        verb = sql.split(" ", 1)[0]
        cursor.executemany(sql.replace(verb, f"{verb} OR REPLACE", 1), rows)


def _all_of(row: int, queued: QueuedMessage, due: int, return_row: int) -> tuple[Value, ...]:
    message = queued.message
    framing = message.framing
    code = framing.code if framing is not None else 0
    is_held = queued.state == HELD
    deliveries = queued.return_count + is_held
    returned = 1 if queued.returns or is_held else 0
    start, size = (message.start, message.size) if code else (0, 0)
    exchange, routing_key, raw, kept = message.exchange, message.routing_key, message.properties.raw, message.kept
    checksum = content_sum(exchange, routing_key, raw, kept)
    checksum += row + added(
        expires=queued.expires_at,
        deliveries=deliveries,
        returned=returned,
        stored=queued.stored,
        shared=message.shared_id,
        due=due,
        place=return_row,
        dead=int(message.is_dead_letter),
        framing=code,
        start=start,
        size=size,
    )
    return (
        row,
        to_file(exchange),
        to_file(routing_key),
        raw,
        None if message.shared_id else kept,
        queued.expires_at,
        deliveries,
        returned,
        queued.stored,
        message.shared_id,
        due,
        return_row,
        int(message.is_dead_letter),
        code,
        start,
        size,
        checksum % MODULUS,
    )
