"""Rows that a damaged file has lost, or that cannot be read: what is said of them, and what the queue has instead."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.support.driven import Driven

from batonmq.broker.queues import refilling
from batonmq.errors import StoreCorrupt
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store.checking import check_file
from batonmq.store.repairing import repair_file

COUNT = 21


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with some messages of queue `q`, as many that wait in queue `later`, closed in order."""
    path = tmp_path / "store"
    driven = Driven(path)
    driven.queue()
    driven.queue("later")
    for number in range(COUNT):
        driven.publish(str(number))
        driven.publish(str(number), {"x-delay": 10_000 + number}, queue="later")
    driven.settle()
    driven.broker.close()
    return path


def change(path: Path, sql: str) -> None:
    """Change the file as damage would: no count is carried on."""
    db = apsw.Connection(str(path))
    db.execute(sql)
    assert db.changes()
    db.close()


def bodies(driven: Driven, queue: str = "q") -> list[str]:
    taker = driven.consume(queue, prefetch=1_000)
    driven.settle()
    driven.wait(100)
    driven.settle()
    found = [queued.message.body.decode() for queued in taker.held]
    taker.leave()
    driven.settle()
    return found


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


LOST = "messages were counted that the store does not have: its file is damaged, and they are lost"
WAITING = "SELECT min(id) FROM message WHERE due > 0"
READY = "SELECT min(id) FROM message WHERE due = 0"


@pytest.mark.parametrize(
    ("which", "gone"), [("BETWEEN 3 AND 5", (3, 4, 5)), (f">= {COUNT - 2}", (COUNT - 2, COUNT - 1))]
)
@pytest.mark.parametrize("queue", ["q", "later"])
def test_rows_that_are_gone_are_told(
    path: Path, caplog: pytest.LogCaptureFixture, queue: str, which: str, gone: tuple[int, ...]
) -> None:
    condition, first = ("due = 0", READY) if queue == "q" else ("due > 0", WAITING)
    change(path, f"DELETE FROM message WHERE {condition} AND id - ({first}) {which}")
    driven = Driven(path)
    assert bodies(driven, queue) == [str(number) for number in range(COUNT) if number not in gone]
    assert lines(caplog) == [f"<Queue {queue!r} in '/'>: {len(gone)} {LOST}"]
    driven.broker.close()
    # What is there is counted now.
    driven = Driven(path)
    assert len(bodies(driven, queue)) == COUNT - len(gone)
    assert lines(caplog) == []
    driven.broker.close()


# Column and value that damage has put there, and what is said of the row.
UNREADABLE = [
    ("body = 'text'", "its checksum is wrong"),
    # One bit of an address makes it no text any more.
    ("routing_key = CAST(x'f1' AS TEXT)", "its checksum is wrong"),
    ("exchange = CAST(x'f1' AS TEXT)", "its checksum is wrong"),
    # And one bit of its type makes a text of any other value.
    ("body = CAST(x'f1' AS TEXT)", "its checksum is wrong"),
    ("properties = CAST(x'f1' AS TEXT)", "the content header is truncated"),
    ("checksum = CAST(x'f1' AS TEXT)", "its checksum is wrong"),
    ("body = NULL", "its body is NoneType"),
]


@pytest.mark.parametrize(("change_to", "what"), UNREADABLE)
@pytest.mark.parametrize("queue", ["q", "later"])
def test_rows_that_cannot_be_read_are_told_and_hide_no_others(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, queue: str, change_to: str, what: str
) -> None:
    """They stay in the file, and count there: of the others the last is read as well, whatever is read at a time."""
    monkeypatch.setattr(refilling, "READ_MESSAGES", 10)
    condition, first = ("due = 0", READY) if queue == "q" else ("due > 0", WAITING)
    change(path, f"UPDATE message SET {change_to} WHERE {condition} AND id - ({first}) = 3")
    (report,) = (report for report in check_file(str(path)).queues if report.queue == queue)
    assert (report.messages, report.damaged) == (COUNT - 1, 1)
    saved = repair_file(str(path), path.with_name("saved.db"))
    assert saved.kept["/", queue] == COUNT - 1
    # It is known which one is lost, and nothing else is said.
    assert (len(saved.lost["/", queue]), saved.notes) == (1, [])
    for _ in range(3):
        driven = Driven(path)
        found = bodies(driven, queue)
        told = lines(caplog)
        assert found == [str(number) for number in range(COUNT) if number != 3]
        (line,) = told
        assert line.startswith(f"<Queue {queue!r} in '/'>: row ")
        assert line.endswith(f"cannot be read and is left out: {what}")
        driven.broker.close()
        if queue == "later":
            # They are due, and in the queue itself now.
            break


