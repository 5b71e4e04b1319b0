"""One line in the log for each event, whatever a client has put into it."""

from __future__ import annotations

import logging

from batonmq.server.logs import OneLine


def test_control_characters_do_not_begin_a_line_of_their_own() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "user %s", ("a\r\nINFO all is well\x1b[2J\u2028\x85x",), None)
    shown = OneLine("%(levelname)s %(message)s").format(record)
    assert shown == "INFO user a\\x0d\\x0aINFO all is well\\x1b[2J\\u2028\\x85x"


def test_a_name_that_is_no_utf_8_can_be_written_by_any_handler() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "no queue '%s'", ("q\udcff\ud800",), None)
    assert OneLine("%(message)s").format(record) == "no queue 'q\\xff\\ud800'"
