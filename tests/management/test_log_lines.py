"""The log's last lines: bounded in number and size, from any thread, and without what looks like a secret."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from batonmq.management.log_lines import LINE_MAX, LINES_MAX, OCTETS_MAX, LogLine, LogLines

log = logging.getLogger("batonmq.test_log_lines")


@pytest.fixture
def lines() -> Iterator[LogLines]:
    kept = LogLines()
    kept.start()
    yield kept
    kept.stop()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("amqp://ann:sesame@broker/shop", "amqp://ann:***@broker/shop"),
        ("at stomp+ssl://:sesame@b and amqps://x:y@c", "at stomp+ssl://:***@b and amqps://x:***@c"),
        ("password=sesame", "password=***"),
        ('{"password": "sesame", "name": "ann"}', '{"password": "***", "name": "ann"}'),
        ("Authorization: Bearer sesame; Passphrase='sesame'", "Authorization: ***; Passphrase='***'"),
        ("api_key=sesame&token=sesame,x", "api_key=***&token=***,x"),
        ("user 'ann' logged in to virtual host '/'", "user 'ann' logged in to virtual host '/'"),
        ("the password is wrong", "the password is wrong"),
        ("http://127.0.0.1:15672/", "http://127.0.0.1:15672/"),
    ],
)
def test_what_looks_like_a_secret_is_not_kept(lines: LogLines, said: str, kept: str) -> None:
    log.warning("%s", said)
    assert lines.last(1)[0].message == kept


def test_so_many_lines_are_kept_and_of_so_many_octets(lines: LogLines) -> None:
    for number in range(LINES_MAX + 50):
        log.warning("line %d", number)
    kept = lines.last(10_000)
    assert [kept[0].message, kept[-1].message, len(kept)] == ["line 50", f"line {LINES_MAX + 49}", LINES_MAX]
    for _ in range(200):
        log.warning("%s", "x" * 10 * LINE_MAX)
    kept = lines.last(10_000)
    assert max(len(line.message) for line in kept) == LINE_MAX
    assert sum(4 * len(line.message) for line in kept) <= OCTETS_MAX


def test_a_traceback_belongs_to_its_line(lines: LogLines) -> None:
    try:
        raise ValueError("password=sesame")
    except ValueError:
        log.exception("it failed")
    (line,) = lines.last(1, logging.ERROR)
    assert line.message.startswith("it failed\nTraceback")
    assert line.message.endswith("ValueError: password=***")


def test_lines_of_all_threads_are_told_and_a_level_selects(lines: LogLines) -> None:
    told: list[LogLine] = []
    lines.listen(told.append)

    def write() -> None:
        log.warning("w")
        log.error("e")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.level for line in told) == ["error"] * 8 + ["warning"] * 8
    assert [line.level for line in lines.last(100, logging.ERROR)] == ["error"] * 8
    lines.forget(told.append)
    log.error("not told")
    assert len(told) == 16
    lines.stop()
    log.error("not kept")
    assert len(lines.last(100)) == 17
