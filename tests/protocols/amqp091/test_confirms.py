"""Confirms of what consumers settle while its commit is put off."""

from __future__ import annotations

from pathlib import Path

from pamqp import commands as spec, frame

from batonmq.protocols.sessions.unconfirmed import RUN_MOST
from tests.protocols.amqp091.client import PERSISTENT, Client
from tests.support.codec import BODY, HEADER, METHOD, encode_frame, encode_header, encode_method
from tests.support.driven import Driven


def _confirmed(client: Client) -> list[tuple[int, bool]]:
    """What is confirmed after the turn, without a commit."""
    client.driven.broker.end_turn()
    client.session.turn_ended()
    data = b"".join(client.session.output)
    client.session.output.clear()
    found: list[tuple[int, bool]] = []
    while data:
        length, _, each = frame.unmarshal(data)
        data = data[length:]
        if isinstance(each, spec.Basic.Ack):
            found.append((each.delivery_tag or 0, bool(each.multiple)))
    return found


def test_who_fills_a_window_in_one_read_hears_of_its_first_part(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue("q")
    client = Client(driven).start()
    client.say(spec.Confirm.Select())
    taker = driven.consume(prefetch=10 * RUN_MOST)
    driven.settle()
    store = driven.broker.store
    store.cut_at(RUN_MOST)
    one = (
        encode_frame(METHOD, 1, encode_method(spec.Basic.Publish(0, "", "q")))
        + encode_frame(HEADER, 1, encode_header(PERSISTENT, 1))
        + encode_frame(BODY, 1, b"m")
    )
    client.session.receive(one * (2 * RUN_MOST + 44))
    assert _confirmed(client) == []
    assert store.may_wait()
    store.part()
    # As one does that acknowledges a hundred at a time.
    taker.accept(200)
    assert _confirmed(client) == [(RUN_MOST, True)]
    taker.accept(100)
    assert _confirmed(client) == [(2 * RUN_MOST + 44, True)]
    assert not store.has_work()
