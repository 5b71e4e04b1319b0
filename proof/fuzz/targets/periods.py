"""Times, rates and sizes that people set: in the configuration, and as arguments of queues and in policies."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Hashable, Iterator

from msgspec import Struct
from msgspec.structs import fields

from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError
from batonmq.server.config import Config
from batonmq.server.config_file import parse_config
from batonmq.server.failures import ConfigError
from proof.fuzz.choices import Choices
from proof.fuzz.target import Take, Target, ensure

# What a table has to have beside the key that is tried.
NEEDED = {
    "shovel": "name = 'a'\nfrom_queue = 'a'\nto_queue = 'b'\n",
    "policy": "name = 'a'\npattern = ''\ndefinition = {message-ttl = 1}\n",
}
POLICY_KEYS = ("message-ttl", "expires", "max-length", "retry-delay", "retry-backoff", "delivery-limit")
MOST = 2**63 - 1


def _is_number(kind: object) -> bool:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) in (typing.Annotated, typing.Union):
        return any(_is_number(part) for part in typing.get_args(kind))
    return kind in (int, float)


def keys() -> Iterator[str]:
    """All keys of the configuration that are numbers, with their tables as TOML begins them."""
    for table in fields(Config):
        is_list = typing.get_origin(table.type) is tuple
        kind = typing.get_args(table.type)[0] if is_list else table.type
        if isinstance(kind, type) and issubclass(kind, Struct):
            head = f"[[{table.name}]]\n" if is_list else f"[{table.name}]\n"
            for one in fields(kind):
                if _is_number(one.type):
                    yield f"{head}{NEEDED.get(table.name, '')}{one.name} = "


def numbers(value: object) -> Iterator[float]:
    """All that a configuration has, wherever they stand."""
    if isinstance(value, Struct):
        for one in fields(value):
            yield from numbers(getattr(value, one.name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield value


def _configured() -> Take:
    heads = [
        *keys(),
        *(f"[[policy]]\nname = 'a'\npattern = ''\ndefinition.{key} = " for key in POLICY_KEYS),
    ]

    def take(data: bytes) -> Hashable:
        choices = Choices(data)
        head = choices.one_of(heads)
        text = head + choices.rest().decode(errors="replace")
        try:
            config = parse_config(text, "FILE")
        except ConfigError as error:
            return head, str(error)[-20:]
        for number in numbers(config):
            # Only a float is meant to be as large as it likes.
            is_countable = type(number) is float or abs(number) <= 2 * MOST + 1
            ensure(math.isfinite(number) and is_countable, f"{number} is taken from {text!r}")
        return head, True

    return take


def _arguments() -> Take:
    names = list(ARGUMENTS)

    def take(data: bytes) -> Hashable:
        choices = Choices(data)
        name = choices.one_of(names)
        encoded = choices.rest()
        try:
            table = decode_table(encoded, 0, len(encoded))[0]
        except FieldError as error:
            return str(error)[:16]
        outcomes: list[object] = []
        for value in table.values():
            try:
                checked = ARGUMENTS[name].check(value)
            except ValueError as error:
                outcomes.append(str(error)[:24])
                continue
            if isinstance(checked, float):
                # A factor, whose product is cut off at the longest period.
                ensure(math.isfinite(checked), f"{name} is {checked}")
            elif isinstance(checked, int):
                ensure(abs(checked) <= 2 * MOST + 1, f"{name} is {checked}")
            outcomes.append(type(checked))
        return name, tuple(outcomes)

    return take


VALUES = (
    b"10",
    b"0",
    b"1.5",
    b"-1",
    b"nan",
    b"inf",
    b"1e308",
    b"5e-324",
    b"9" * 30,
    b"true",
    b"'off'",
    b"1_000",
    b"{}",
)
COUNT = len(list(keys())) + len(POLICY_KEYS)
TABLES = (
    encode_table({"a": 1, "b": 1 << 40, "c": "text", "d": True, "e": 1.5, "f": -1, "g": None, "h": [1], "i": {}}),
    encode_table({"a": float("inf"), "b": float("nan"), "c": 1e300, "d": (1 << 63) - 1, "e": 255, "f": "a = 1"}),
)

TARGETS = (
    Target(
        "periods.configuration",
        "numbers of the configuration: what is taken is one that can be counted with",
        _configured,
        tuple(bytes((number,)) + VALUES[number % len(VALUES)] for number in range(COUNT))
        + tuple(b"\x00" + value for value in VALUES),
        (*VALUES, b"\n", b"=", b"e", b".", b"-", b"0x7f", b"12:00:00", b"1979-05-27"),
        80,
    ),
    Target(
        "periods.arguments",
        "arguments of queues, of any type: what is taken is one that can be counted with",
        _arguments,
        tuple(bytes((number,)) + table for number in range(0, len(ARGUMENTS), 3) for table in TABLES),
        (
            b"\x01aI\xff\xff\xff\xff",
            b"\x01al" + b"\x7f" + b"\xff" * 7,
            b"\x01ad\x7f\xf0" + bytes(6),
            b"\x01aT" + b"\xff" * 8,
            b"\x01aD\xff\x7f\xff\xff\xff",
            b"\x01aV",
        ),
        200,
    ),
)
