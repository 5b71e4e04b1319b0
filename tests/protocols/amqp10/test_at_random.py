"""Whatever clients do with links, credit, outcomes and transactions: a message is in one place, and counted right."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batonmq.protocols.amqp10.codec.composites import Composite, encode_composite
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Coordinator,
    Declare,
    Declared,
    Detach,
    Discharge,
    Disposition,
    End,
    Flow,
    Modified,
    Outcome,
    Rejected,
    Released,
    Source,
    Target,
    TransactionalState,
    Transfer,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import UByte, UInt
from tests.protocols.amqp10.client import Client, Delivery, message
from tests.support.driven import Driven

DURABLE = b"\x00\x53\x70\xc0\x02\x01\x41"
VALUE = b"\x00\x53\x77"
WINDOW = 1_000_000
OUTCOMES: list[Outcome] = [
    Accepted(),
    Accepted(),
    Rejected(),
    Released(),
    Modified(),
    Modified(delivery_failed=True),
    Modified(delivery_failed=True, undeliverable_here=True),
]


@dataclass(eq=False)
class Sent:
    """A message, as the reference knows it."""

    body: bytes
    count: int = 0
    is_known: bool = False
    refused: set[object] = field(default_factory=set)
    # Who holds it: a link, or a transaction; None: it is ready.
    holder: object = None


@dataclass(eq=False)
class Link:
    """A link over which a client receives."""

    peer: Peer
    number: int
    is_settled: bool
    credit: int = 0
    delivery_count: int = 0
    drains: bool = False


@dataclass(eq=False)
class Txn:
    """An open transaction: what it would publish, and what it settles."""

    peer: Peer
    txn_id: bytes
    sent: list[Sent] = field(default_factory=list)
    settled: list[tuple[Link, int, Sent, Outcome, bool]] = field(default_factory=list)


class Peer:
    """One client with one session; follows what is said to it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.client = Client(machine.driven)
        self.client.open()
        self.begin()

    def begin(self) -> None:
        self.handles = itertools.count()
        self.numbers = itertools.count()
        self.links: dict[int, Link] = {}
        # By the broker's handles.
        self.theirs: dict[int, Link] = {}
        self.held: dict[int, tuple[Link, Sent]] = {}
        self.txns: list[Txn] = []
        self.answers: dict[int, Outcome | None] = {}
        self.next_incoming = 0
        self.sender = self.coordinator = -1
        self.say(Begin(next_outgoing_id=UInt(0), incoming_window=UInt(WINDOW), outgoing_window=UInt(WINDOW)))
        self.sender = self.attach(Target(address="/queues/q"))
        self.coordinator = self.attach(Coordinator())

    def attach(self, target: Target | Coordinator) -> int:
        handle = next(self.handles)
        self.say(
            Attach(
                name=f"{id(self)}.{handle}",
                handle=UInt(handle),
                role=False,
                source=Source(),
                target=target,
                initial_delivery_count=UInt(0),
            )
        )
        return handle

    def say(self, performative: Composite, payload: bytes = b"") -> None:
        self.client.session.receive(frame(0, performative, payload))  # type: ignore[arg-type]
        self.machine.pump()

    def transfer(self, handle: int, payload: bytes, *, pieces: int = 1, **fields: object) -> int:
        """In so many transfers; tells the delivery-id."""
        number = next(self.numbers)
        size = len(payload) // pieces + 1
        parts = [payload[at : at + size] for at in range(0, len(payload), size)]
        for index, part in enumerate(parts):
            transfer = Transfer(
                handle=UInt(handle),
                delivery_id=UInt(number),
                delivery_tag=number.to_bytes(4, "big"),
                message_format=UInt(0),
                more=index < len(parts) - 1,
                **fields,  # type: ignore[arg-type]
            )
            self.client.session.receive(frame(0, transfer, part))
        self.machine.pump()
        return number

    def take(self, came: object) -> None:
        """What the broker says."""
        if isinstance(came, Attach):
            if not came.role:
                self.theirs[came.handle] = self.links[int(came.name.rpartition(".")[2])]
        elif isinstance(came, Delivery):
            link = self.theirs[came.transfer.handle]
            assert link.credit > 0
            link.credit -= 1
            link.delivery_count += 1
            self.next_incoming += 1
            self.machine.delivered(link, came)
        elif isinstance(came, Disposition):
            last = came.first if came.last is None else came.last
            for number in range(came.first, last + 1):
                if came.role:
                    state = came.state
                    assert number not in self.answers
                    self.answers[number] = state.outcome if isinstance(state, TransactionalState) else state  # type: ignore[assignment]
        elif isinstance(came, Flow):
            if came.handle is not None and came.handle in self.theirs and came.drain:
                link = self.theirs[came.handle]
                assert link.drains
                link.drains = False
                assert came.link_credit == 0
                assert came.delivery_count == link.delivery_count + link.credit
                link.delivery_count += link.credit
                link.credit = 0
        else:
            assert isinstance(came, Begin | Detach | End), came
            assert getattr(came, "error", None) is None, came


