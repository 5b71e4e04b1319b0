"""A tx.commit that the store fails is undone as a whole, whoever is there to hear of it (AMQP 0-9-1 §1.9.2.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pamqp import commands as spec
from pamqp.base import Frame as Method
from proof.by_hand import Host

import batonmq
from batonmq.protocols.amqp091 import transaction
from batonmq.protocols.amqp091.parser import Event
from batonmq.protocols.amqp091.session import amqp_session
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.sessions.session import Session
from batonmq.protocols.sessions.standing import SUSPENDED
from batonmq.store import sqlite
from tests.support.codec import BODY, HEADER, METHOD, encode_frame, encode_header, encode_method
from tests.support.driven import EVERYTHING
from tests.support.timed import Timed
from tests.support.wire import PROTOCOL_HEADER

PERSISTENT = spec.Basic.Properties(delivery_mode=2)


def method(channel: int, what: Method) -> bytes:
    return encode_frame(METHOD, channel, encode_method(what))


def message(body: bytes, channel: int = 1, exchange: str = "", key: str = "q") -> bytes:
    publish = method(channel, spec.Basic.Publish(0, exchange, key))
    header = encode_frame(HEADER, channel, encode_header(PERSISTENT, len(body)))
    return publish + header + encode_frame(BODY, channel, body)


@pytest.fixture
def timed(tmp_path: Path) -> Timed:
    """A disk that can fail."""
    return Timed(tmp_path / "store.db")


def selected(timed: Timed, settings: AmqpSettings) -> Session[Event]:
    """Its channels 1 and 2 are transactional."""
    session = amqp_session(timed.broker, Host({"guest": ("guest", EVERYTHING)}), settings)
    session.receive(PROTOCOL_HEADER)
    session.receive(method(0, spec.Connection.StartOk(mechanism="PLAIN", response="\0guest\0guest")))
    session.receive(method(0, spec.Connection.TuneOk(10, 131_072, 0)) + method(0, spec.Connection.Open("/")))
    for number in (1, 2):
        session.receive(method(number, spec.Channel.Open()) + method(number, spec.Tx.Select()))
    return session


@pytest.fixture
def session(timed: Timed) -> Session[Event]:
    """It waits for the store with a tx.commit: a message `a` to the queue `q`, and the ack of `m` from there."""
    timed.queue("q")
    timed.publish("m")
    timed.settle()
    session = selected(timed, AmqpSettings())
    session.receive(method(1, spec.Basic.Consume(0, "q", "c")))
    timed.settle()
    session.turn_ended()
    session.receive(message(b"a") + method(1, spec.Basic.Ack(1)) + method(1, spec.Tx.Commit()))
    assert session.standing() & SUSPENDED
    return session


@pytest.mark.parametrize("fails", [False, True])
def test_the_client_is_gone_when_the_store_answers(timed: Timed, session: Session[Event], fails: bool) -> None:
    session.connection_lost()
    if fails:
        timed.fail()
    else:
        timed.settle()
    assert timed.bodies() == (["m"] if fails else ["a"])
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


@pytest.mark.parametrize("fails", [False, True])
def test_the_broker_is_told_to_stop_meanwhile(timed: Timed, session: Session[Event], fails: bool) -> None:
    session.shutdown("for repairs")
    if fails:
        timed.fail()
    else:
        timed.settle()
    session.connection_lost()
    assert timed.bodies() == (["m"] if fails else ["a"])
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


def test_the_client_is_told_and_has_its_messages_back(timed: Timed, session: Session[Event]) -> None:
    session.output.clear()
    timed.fail()
    session.turn_ended()
    assert b"it could not be kept" in b"".join(session.output)
    session.connection_lost()
    assert timed.bodies() == ["m"]


def said(session: Session[Event]) -> bytes:
    """What there was to say since the last time."""
    session.turn_ended()
    found = b"".join(session.output)
    session.output.clear()
    return found


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_a_transaction_holds_so_many_messages(timed: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit does all of them in one turn, in which nobody else is served."""
    monkeypatch.setattr(transaction, "PUBLISHES_MAX", 3)
    timed.queue("q")
    session = selected(timed, AmqpSettings())
    session.receive(message(b"a") * 3 + method(1, spec.Tx.Commit()))
    timed.settle()
    session.receive(message(b"b") * 3 + method(1, spec.Tx.Rollback()) + message(b"c") * 3)
    assert b"PRECONDITION_FAILED" not in said(session)
    session.receive(message(b"c"))
    assert b"PRECONDITION_FAILED - a transaction holds at most 3 messages: commit before that" in said(session)
    timed.settle()
    assert timed.bodies() == ["a"] * 3


@pytest.mark.skipif(batonmq.compiled, reason="numbers that are compiled cannot be replaced")
def test_each_queue_counts_that_a_message_goes_to(timed: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "PUBLISHES_MAX", 3)
    for name in ("q", "r"):
        timed.queue(name)
        timed.operations.bind_queue(name, "amq.fanout", "", {})
    session = selected(timed, AmqpSettings())
    session.receive(message(b"a", exchange="amq.fanout"))
    assert b"PRECONDITION_FAILED" not in said(session)
    session.receive(message(b"a", exchange="amq.fanout"))
    assert b"PRECONDITION_FAILED" in said(session)


def test_the_transactions_of_a_connection_hold_so_many_bytes(timed: Timed) -> None:
    timed.queue("q")
    session = selected(timed, AmqpSettings(max_transaction_size=10))
    session.receive(message(b"123456") + method(1, spec.Tx.Commit()))
    timed.settle()
    session.receive(message(b"123456") + message(b"1234", channel=2))
    assert b"PRECONDITION_FAILED" not in said(session)
    session.receive(message(b"5", channel=2))
    assert b"the transactions of a connection hold at most 10 bytes: commit before that" in said(session)
    # With the channel its transaction is gone.
    session.receive(message(b"7890") + method(1, spec.Tx.Commit()))
    timed.settle()
    assert timed.bodies() == ["123456", "123456", "7890"]


@pytest.mark.parametrize("fails", [False, True])
def test_very_many_messages_are_written_beside_the_loop(
    timed: Timed, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(sqlite, "THREAD_ROWS", 5)
    timed.queue("q")
    timed.settle()
    session = selected(timed, AmqpSettings())
    session.receive(b"".join(message(b"%d" % number) for number in range(10)) + method(1, spec.Tx.Commit()))
    if fails:
        timed.fail()
    else:
        timed.settle()
    timed.crash()
    assert timed.bodies() == ([] if fails else [str(number) for number in range(10)])
