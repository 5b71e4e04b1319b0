"""The store's own rows: any value in any column of the file. It is looked at, repaired, and served or refused."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Hashable
from pathlib import Path
from typing import Final

import apsw

from batonmq.broker import ManagedOperations
from batonmq.errors import NotFound, StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store import SqliteStore
from batonmq.store.checking import check_file
from batonmq.store.repairing import repair_file
from proof.by_hand import EVERYTHING, ByHand
from proof.fuzz.choices import EDGES, Choices
from proof.fuzz.folders import new_folder
from proof.fuzz.target import Take, Target

# Without rowid, and with the columns that tell a row there.
TABLES: Final = ("definition", "lane", "message", "message", "body", "trash", "seen", "done", "probe")
VALUES: Final[tuple[object, ...]] = (
    None,
    0,
    1,
    -1,
    2,
    1.5,
    float("inf"),
    1e300,
    "",
    "text",
    "{}",
    "[]",
    "[" * 3000,
    "null",
    '{"a": 1e999}',
    "\x00",
    b"",
    b"\xff",
    b"\x00" * 4,
    b"\x00\x00\x00\x05\x01aF\x00\x00",
    bytes(5000),
    "queue",
    "binding",
    "x" * 300,
    -(1 << 63),
    "\u00b2",
    "1",
    *(edge for edge in EDGES if edge < 1 << 63),
)


def template(path: Path) -> None:
    """Make a store with messages of every kind, closed in order."""
    by_hand = ByHand(SqliteStore(str(path)))
    broker = by_hand.broker
    operations = ManagedOperations(broker.vhosts["/"], EVERYTHING, by_hand)
    operations.declare_queue("q", durable=True, arguments={})
    operations.declare_queue("rich", durable=True, arguments={"x-max-priority": 3, "x-dead-letter-exchange": ""})
    operations.declare_exchange("both", "fanout", durable=True)
    for queue in ("q", "rich"):
        operations.bind_queue(queue, "both", "", {})
    for number in range(12):
        headers = {"x-delay": 10_000} if number == 5 else {"a": 1}
        made = Properties.make(delivery_mode=2, priority=number % 3, headers=headers, expiration="900000")
        exchange = "both" if number % 4 == 3 else ""
        route = operations.resolve(exchange, "q" if number % 2 else "rich")
        body = b"x" * (9000 if number == 3 else 20)
        operations.vhost.router.publish(Message(exchange, "q", made, body), route.targets)
    by_hand.settle()
    broker.close()


def _hurt(path: Path, choices: Choices) -> tuple[str, ...]:
    """Write anything into some columns; tells which."""
    done: list[str] = []
    db = apsw.Connection(str(path))
    try:
        # So that NOT NULL keeps nobody from anything: a file may have been written by anything.
        db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'")
        db.execute("PRAGMA writable_schema=RESET")
        # What an earlier version has written has no checksums, which would tell at once that it is another row.
        if not choices.chance(4):
            for table in ("definition", "lane", "message", "trash"):
                db.execute(f"UPDATE {table} SET checksum = NULL")
        for _ in range(1 + choices.below(3)):
            table = choices.one_of(TABLES)
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            column = choices.one_of(columns)
            value = choices.one_of(VALUES) if not choices.chance(8) else choices.octets(choices.below(40))
            rows = db.execute(f"SELECT count(*) FROM {table}").get
            try:
                if not rows or choices.chance(8):
                    made = [choices.one_of(VALUES) for _ in columns]
                    db.execute(f"INSERT INTO {table} VALUES({','.join('?' * len(columns))})", made)
                elif choices.chance(16):
                    db.execute(f"DELETE FROM {table}")
                else:
                    names = ", ".join(columns[:3] if table == "definition" else columns[:1])
                    key = f"({names}) = (SELECT {names} FROM {table} LIMIT 1 OFFSET {choices.below(int(rows))})"
                    # As a text, also where it is none: bits of one that a disk has turned round.
                    new = "CAST(? AS TEXT)" if isinstance(value, bytes) and choices.chance(2) else "?"
                    db.execute(f"UPDATE {table} SET {column} = {new} WHERE {key}", (value,))
            except apsw.Error:
                # There is such a row, or the column takes numbers only.
                continue
            done.append(f"{table}.{column}")
    finally:
        db.close()
    return tuple(done)


def serve(path: Path) -> Hashable:
    """Open it and use all that there is."""
    try:
        by_hand = ByHand(SqliteStore(str(path)))
    except StoreError as error:
        return str(error).replace(str(path), "")[:40]
    broker = by_hand.broker
    try:
        operations = ManagedOperations(broker.vhosts["/"], EVERYTHING, by_hand)
        counts = []
        for name in list(operations.vhost.queues):
            queue = operations.vhost.queues[name]
            counts.append(queue.ready_count)
            message = Message("", name, Properties.make(delivery_mode=2), b"still")
            operations.vhost.router.publish(message, operations.resolve("", name).targets)
        by_hand.settle()
        by_hand.wait(100_000.0)
        for name in list(operations.vhost.queues):
            # A name with the end of a line in it can be said by no client.
            with contextlib.suppress(NotFound):
                operations.purge_queue(name)
        by_hand.settle()
        return tuple(counts)
    except StoreError as error:
        return str(error).replace(str(path), "")[:40]
    finally:
        # What cannot be written is told by whoever closes it.
        with contextlib.suppress(StoreError):
            broker.close()


def _make() -> Take:
    folder = new_folder()
    made = folder / "template.db"
    template(made)

    def take(data: bytes) -> Hashable:
        path, saved = folder / "store.db", folder / "saved.db"
        shutil.copyfile(made, path)
        try:
            done = _hurt(path, Choices(data))
            try:
                is_whole = check_file(str(path)).is_whole
            except StoreError:
                is_whole = False
            try:
                repair_file(str(path), saved)
            except StoreError:
                # There is nothing to save.
                saved.unlink(missing_ok=True)
            return done, is_whole, serve(path), serve(saved) if saved.exists() else None
        finally:
            for name in ("store.db*", "saved.db*"):
                for left in folder.glob(name):
                    left.unlink()

    return take


TARGETS = (
    Target(
        "rows.values",
        "any value in any column of the store: checked, repaired, and served or refused with what is damaged",
        _make,
        tuple(bytes((first, *range(first, 200, 1 + first % 7))) for first in range(0, 120, 9)),
        longest=60,
        is_session=True,
        may_log=True,
    ),
)
