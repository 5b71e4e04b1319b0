"""One line in the log for each event, whatever a client has put into it."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator

import pytest

from batonmq.server.logs import JsonLine, OneLine, configure_logging


def test_control_characters_do_not_begin_a_line_of_their_own() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "user %s", ("a\r\nINFO all is well\x1b[2J\u2028\x85x",), None)
    shown = OneLine("%(levelname)s %(message)s").format(record)
    assert shown == "INFO user a\\x0d\\x0aINFO all is well\\x1b[2J\\u2028\\x85x"


def test_a_name_that_is_no_utf_8_can_be_written_by_any_handler() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "no queue '%s'", ("q\udcff\ud800",), None)
    assert OneLine("%(message)s").format(record) == "no queue 'q\\xff\\ud800'"


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("batonmq.connection", logging.WARNING, "f", 1, message, arguments, None)
    made.created = 1_700_000_000.25
    made.__dict__.update(fields)
    return made


def test_a_line_of_json_has_what_is_known_in_fields_of_its_own() -> None:
    shown = JsonLine().format(record("%s: closed", "127.0.0.1:1", peer="127.0.0.1:1", vhost="/", channel=3))
    assert json.loads(shown) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "batonmq.connection",
        "message": "127.0.0.1:1: closed",
        "peer": "127.0.0.1:1",
        "vhost": "/",
        "channel": 3,
    }


def test_a_line_of_json_is_one_line_of_ascii_whatever_a_client_has_put_into_it() -> None:
    made = record("user '%s'", "a\r\n\x1b[2J\u2028\udcff\ud800ü", user="b\n\udcff")
    try:
        raise ZeroDivisionError("first\nsecond\u2028")
    except ZeroDivisionError:
        made.exc_info = sys.exc_info()
    shown = JsonLine().format(made)
    assert shown.isascii()
    assert shown.isprintable()
    said = json.loads(shown)
    assert said["message"] == "user 'a\r\n\x1b[2J\u2028\\xff\\ud800ü'"
    assert said["user"] == "b\n\\xff"
    assert said["exception"].endswith("ZeroDivisionError: first\nsecond\u2028")


@pytest.fixture
def _root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, of_loop = root.handlers[:], root.level, logging.getLogger("asyncio").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(of_loop)


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal_gets_each_line_with_its_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, form: str
) -> None:
    with (tmp_path_factory.mktemp("journal") / "stream").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logging("info", form)
        logging.getLogger("batonmq").info("hello")
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            logging.getLogger("batonmq").exception("broken")
        stream.seek(0)
        lines = stream.read().splitlines()
    assert lines[0].startswith("<6>")
    assert {line[:3] for line in lines[1:]} == {"<3>"}
    if form == "text":
        assert lines[0] == "<6>INFO    hello"
    else:
        assert [json.loads(line[3:])["message"] for line in lines] == ["hello", "broken"]


@pytest.mark.usefixtures("_root")
def test_what_is_no_journal_gets_lines_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("info", "json")
    logging.getLogger("batonmq").info("hello")
    assert json.loads(stream.getvalue())["message"] == "hello"