@pytest.mark.parametrize("column", ["body", "properties"])
def test_octets_of_which_one_bit_makes_a_text_are_what_they_were(path: Path, column: str) -> None:
    """They are served, and saved, also where they are no UTF-8."""
    driven = Driven(path)
    driven.queue("binary")
    octets = bytes(range(256))
    message = Message("", "binary", Properties.make(delivery_mode=2, headers={"x": octets}), octets)
    driven.operations.vhost.router.publish(message, driven.operations.resolve("", "binary").targets)
    driven.settle()
    driven.broker.close()
    change(path, f"UPDATE message SET {column} = CAST({column} AS TEXT)")
    assert check_file(str(path)).is_whole
    saved = path.with_name("saved.db")
    assert repair_file(str(path), saved).notes == []
    for each in (path, saved):
        driven = Driven(each)
        assert bodies(driven) == [str(number) for number in range(COUNT)]
        found = driven.operations.find_queue("binary").get()
        assert found is not None
        assert (found.message.body, found.message.properties.headers) == (octets, {"x": octets})
        driven.broker.close()


def test_a_whole_file_has_nothing_to_be_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    driven = Driven(path)
    assert bodies(driven) == bodies(driven, "later") == [str(number) for number in range(COUNT)]
    driven.broker.close()
    assert lines(caplog) == []


def test_a_lane_with_a_number_that_none_has_is_told(path: Path) -> None:
    change(path, "INSERT INTO lane(id, vhost, queue, priority) VALUES(9223372036854775807, '/', 'q', 1)")
    problems = [str(problem) for problem in check_file(str(path)).problems]
    assert sum("lane 9223372036854775807" in problem for problem in problems) == 1
    with pytest.raises(StoreCorrupt, match="lane 9223372036854775807, of queue 'q': no lane has that number"):
        Driven(path)


@pytest.mark.parametrize("table", ["lane SET queue", "lane SET vhost", "definition SET name", "definition SET value"])
def test_a_text_that_is_none_is_told_in_a_line_and_costs_no_message(path: Path, table: str) -> None:
    """A disk has turned one bit round: of SQLite it is a text like any other."""
    name, _, column = table.partition(" SET ")
    change(
        path,
        f"UPDATE {name} SET {column} = CAST(x'f1' AS TEXT) WHERE rowid = 1"
        if name == "lane"
        else (f"UPDATE {name} SET {column} = CAST(x'f1' AS TEXT) WHERE kind = 'queue' AND name = 'q'"),
    )
    assert any("not UTF-8" in problem.what for problem in check_file(str(path)).problems)
    with pytest.raises(StoreCorrupt, match="is damaged: a text in it is not UTF-8"):
        Driven(path)
    saved = path.with_name("saved.db")
    assert sum(repair_file(str(path), saved).kept.values()) == 2 * COUNT
    assert check_file(str(saved)).is_whole


def test_a_queue_whose_name_is_no_text_is_saved_without_its_definition(path: Path) -> None:
    change(path, "DELETE FROM definition WHERE kind = 'queue' AND name = 'q'")
    change(path, "UPDATE lane SET queue = x'ff71', checksum = NULL WHERE queue = 'q'")
    saved = path.with_name("saved.db")
    notes = repair_file(str(path), saved).notes
    assert any("the definition of queue '\\udcffq'" in note for note in notes)
    driven = Driven(saved)
    assert bodies(driven, "\udcffq") == [str(number) for number in range(COUNT)]
    driven.broker.close()


@pytest.mark.parametrize("column", ["vhost", "queue"])
def test_a_lane_without_a_name_is_told_in_a_line(path: Path, column: str) -> None:
    """As an earlier version has written it, without a checksum that would tell."""
    db = apsw.Connection(str(path))
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    db.execute("PRAGMA writable_schema=ON")
    db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'lane'")
    db.execute("PRAGMA writable_schema=RESET")
    db.execute(f"UPDATE lane SET {column} = NULL, checksum = NULL WHERE queue = 'q'")
    db.close()
    assert any("'lane'" in problem.what for problem in check_file(str(path)).problems)
    with pytest.raises(StoreCorrupt, match="a row of its table 'lane' cannot be read"):
        Driven(path)
    saved = path.with_name("saved.db")
    assert sum(repair_file(str(path), saved).kept.values()) == 2 * COUNT
    assert check_file(str(saved)).is_whole
