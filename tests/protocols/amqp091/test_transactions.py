"""A tx.commit that the store fails is undone as a whole, whoever is there to hear of it (AMQP 0-9-1 §1.9.2.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pamqp import commands as spec
from pamqp.base import Frame as Method

from batonmq.protocols.amqp091.session import AmqpSession
from batonmq.protocols.amqp091.settings import AmqpSettings
from tests.support.codec import BODY, HEADER, METHOD, encode_frame, encode_header, encode_method
from tests.support.driven import EVERYTHING
from tests.support.stomp import Host
from tests.support.timed import Timed
from tests.support.wire import PROTOCOL_HEADER

PERSISTENT = spec.Basic.Properties(delivery_mode=2)


def method(channel: int, what: Method) -> bytes:
    return encode_frame(METHOD, channel, encode_method(what))


def message(body: bytes) -> bytes:
    publish = method(1, spec.Basic.Publish(0, "", "q"))
    return publish + encode_frame(HEADER, 1, encode_header(PERSISTENT, len(body))) + encode_frame(BODY, 1, body)


@pytest.fixture
def timed(tmp_path: Path) -> Timed:
    """A disk that can fail."""
    return Timed(tmp_path / "store.db")


@pytest.fixture
def session(timed: Timed) -> AmqpSession:
    """It waits for the store with a tx.commit: a message `a` to the queue `q`, and the ack of `m` from there."""
    timed.queue("q")
    timed.publish("m")
    timed.settle()
    session = AmqpSession(timed.broker, Host({"guest": ("guest", EVERYTHING)}), AmqpSettings())
    session.receive(PROTOCOL_HEADER)
    session.receive(method(0, spec.Connection.StartOk(mechanism="PLAIN", response="\0guest\0guest")))
    session.receive(method(0, spec.Connection.TuneOk(10, 131_072, 0)) + method(0, spec.Connection.Open("/")))
    session.receive(method(1, spec.Channel.Open()) + method(1, spec.Tx.Select()))
    session.receive(method(1, spec.Basic.Consume(0, "q", "c")))
    timed.settle()
    session.turn_ended()
    session.receive(message(b"a") + method(1, spec.Basic.Ack(1)) + method(1, spec.Tx.Commit()))
    assert session.suspended
    return session


@pytest.mark.parametrize("fails", [False, True])
def test_the_client_is_gone_when_the_store_answers(timed: Timed, session: AmqpSession, fails: bool) -> None:
    session.connection_lost()
    if fails:
        timed.fail()
    else:
        timed.settle()
    assert timed.bodies() == (["m"] if fails else ["a"])
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


@pytest.mark.parametrize("fails", [False, True])
def test_the_broker_is_told_to_stop_meanwhile(timed: Timed, session: AmqpSession, fails: bool) -> None:
    session.shutdown("for repairs")
    if fails:
        timed.fail()
    else:
        timed.settle()
    session.connection_lost()
    assert timed.bodies() == (["m"] if fails else ["a"])
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


def test_the_client_is_told_and_has_its_messages_back(timed: Timed, session: AmqpSession) -> None:
    session.output.clear()
    timed.fail()
    session.turn_ended()
    assert b"it could not be kept" in b"".join(session.output)
    session.connection_lost()
    assert timed.bodies() == ["m"]