class Machine(RuleBasedStateMachine):
    """Clients that do anything with links and messages; the broker is looked at after each step."""

    is_stored = False

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.driven = Driven(Path(self._folder.name) / "store" if self.is_stored else None)
        self.queue = self.driven.queue("q")
        self.there: dict[bytes, Sent] = {}
        self.peers: list[Peer] = []
        self._bodies = itertools.count()

    def teardown(self) -> None:
        self.driven.broker.close()
        self._folder.cleanup()

    @initialize(slow=st.booleans())
    def start(self, slow: bool) -> None:
        self.driven.slow_commits = slow and self.is_stored
        for _ in range(2):
            self.peers.append(peer := Peer.__new__(Peer))
            peer.__init__(self)  # type: ignore[misc]

    def pump(self) -> None:
        """Until nobody has anything to say."""
        is_quiet = False
        while not is_quiet:
            is_quiet = True
            for peer in self.peers:
                if hasattr(peer, "client"):
                    for came in peer.client.read():
                        is_quiet = False
                        if hasattr(peer, "links"):
                            peer.take(came)

    def delivered(self, link: Link, came: Delivery) -> None:
        sent = self.there[came.body]
        assert sent.holder is None
        assert link not in sent.refused
        header = Sections(came.payload).header()
        assert header is not None
        assert (header.delivery_count or 0) == sent.count
        assert bool(header.first_acquirer) != sent.is_known
        assert bool(came.transfer.settled) == link.is_settled
        if link.is_settled:
            del self.there[came.body]
        else:
            sent.holder = link
            link.peer.held[came.delivery_id] = (link, sent)

    # ------------------------------------------------------------------ what the reference does

    def _new(self) -> Sent:
        return Sent(b"m%d" % next(self._bodies))

    def _back(self, sent: Sent, *, counted: bool) -> None:
        sent.holder = None
        sent.count += counted
        sent.is_known = True

    def _come_to(self, link: Link, sent: Sent, outcome: Outcome) -> None:
        if isinstance(outcome, Accepted | Rejected):
            del self.there[sent.body]
            return
        if isinstance(outcome, Modified) and outcome.undeliverable_here and link.number in link.peer.links:
            sent.refused.add(link)
        self._back(sent, counted=isinstance(outcome, Modified) and bool(outcome.delivery_failed))

    def _roll_back(self, txn: Txn) -> None:
        txn.peer.txns.remove(txn)
        for link, number, sent, _, is_settled in txn.settled:
            if is_settled or txn.peer.links.get(link.number) is not link:
                self._back(sent, counted=True)
            else:
                sent.holder = link
                txn.peer.held[number] = (link, sent)

    def _end_link(self, link: Link, *, counted: bool) -> None:
        peer = link.peer
        peer.links.pop(link.number, None)
        for number, (holder, sent) in list(peer.held.items()):
            if holder is link:
                del peer.held[number]
                self._back(sent, counted=counted)

    def _end_session(self, peer: Peer) -> None:
        for link in list(peer.links.values()):
            self._end_link(link, counted=True)
        for txn in list(peer.txns):
            self._roll_back(txn)

    # ------------------------------------------------------------------ rules

    def _peer(self, data: st.DataObject) -> Peer:
        return data.draw(st.sampled_from(self.peers), label="peer")

    @rule(data=st.data(), settled=st.booleans(), pieces=st.integers(1, 3), durable=st.booleans())
    def send(self, data: st.DataObject, settled: bool, pieces: int, durable: bool) -> None:
        peer = self._peer(data)
        sent = self._new()
        self.there[sent.body] = sent
        payload = message(sent.body, *([DURABLE] if durable else []))
        number = peer.transfer(peer.sender, payload, pieces=pieces, settled=settled)
        if not settled:
            assert isinstance(peer.answers.pop(number), Accepted)

    @rule(data=st.data(), settled=st.booleans(), credit=st.integers(0, 4))
    def receive(self, data: st.DataObject, settled: bool, credit: int) -> None:
        peer = self._peer(data)
        if len(peer.links) >= 3:
            return
        number = next(peer.handles)
        link = peer.links[number] = Link(peer, number, settled)
        peer.say(
            Attach(
                name=f"{id(peer)}.{number}",
                handle=UInt(number),
                role=True,
                snd_settle_mode=UByte(1 if settled else 0),
                source=Source(address="/queues/q"),
                target=Target(),
            )
        )
        self._flow(link, credit)

    def _flow(self, link: Link, credit: int, *, drain: bool = False) -> None:
        link.credit = credit
        link.drains = drain
        link.peer.say(
            Flow(
                next_incoming_id=UInt(link.peer.next_incoming),
                incoming_window=UInt(WINDOW),
                next_outgoing_id=UInt(0),
                outgoing_window=UInt(WINDOW),
                handle=UInt(link.number),
                delivery_count=UInt(link.delivery_count),
                link_credit=UInt(credit),
                drain=drain,
            )
        )

    def _link(self, data: st.DataObject) -> Link | None:
        links = [link for peer in self.peers for link in peer.links.values()]
        return data.draw(st.sampled_from(links), label="link") if links else None

    @rule(data=st.data(), credit=st.integers(0, 5), drain=st.booleans())
    def credit(self, data: st.DataObject, credit: int, drain: bool) -> None:
        link = self._link(data)
        if link is not None:
            self._flow(link, credit, drain=drain)
            assert not link.drains

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), count=st.integers(1, 4), settled=st.booleans())
    def settle(self, data: st.DataObject, outcome: Outcome, count: int, settled: bool) -> None:
        peer = self._peer(data)
        if not peer.held:
            return
        first = data.draw(st.sampled_from(sorted(peer.held)), label="first")
        last = first + count - 1
        for number in range(first, last + 1):
            if number in peer.held:
                link, sent = peer.held.pop(number)
                self._come_to(link, sent, outcome)
        peer.say(Disposition(role=True, first=UInt(first), last=UInt(last), settled=settled, state=outcome))

    @rule(data=st.data(), closed=st.booleans())
    def detach(self, data: st.DataObject, closed: bool) -> None:
        link = self._link(data)
        if link is not None:
            self._end_link(link, counted=False)
            link.peer.say(Detach(handle=UInt(link.number), closed=closed))

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        peer = self._peer(data)
        self._end_session(peer)
        peer.say(End())
        peer.begin()

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        peer = self._peer(data)
        self._end_session(peer)
        self.peers.remove(peer)
        peer.client.lose()
        self.pump()
        self.peers.append(peer := Peer.__new__(Peer))
        peer.__init__(self)  # type: ignore[misc]

    # ------------------------------------------------------------------ transactions

    @rule(data=st.data())
    def declare(self, data: st.DataObject) -> None:
        peer = self._peer(data)
        if len(peer.txns) < 3:
            number = peer.transfer(peer.coordinator, VALUE + encode_composite(Declare()))
            answer = peer.answers.pop(number)
            assert isinstance(answer, Declared)
            peer.txns.append(Txn(peer, answer.txn_id))

    def _has_txns(self) -> bool:
        return any(peer.txns for peer in self.peers)

    def _txn(self, data: st.DataObject) -> Txn:
        return data.draw(st.sampled_from([txn for peer in self.peers for txn in peer.txns]), label="txn")

    @precondition(_has_txns)
    @rule(data=st.data(), settled=st.booleans(), pieces=st.integers(1, 2))
    def send_in_it(self, data: st.DataObject, settled: bool, pieces: int) -> None:
        txn = self._txn(data)
        sent = self._new()
        txn.sent.append(sent)
        peer = txn.peer
        state = TransactionalState(txn_id=txn.txn_id)
        payload = message(sent.body, DURABLE)
        number = peer.transfer(peer.sender, payload, pieces=pieces, settled=settled, state=state)
        if not settled:
            assert isinstance(peer.answers.pop(number), Accepted)

    @precondition(_has_txns)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), count=st.integers(1, 4), settled=st.booleans())
    def settle_in_it(self, data: st.DataObject, outcome: Outcome, count: int, settled: bool) -> None:
        txn = self._txn(data)
        peer = txn.peer
        if not peer.held:
            return
        first = data.draw(st.sampled_from(sorted(peer.held)), label="first")
        for number in range(first, first + count):
            if number in peer.held:
                link, sent = peer.held.pop(number)
                sent.holder = txn
                txn.settled.append((link, number, sent, outcome, settled))
        state = TransactionalState(txn_id=txn.txn_id, outcome=outcome)
        peer.say(Disposition(role=True, first=UInt(first), last=UInt(first + count - 1), settled=settled, state=state))

    @precondition(_has_txns)
    @rule(data=st.data(), fail=st.booleans())
    def discharge(self, data: st.DataObject, fail: bool) -> None:
        txn = self._txn(data)
        peer = txn.peer
        if fail:
            self._roll_back(txn)
        else:
            peer.txns.remove(txn)
            for sent in txn.sent:
                self.there[sent.body] = sent
            for link, _, sent, outcome, _ in txn.settled:
                self._come_to(link, sent, outcome)
        number = peer.transfer(peer.coordinator, VALUE + encode_composite(Discharge(txn_id=txn.txn_id, fail=fail)))
        assert isinstance(peer.answers.pop(number), Accepted)

    # ------------------------------------------------------------------ what must be so

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        ready = sorted(sent.body for sent in self.there.values() if sent.holder is None)
        held = [sent for sent in self.there.values() if sent.holder is not None]
        assert self.queue.unsettled == len(held)
        browser = self.driven.operations.browse("q")
        seen: list[bytes] = []
        while not browser.finished:
            for browsed in browser.read(100):
                seen.append(browsed.message.body)
                sent = self.there[browsed.message.body]
                assert (browsed.return_count, browsed.returns > 0) == (sent.count, sent.is_known)
            self.driven.settle()
        assert sorted(seen) == ready

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        for peer in self.peers:
            for link in peer.links.values():
                waiting = [sent for sent in self.there.values() if sent.holder is None and link not in sent.refused]
                assert not link.credit or not waiting


class StoredMachine(Machine):
    """The same over a file."""

    is_stored = True


@pytest.mark.parametrize("machine", [Machine, StoredMachine])
@pytest.mark.timeout(600)
def test_each_message_is_in_one_place_whatever_clients_do(machine: type[Machine]) -> None:
    most = max(30, settings().max_examples // 10)
    run_state_machine_as_test(machine, settings=settings(max_examples=most, stateful_step_count=40))
