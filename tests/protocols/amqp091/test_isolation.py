"""Whoever lacks a right, or is in another virtual host, is refused and changes nothing.

A method of AMQP 0-9-1 that is in no row fails: whoever makes one says here which rights it needs.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from pamqp import commands as spec
from pamqp.base import Frame as Method
from pamqp.common import FieldTable

from batonmq.broker.model import access
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.channel import HANDLERS
from tests.protocols.amqp091.client import Client, refusal
from tests.support.driven import Driven
from tests.support.isolation import MINE, OTHER, RIGHTS, STRANGER, THEIRS, USER, lacking, state, world

REFUSED, NOT_FOUND, DONE = 403, 404, 0


class Row(NamedTuple):
    """What is tried, and what comes of it with all rights in another virtual host."""

    what: str
    rights: str
    """The rights to configure, write and read of which it needs each by itself: some of "cwr"."""
    asked: tuple[Method, ...]
    elsewhere: int = DONE

    @property
    def method(self) -> str:
        return type(self.asked[0]).__qualname__.replace(".", "")


def row(what: str, rights: str, *asked: Method, elsewhere: int = DONE) -> Row:
    return Row(what, rights, asked, elsewhere)


DEAD_LETTERS: FieldTable = {"x-dead-letter-exchange": "theirs.x"}
TABLE = [
    row("declare an exchange", "c", spec.Exchange.Declare(0, "theirs2")),
    row("declare an exchange that is there", "c", spec.Exchange.Declare(0, "theirs.x", durable=True)),
    row(
        "declare an exchange with an alternate one",
        "cwr",
        spec.Exchange.Declare(0, "mine2", arguments={"alternate-exchange": "theirs.x"}),
    ),
    row("look for an exchange", "", spec.Exchange.Declare(0, "theirs.x", passive=True), elsewhere=NOT_FOUND),
    row("delete an exchange", "c", spec.Exchange.Delete(0, "theirs.x")),
    row("delete an exchange that is not there", "c", spec.Exchange.Delete(0, "theirs.none")),
    row("bind their exchange to mine", "wr", spec.Exchange.Bind(0, "theirs.x", "mine.x", "k"), elsewhere=NOT_FOUND),
    row("bind my exchange to theirs", "wr", spec.Exchange.Bind(0, "mine.x", "theirs.x", "j"), elsewhere=NOT_FOUND),
    row("unbind my exchange from theirs", "wr", spec.Exchange.Unbind(0, "mine.x", "theirs.x", "k"), elsewhere=DONE),
    row("declare a queue", "c", spec.Queue.Declare(0, "theirs2", durable=True)),
    row("declare a queue that is there", "c", spec.Queue.Declare(0, THEIRS, durable=True)),
    row(
        "declare a queue whose dead letters go elsewhere",
        "cwr",
        spec.Queue.Declare(0, "mine2", arguments=DEAD_LETTERS),
    ),
    row("look for a queue", "", spec.Queue.Declare(0, THEIRS, passive=True), elsewhere=NOT_FOUND),
    row("bind their queue", "wr", spec.Queue.Bind(0, THEIRS, "mine.x", "k"), elsewhere=NOT_FOUND),
    row("bind my queue to their exchange", "wr", spec.Queue.Bind(0, MINE, "theirs.x", "k"), elsewhere=NOT_FOUND),
    row("bind my queue to an exchange of the broker", "wr", spec.Queue.Bind(0, MINE, "amq.topic", "k")),
    row("unbind their queue", "wr", spec.Queue.Unbind(0, THEIRS, "theirs.x", "k")),
    row("purge a queue", "r", spec.Queue.Purge(0, THEIRS), elsewhere=NOT_FOUND),
    row("delete a queue", "c", spec.Queue.Delete(0, THEIRS)),
    row("delete a queue that is not there", "c", spec.Queue.Delete(0, "theirs.none")),
    row("consume", "r", spec.Basic.Consume(0, THEIRS), elsewhere=NOT_FOUND),
    row("consume without acknowledgements", "r", spec.Basic.Consume(0, THEIRS, no_ack=True), elsewhere=NOT_FOUND),
    row("get", "r", spec.Basic.Get(0, THEIRS), elsewhere=NOT_FOUND),
    row("get of a queue that is not there", "r", spec.Basic.Get(0, "theirs.none"), elsewhere=NOT_FOUND),
    row("publish to an exchange", "w", spec.Basic.Publish(0, "theirs.x", "k"), elsewhere=NOT_FOUND),
    row("publish to an exchange that is not there", "w", spec.Basic.Publish(0, "none", "k"), elsewhere=NOT_FOUND),
    row("publish to a queue", "w", spec.Basic.Publish(0, "", THEIRS)),
    row("publish to the broker's management", "w", spec.Basic.Publish(0, "batonmq.management", "")),
    row(
        "select, and publish in a transaction",
        "w",
        spec.Tx.Select(),
        spec.Basic.Publish(0, "", THEIRS),
        spec.Tx.Commit(),
    ),
    row("publish, confirmed", "w", spec.Confirm.Select(), spec.Basic.Publish(0, "", THEIRS)),
]
IDS = [each.what for each in TABLE]

# What is nobody else's: it concerns what the client itself has on its channel.
ITS_OWN = {
    "ChannelFlow", "BasicQos", "BasicCancel", "BasicAck", "BasicNack", "BasicReject", "BasicRecover",
    "BasicRecoverAsync", "TxCommit", "TxRollback",
}  # fmt: skip


def test_each_method_is_in_the_table() -> None:
    handled = {method.__name__ for method in (*HANDLERS, methods.BasicPublish)}
    rows = {each.method for each in TABLE}
    assert rows & ITS_OWN == set()
    assert rows | ITS_OWN == handled


@pytest.fixture
def driven() -> Driven:
    return world()


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_the_right(driven: Driven, row: Row) -> None:
    before = state(driven.broker)
    client = Client(driven, USER).start()
    assert refusal(client.say(*row.asked)) == REFUSED
    assert state(driven.broker) == before
    # Only the channel is closed.
    client.say(spec.Channel.CloseOk())
    client.say(spec.Channel.Open(), channel=2)
    assert refusal(client.say(spec.Basic.Get(0, MINE), channel=2)) == DONE
    client.lose()
    assert state(driven.broker) == before


@pytest.mark.skipif(access.__file__.endswith(".so"), reason="what is compiled cannot be replaced")
def test_a_check_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access.User, "may", lambda *_: True)
    for row in TABLE[::5]:
        with pytest.raises(AssertionError):
            test_without_the_right(world(), row)


@pytest.mark.parametrize("missing", RIGHTS)
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_one_of_the_rights(driven: Driven, row: Row, missing: str) -> None:
    before = state(driven.broker)
    client = Client(driven, lacking(missing)).start()
    came = refusal(client.say(*row.asked))
    assert (came == REFUSED) is (missing[0] in row.rights)
    if came == REFUSED:
        client.lose()
        assert state(driven.broker) == before


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_from_another_virtual_host(driven: Driven, row: Row) -> None:
    before, there = state(driven.broker), state(driven.broker, OTHER)
    client = Client(driven, STRANGER).start(OTHER)
    assert refusal(client.say(*row.asked)) == row.elsewhere
    assert state(driven.broker) == before
    if row.elsewhere != DONE:
        assert state(driven.broker, OTHER) == there


def test_a_virtual_host_without_a_right_to_it(driven: Driven) -> None:
    client = Client(driven, STRANGER)
    assert refusal(client.log_in()) == 530  # NOT_ALLOWED


@pytest.mark.parametrize(
    "asked",
    [
        spec.Basic.Ack(1),
        spec.Basic.Ack(0, multiple=True),
        spec.Basic.Nack(1),
        spec.Basic.Reject(1),
        spec.Basic.Cancel("c"),
        spec.Basic.Recover(requeue=True),
    ],
    ids=lambda asked: type(asked).__qualname__,
)
def test_what_another_client_holds_is_out_of_reach(driven: Driven, asked: Method) -> None:
    holder = Client(driven).start()
    holder.say(spec.Basic.Consume(0, THEIRS, "c"))
    before = state(driven.broker)
    queue = driven.operations.find_queue(THEIRS)
    assert queue.unsettled == 1
    Client(driven).start().say(asked)
    assert state(driven.broker) == before
    assert queue.unsettled == 1


def test_a_queue_of_another_connection_is_locked(driven: Driven) -> None:
    owner = Client(driven).start()
    owner.say(spec.Queue.Declare(0, "locked", exclusive=True))
    for asked in (
        spec.Queue.Declare(0, "locked", exclusive=True),
        spec.Queue.Declare(0, "locked", passive=True),
        spec.Queue.Bind(0, "locked", "amq.topic", "k"),
        spec.Queue.Unbind(0, "locked", "amq.topic", "k"),
        spec.Queue.Purge(0, "locked"),
        spec.Queue.Delete(0, "locked"),
        spec.Basic.Consume(0, "locked"),
        spec.Basic.Get(0, "locked"),
    ):
        assert refusal(Client(driven).start().say(asked)) == 405, asked  # RESOURCE_LOCKED
    assert "locked" in driven.operations.vhost.queues
