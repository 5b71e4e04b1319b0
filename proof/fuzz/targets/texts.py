"""Texts that people and programs write: selectors, regular expressions, cron expressions, URLs, configuration."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from importlib import metadata
from unittest.mock import patch

from batonmq.broker.features.cron import CronError, parse_cron
from batonmq.broker.patterns.cursor import PatternError
from batonmq.broker.patterns.expressions import compile_pattern
from batonmq.broker.selectors.lexer import SelectorError
from batonmq.broker.selectors.parser import parse_selector
from batonmq.engines.urls import parse_url
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.server.config_file import parse_config
from batonmq.server.failures import ConfigError
from proof.fuzz.target import Take, Target, ensure

HEADERS = Properties.make(headers={"a": 1, "b": "text", "c": True, "d": 1.5, "e": None}, priority=3, type="t")
NOW = 1_700_000_000_123
MESSAGE = Message("", "q", HEADERS, b"")


def _selectors() -> Take:
    def take(data: bytes) -> Hashable:
        text = data.decode(errors="replace")
        try:
            selector = parse_selector(text, converts_strings=bool(len(data) & 1), hyphenated=bool(len(data) & 2))
        except SelectorError as error:
            return str(error)[:16]
        return selector.matches(MESSAGE)

    return take


def _patterns() -> Take:
    texts = ("", "queue.a-1", "a" * 100, "é\n.")

    def take(data: bytes) -> Hashable:
        try:
            pattern = compile_pattern(data.decode(errors="replace"))
        except PatternError as error:
            return str(error)[:16]
        return tuple(pattern.found_in(text) for text in texts)

    return take


def _crons() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            cron = parse_cron(data.decode(errors="replace"))
        except CronError as error:
            return str(error)[:12]
        found = cron.after(NOW)
        ensure(found == 0 or found > NOW, f"{found} does not come after {NOW}")
        return found % 86_400_000

    return take


def _urls() -> Take:
    # Looking through all that is installed takes 20 ms, whatever the URL is.
    installed = cache(metadata.entry_points)

    def take(data: bytes) -> Hashable:
        try:
            with patch.object(metadata, "entry_points", installed):
                return parse_url(data.decode(errors="replace")).engine
        except ValueError as error:
            return str(error)[:12]

    return take


def _configs() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            parse_config(data.decode(errors="replace"), "FILE")
        except ConfigError as error:
            return str(error)[:30]
        return True

    return take


TARGETS = (
    Target(
        "text.selectors",
        "selectors, and a message by them",
        _selectors,
        (
            b"a = 1 AND b LIKE 't%x_' ESCAPE '!' OR NOT c",
            b"a BETWEEN 0 AND 5.5 AND b IN ('x', 'text')",
            b"e IS NULL",
            b"-a * (2 + 1e3) >= 0x10",
            b"JMSPriority > 3",
        ),
        (
            b"AND ",
            b"OR ",
            b"NOT ",
            b"(",
            b")",
            b"'",
            b"LIKE ",
            b"IN (",
            b"BETWEEN ",
            b"IS NULL",
            b"<>",
            b"9" * 20,
            b"%",
        ),
        300,
    ),
    Target(
        "text.patterns",
        "regular expressions of policies and permissions",
        _patterns,
        (b"^queue\\..*$", b"(a|b)*c{2,5}[^x-z]+?", b"(?i)A(?=b)(?!c)\\d\\w\\b", b"(a*)*(a+)+$", b"[[:alpha:]]\\x{41}"),
        (
            b"(",
            b")",
            b"*",
            b"+",
            b"{1,9}",
            b"{99}",
            b"[",
            b"]",
            b"|",
            b"(?:",
            b"(?=",
            b"(?!",
            b"\\",
            b"^",
            b"$",
            b"(?i)",
        ),
        80,
    ),
    Target(
        "text.crons",
        "cron expressions",
        _crons,
        (b"* * * * *", b"*/5 1-3,7 1 jan mon", b"0 0 29 2 *", b"59 23 31 12 0-7"),
        (b"*", b"/", b"-", b",", b" ", b"mon", b"dec", b"99999999999999999999"),
        100,
    ),
    Target(
        "text.urls",
        "URLs and paths of engines",
        _urls,
        (b"amqp://u:p@host:5672/v?heartbeat=5", b"orders.db", b"memory:", b"kafka://a,b:9092", b"file:///tmp/x.db"),
        (b"://", b":", b"@", b"/", b"?", b"&", b"=", b"%", b"[::1]", b"\x00", b"#"),
        150,
    ),
    Target(
        "text.configs",
        "the configuration's TOML",
        _configs,
        (
            b"[amqp]\nport = 5672\nheartbeat = 60\n",
            b"[stomp]\ndialect = 'activemq'\n",
            b"[[users]]\nname = 'a'\npassword = 'b'\n",
            b"a = " + b"[" * 250,
        ),
        (b"[", b"]", b"=", b"\n", b'"', b"'", b"{", b"}", b"[[", b"amqp", b"port", b"1979-05-27", b"inf", b"nan"),
        300,
    ),
)
