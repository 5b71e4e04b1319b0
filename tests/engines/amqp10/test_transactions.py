"""The link to the coordinator, beside a broker that says what a test tells it to."""

from __future__ import annotations

from typing import cast

from batonmq.engines.amqp10.client.receiver import ACCEPTED
from batonmq.engines.amqp10.client.sender import Sender
from batonmq.engines.amqp10.transactions import TransactionLink
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.protocols.amqp10.codec.constants import FRAME, TRANSFER
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declared,
    Disposition,
    TransactionalState,
    Transfer,
)
from tests.engines.amqp10.client.scripted import PLAIN_BODY, Scripted

TXN = b"t-1"


class Below:
    """What the link wants of an uplink."""

    def __init__(self, script: Scripted) -> None:
        self._script = script
        self.channel = -1

    def link_name(self, queue: str) -> str:
        return queue

    def attach(self, link: Sender, *, receives: bool) -> None:
        session = self._script.client.begin()
        session.attach(link, receives=receives)
        self.channel = session.number

    def say_settled(self) -> None:
        self._script.client.say_settled()


def test_what_is_accepted_in_another_session_is_said_before_the_discharge() -> None:
    script = Scripted().open()
    below = Below(script)
    transactions = TransactionLink(cast("Uplink", below))
    receiver, came = script.receiver()
    declared = transactions.declare()
    script.begin(below.channel)
    attach = Attach(name="transactions", handle=0, role=True, target=Coordinator())
    script.say(attach, channel=below.channel)
    script.give_credit(10, below.channel)
    script.say(Disposition(role=True, first=0, settled=True, state=Declared(txn_id=TXN)), channel=below.channel)
    assert declared.result() == TXN

    receiver.give_credit(2)
    for number in range(2):
        shape = Transfer(handle=0, delivery_id=number, delivery_tag=b"%d" % number)
        script.client.receive(frame(0, shape, PLAIN_BODY))
    assert len(came.came) == 2
    script.listen()
    state = TransactionalState(txn_id=TXN, outcome=ACCEPTED)
    for number in range(2):
        receiver.settle(number, state, settled=False)
    over = transactions.discharge(TXN, fail=False)
    said = [event[2] for event in script.listen() if event[0] in (FRAME, TRANSFER)]
    settled, discharge = said
    assert isinstance(settled, Disposition)
    assert (settled.first, settled.last, settled.settled) == (0, 1, False)
    assert isinstance(discharge, Transfer)
    script.say(Disposition(role=True, first=1, settled=True, state=Accepted()), channel=below.channel)
    assert over.done
    assert not over.failed
