"""Files of each format, written by the version that had it and left by a process that was killed: all are taken up.

`formats/N.tar.gz` is a data directory: twenty small messages and a large one in `orders`, one that waits for its time,
two in `urgent`, and the user ann. The first of `orders` was accepted, and the second was in a consumer's hands.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import apsw
import pytest
from proof.archives import unpack
from tests.support.driven import Driven

from batonmq.errors import StoreCorrupt
from batonmq.server.users import UserFile
from batonmq.store.schema import UPGRADES, VERSION, connect

FORMATS = Path(__file__).parent / "formats"
ORDERS = [f"order {number}" for number in range(1, 20)]


def unpacked(version: int, folder: Path) -> Path:
    """The file of a data directory of that format."""
    unpack(FORMATS / f"{version}.tar.gz", folder)
    return folder / "batonmq.db"


def version_of(path: Path) -> object:
    """What a file says, its log included."""
    db = apsw.Connection(str(path))
    try:
        return db.pragma("user_version")
    finally:
        db.close()


def serves_all(path: Path) -> None:
    """All that was confirmed is there, in order, marked and counted."""
    driven = Driven(path)
    orders = driven.operations.find_queue("orders")
    assert (orders.ready_count, orders.delayed_count) == (20, 1)
    taker = driven.consume("orders", prefetch=100)
    driven.settle()
    assert taker.seen[:19] == ORDERS
    assert taker.held[19].message.body == b"large " * 2000
    assert [queued.returns for queued in taker.held] == [1, *[0] * 19]
    assert driven.bodies("urgent") == ["now", "last"]
    driven.broker.close()


def test_there_is_one_of_each() -> None:
    assert sorted(UPGRADES) == list(range(1, VERSION))
    assert {int(file.name.partition(".")[0]) for file in FORMATS.iterdir()} == set(range(1, VERSION + 1))


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_all_of_it_is_taken_up(version: int, tmp_path: Path) -> None:
    path = unpacked(version, tmp_path)
    assert version_of(path) == version
    assert "ann" in UserFile(tmp_path).load()
    serves_all(path)
    assert version_of(path) == VERSION


@pytest.mark.parametrize("version", [1, 4, VERSION - 1])
def test_an_upgrade_is_whole_or_was_not(version: int, tmp_path: Path) -> None:
    """Ended at each of its statements, with no more than what the disk has by then, it begins again."""
    statement = 0
    is_over = False
    while not is_over:
        statement += 1
        folder = tmp_path / str(statement)
        folder.mkdir()
        path = unpacked(version, folder)
        is_over = upgrade_ends_at(path, statement)
        assert version_of(path) == (VERSION if is_over else version)
        serves_all(path)
    assert statement > VERSION - version


def upgrade_ends_at(path: Path, statement: int) -> bool:
    """Upgrade the file in a process that ends at one statement; tells whether it came to its end before that."""
    child = os.fork()
    if child == 0:
        seen = 0

        def trace(_: object, sql: str, __: object) -> bool:
            nonlocal seen
            if sql.lstrip().startswith(("ALTER", "CREATE TABLE IF", "UPDATE message SET dead", "PRAGMA user_version")):
                seen += 1
                if seen == statement:
                    os._exit(7)
            return True

        apsw.connection_hooks.append(lambda db: setattr(db, "exec_trace", trace))
        connect(str(path)).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("version", [VERSION + 1, 99])
def test_a_newer_one_is_refused_with_both_named(version: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = unpacked(VERSION, tmp_path)
    db = apsw.Connection(str(path))
    db.pragma("user_version", version)
    db.close()
    before = path.read_bytes()
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreCorrupt, match=f"format {version}, .* knows {VERSION}"):
        Driven(path)
    assert path.read_bytes() == before
    assert not caplog.records
