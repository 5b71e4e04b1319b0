"""What a message may carry our own tools can take: any field, of any value, through both engines and on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import batonmq
from batonmq import fields
from batonmq.engines.messages import HeaderValue, received_message
from batonmq.properties import Properties
from tests.support.wire import Address

SOON = 30.0
S64 = st.integers(-(2**63), 2**63 - 1)

leaves: st.SearchStrategy[HeaderValue] = st.one_of(
    st.none(),
    st.booleans(),
    S64,
    S64.map(fields.LongLong),
    S64.map(fields.LongInteger),
    S64.map(fields.Timestamp),
    st.integers(-128, 127).map(fields.SignedByte),
    st.integers(0, 255).map(fields.UnsignedByte),
    st.integers(-(2**15), 2**15 - 1).map(fields.Short),
    st.integers(0, 2**16 - 1).map(fields.UnsignedShort),
    st.integers(0, 2**32 - 1).map(fields.UnsignedInt),
    st.floats(),
    st.floats(width=32).map(fields.Float32),
    st.builds(
        lambda number, scale: Decimal(number).scaleb(-scale), st.integers(-(2**31), 2**31 - 1), st.integers(0, 255)
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.binary().map(lambda tail: fields.LongString(b"\xff" + tail)),
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
tables = st.dictionaries(
    names,
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5)),
    max_size=5,
)
any_message = st.builds(
    lambda headers, timestamp, body: received_message(
        body, Properties.make(headers=headers, timestamp=timestamp, delivery_mode=2)
    ),
    tables,
    st.none() | S64,
    st.binary(max_size=50),
)
LATE = fields.Timestamp(1_700_000_000_000)
ODD: dict[str, HeaderValue] = {
    "late": LATE,
    "nan": float("nan"),
    "text": fields.LongString(b"\xff"),
    "d": Decimal("1.5"),
}


@pytest.fixture(params=["embedded", "amqp"])
def mq(request: pytest.FixtureRequest, name: str) -> Iterator[batonmq.Connection]:
    url = "memory:"
    if request.param == "amqp":
        address: Address = request.getfixturevalue("amqp")
        url = f"amqp://guest:guest@127.0.0.1:{address.port}/"
    with batonmq.connect(url) as mq:
        mq.declare(name)
        yield mq
        mq.delete(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(any_message, min_size=1, max_size=4))
def test_any_message_arrives_as_it_was_sent(mq: batonmq.Connection, name: str, messages: list[batonmq.Message]) -> None:
    mq.send_many(name, messages)
    with mq.receiver(name) as receiver:
        for sent in messages:
            (delivery,) = receiver.receive(wait=SOON)
            found = delivery.message
            assert (found.body, found.properties.raw) == (sent.body, sent.properties.raw)
            assert set(found.headers) == set(sent.headers)
            found.created_at  # noqa: B018  (it raises nothing)
            delivery.accept()


def test_headers_that_fit_no_frame_are_refused_and_the_connection_goes_on(amqp: Address, name: str) -> None:
    with batonmq.connect(f"amqp://guest:guest@127.0.0.1:{amqp.port}/") as mq:
        mq.declare(name)
        many: list[HeaderValue] = [None] * 200_000
        with pytest.raises(ValueError, match=r"the headers take 2000\d\d bytes, and the broker takes at most 13"):
            mq.send(name, b"", headers={"many": many})
        with pytest.raises(ValueError, match="the headers take"):
            mq.request(name, b"", headers={"many": many}, timeout=SOON)
        mq.send(name, b"", headers={"many": many[:100_000]})
        assert mq.count(name) == 1
        mq.delete(name)


@pytest.mark.parametrize(
    "command",
    [("receive",), ("receive", "-f", "-n", "1"), ("queues", "peek", "--json")],
    ids=["receive", "follow", "peek"],
)
def test_the_command_line_takes_it(amqp: Address, name: str, command: tuple[str, ...]) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{amqp.port}/"
    with batonmq.connect(url) as mq:
        mq.declare(name)
        mq.send(name, received_message(b"body", Properties.make(headers=ODD, timestamp=LATE)))
        done = subprocess.run(
            [sys.executable, "-m", "batonmq", *command, name],
            env={**os.environ, "BATONMQ_URL": url},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        mq.delete(name)
    assert (done.returncode, done.stderr) == (0, "")
    if command[0] == "receive":
        assert done.stdout == "body\n"
        return

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (shown,) = json.loads(done.stdout, parse_constant=refuse)
    assert shown["headers"] == {"late": LATE, "nan": "nan", "text": "/w==", "d": "1.5"}
