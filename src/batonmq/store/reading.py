"""Rows of the file as values: messages in several orders, and what a broker needs to come up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batonmq.fields import decode_table
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store.interface import POSITION_BITS, POSITION_MASK, Definition, LaneRecord, StoredMessage
from batonmq.store.schema import rows
from batonmq.store.texts import from_file

if TYPE_CHECKING:
    import apsw

SELECT = (
    "SELECT id, exchange, routing_key, properties,"
    " CASE WHEN shared > 0 THEN (SELECT body FROM body WHERE body.id = message.shared) ELSE message.body END,"
    " expires, deliveries, stored, shared, due, place FROM message "
)
# Between two rows, after a time and a row of a lane of delays, and of a lane those whose time is over.
IN_ORDER = "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
DELAYED = "WHERE id >> 45 = ? AND due > 0 AND due >= ? AND (due > ? OR id > ?) ORDER BY due, id LIMIT ?"
EXPIRED = "WHERE id >> 45 = ? AND expires > 0 AND expires <= ? AND id > ? ORDER BY expires LIMIT ?"

COUNT = (
    "SELECT count(*), coalesce(sum(length(message.body)), 0)"
    " + coalesce(sum((SELECT length(body.body) FROM body WHERE body.id = shared AND shared > 0)), 0)"
    " FROM message WHERE message.id BETWEEN ? AND ?"
)


def select_messages(db: apsw.Connection, where: str, values: tuple[int, ...], most_bytes: int) -> list[StoredMessage]:
    """The messages that ``where`` finds, until their bodies make up so many bytes. Raises apsw.Error."""
    found: list[StoredMessage] = []
    cursor = db.execute(SELECT + where, values)
    last_exchange = last_key = ""
    for row, exchange, routing_key, properties, body, expires, deliveries, stored, shared, due, place in cursor:
        if exchange.__class__ is bytes or routing_key.__class__ is bytes:
            exchange, routing_key = from_file(exchange), from_file(routing_key)
        # The same strings for the same address, as a publisher's messages have: encoders go by identity.
        if exchange == last_exchange:
            exchange = last_exchange
        if routing_key == last_key:
            routing_key = last_key
        last_exchange, last_key = exchange, routing_key
        message = Message(exchange, routing_key, Properties.decode(properties), body)
        message.shared_id = shared
        found.append(StoredMessage(row, message, expires, deliveries, stored, due, place))
        most_bytes -= len(body)
        if most_bytes <= 0:
            cursor.close()
            break
    return found


def read_definitions(db: apsw.Connection) -> list[Definition]:
    """All durable exchanges, queues, bindings and policies."""
    return [
        Definition(
            kind, from_file(vhost), from_file(name), json.loads(value), decode_table(arguments, 0, len(arguments))[0]
        )
        for kind, vhost, name, value, arguments in rows(
            db, "SELECT kind, vhost, name, value, arguments FROM definition"
        )
    ]


def read_lanes(db: apsw.Connection) -> list[LaneRecord]:
    """All lanes with what waits in them, counted where an unclean end left no count.

    The counts are stale from now on.
    """
    lanes = []
    for lane_id, vhost, queue, priority, handed, waiting, size in rows(
        db, "SELECT id, vhost, queue, priority, handed, waiting, waiting_bytes FROM lane"
    ):
        first = lane_id << POSITION_BITS
        span = (first, first | POSITION_MASK)
        if waiting is None:
            waiting, size = rows(db, COUNT, span)[0]
        last = rows(db, "SELECT max(id) FROM message WHERE id BETWEEN ? AND ?", span)[0][0]
        # Places to which a message is yet to return, and those that the mark covers, are not to be taken by others.
        place = rows(db, "SELECT max(place) FROM message WHERE place > 0 AND place BETWEEN ? AND ?", span)
        last = max(last or 0, place[0][0] or 0, first | handed)
        lanes.append(LaneRecord(lane_id, from_file(vhost), from_file(queue), priority, waiting, size, last))
    db.execute("UPDATE lane SET waiting = NULL WHERE waiting IS NOT NULL")
    return lanes
