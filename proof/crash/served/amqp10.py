"""AMQP 1.0, by the client of the Python API's engine on a blocking socket."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from batonmq.clock import Clock
from batonmq.engines.amqp10.client.connection import Connection, ConnectionUser, Terms
from batonmq.engines.amqp10.client.login import Credentials
from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.errors import BatonError
from batonmq.properties import Properties
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declare,
    Declared,
    DeliveryState,
    Discharge,
    Modified,
    Open,
    Rejected,
    Released,
    Source,
    Target,
    TransactionalState,
)
from batonmq.protocols.amqp10.codec.values import encode
from batonmq.protocols.amqp10.messages.carried import CarriedReader, CarriedWriter
from proof.crash.notes import ACCEPT, REJECT, RELEASE, REQUEUE
from proof.crash.served.line import HUNG, Hangs, Line, Lost, Message, RolledBackError, Taken

__all__ = ["Amqp10Line"]

_VALUE = b"\x00Sw"
SECOND = (0, 1)
"""Unsettled, and settled by the receiver second (§2.8.2, §2.8.3): the broker says when it has kept an outcome."""
Outcome = Accepted | Released | Modified | Rejected
STATES: dict[str, Outcome] = {
    ACCEPT: Accepted(),
    RELEASE: Released(),
    REQUEUE: Modified(delivery_failed=True),
    REJECT: Rejected(),
}


class _Opening(ConnectionUser):
    def __init__(self) -> None:
        self.is_open = False
        self.error: BatonError | None = None
        self.is_over = False

    def opened(self, opened: Open) -> None:
        self.is_open = True

    def closed(self, error: BatonError | None) -> None:
        self.is_over = True
        self.error = error


class _Sending(SenderUser):
    """What became of what a link has sent, by tokens."""

    def __init__(self) -> None:
        self.waiting: set[object] = set()
        self.states: dict[object, DeliveryState | None] = {}
        self.lost: BatonError | None = None

    def attached(self, attach: Attach) -> None:
        pass

    def detached(self, error: BatonError | None) -> None:
        self.lost = error

    def settled(self, token: object, state: DeliveryState | None) -> None:
        self.waiting.discard(token)
        self.states[token] = state


class _Taking(ReceiverUser):
    def __init__(self) -> None:
        self.came: deque[tuple[int, bytes]] = deque()
        self.unsettled: set[int] = set()
        self.lost: BatonError | None = None

    def attached(self, attach: Attach) -> None:
        pass

    def detached(self, error: BatonError | None) -> None:
        self.lost = error

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        self.came.append((delivery_id, payload))

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        self.unsettled.discard(delivery_id)

    def drained(self) -> None:
        pass


class Amqp10Line(Line):
    """A connection with one session: a link for each target, one for what comes, and one to the coordinator."""

    def __init__(self, port: int, name: str) -> None:
        self._name = name
        self._user = _Opening()
        self._connection = Connection(Terms(name, credentials=Credentials("guest", "guest")), self._user)
        self._writer = CarriedWriter("/queues/")
        self._reader = CarriedReader(Clock())
        self._senders: dict[str, tuple[Sender, _Sending]] = {}
        self._taking = _Taking()
        self._receiver: Receiver | None = None
        self._prefetch = 0
        self._given = 0
        self._transaction: bytes | None = None
        self._coordinator: tuple[Sender, _Sending] | None = None
        self._asked = 0
        self._beat_at = time.monotonic()
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), HUNG)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Lost(repr(error)) from error
        try:
            self._until(lambda: self._user.is_open, "open")
            self._session = self._connection.begin()
        except BaseException:
            self._socket.close()
            raise

    def _sender(self, address: str) -> tuple[Sender, _Sending]:
        found = self._senders.get(address)
        if found is None:
            user = _Sending()
            sender = Sender(f"{self._name}-{address}", Target(address=address), user, settle_mode=0)
            self._session.attach(sender, receives=False)
            found = self._senders[address] = (sender, user)
            self._until(lambda: sender.is_attached or user.lost is not None, f"attach to {address}")
        return found

    def send(self, message: Message) -> None:
        sender, user = self._sender(f"/exchanges/{message.target}" if message.fanout else f"/queues/{message.target}")
        headers = dict(message.headers)
        expiration = headers.pop("expiration", None)
        properties = Properties.make(
            delivery_mode=2 if message.persistent else 1,
            headers=headers,
            priority=message.priority,
            expiration=None if expiration is None else str(expiration),
        )
        state = None if self._transaction is None else TransactionalState(txn_id=self._transaction)
        user.waiting.add(message.id)
        sender.send((self._writer.sections(properties, message.body),), message.id, state=state)
        self._flush()

    def confirm(self) -> set[str]:
        refused: set[str] = set()
        for address, (_, user) in self._senders.items():
            self._until(lambda user=user: not user.waiting or user.lost is not None, f"outcome of {address}")  # type: ignore[misc]
            if user.lost is not None:
                raise Lost(repr(user.lost))
            refused |= {str(token) for token, state in user.states.items() if not _is_accepted(state)}
            user.states.clear()
        return refused

    def consume(self, queue: str, prefetch: int) -> None:
        self._prefetch = prefetch
        source = Source(address=f"/queues/{queue}")
        receiver = self._receiver = Receiver(f"{self._name}-in", source, self._taking, settle_modes=SECOND)
        self._session.attach(receiver, receives=True)
        self._until(lambda: receiver.is_attached or self._taking.lost is not None, f"attach from {queue}")

    def take(self, wait: float) -> Taken | None:
        taking, receiver = self._taking, self._receiver
        assert receiver is not None
        # As many as may be held, those that came and those that may come together.
        room = self._prefetch - self._given - len(taking.came) - len(taking.unsettled)
        if receiver.credit < room:
            receiver.give_credit(room)
            self._flush()
        end = time.monotonic() + wait
        while not taking.came and (left := end - time.monotonic()) > 0:
            self._read(left)
            if taking.lost is not None:
                raise Lost(repr(taking.lost))
        if not taking.came:
            return None
        number, payload = taking.came.popleft()
        self._given += 1
        carried = self._reader.read(payload)
        return Taken(
            number,
            carried.body.partition(b" ")[0].decode(),
            not carried.first_acquirer,
            int(carried.delivery_count),
        )

    @property
    def ways(self) -> tuple[str, ...]:
        return (RELEASE, REQUEUE, REJECT)

    def settle(self, numbers: Sequence[int], how: str) -> None:
        receiver = self._receiver
        assert receiver is not None
        state: DeliveryState = STATES[how]
        if self._transaction is not None:
            state = TransactionalState(txn_id=self._transaction, outcome=STATES[how])
        for number in numbers:
            self._given -= 1
            self._taking.unsettled.add(number)
            receiver.settle(number, state, settled=False)
        self._flush()

    def sync(self) -> None:
        taking = self._taking
        self._until(lambda: not taking.unsettled or taking.lost is not None, "outcomes")
        if taking.lost is not None:
            raise Lost(repr(taking.lost))

    def begin(self) -> None:
        state = self._ask(encode(Declare()))
        if not isinstance(state, Declared):
            raise Lost(f"no transaction: {state}")
        self._transaction = bytes(state.txn_id)

    def commit(self) -> None:
        self._discharge(fail=False)

    def roll_back(self) -> None:
        self._discharge(fail=True)

    def _discharge(self, *, fail: bool) -> None:
        assert self._transaction is not None
        state = self._ask(encode(Discharge(txn_id=self._transaction, fail=fail)))
        self._transaction = None
        self._taking.unsettled.clear()
        for _, user in self._senders.values():
            user.waiting.clear()
            user.states.clear()
        if not isinstance(state, Accepted):
            raise RolledBackError(str(state))

    def _ask(self, payload: bytes) -> DeliveryState | None:
        if self._coordinator is None:
            user = _Sending()
            sender = Sender(f"{self._name}-transactions", Coordinator(), user, settle_mode=0)
            self._session.attach(sender, receives=False)
            self._coordinator = sender, user
            self._until(lambda: sender.is_attached or user.lost is not None, "attach to the coordinator")
        sender, user = self._coordinator
        self._asked += 1
        token = self._asked
        sender.send((_VALUE + payload,), token)
        self._until(lambda: token in user.states or user.lost is not None, "the coordinator")
        if user.lost is not None:
            raise Lost(repr(user.lost))
        return user.states.pop(token)

    def close(self) -> str:
        try:
            self._connection.close()
            self._flush()
            while not self._user.is_over:
                self._read(HUNG)
        except (Lost, Hangs) as error:
            return "" if self._user.is_over and self._user.error is None else repr(error)
        finally:
            self._socket.close()
        return ""

    # ------------------------------------------------------------------ octets

    def _flush(self) -> None:
        try:
            if output := self._connection.take_output():
                self._socket.settimeout(HUNG)
                self._socket.sendall(output)
        except TimeoutError as error:
            raise Hangs("the broker reads nothing") from error
        except OSError as error:
            raise Lost(repr(error)) from error

    def _until(self, done: Callable[[], bool], what: str) -> None:
        self._flush()
        end = time.monotonic() + HUNG
        while not done():
            if (left := end - time.monotonic()) <= 0:
                raise Hangs(f"no answer: {what}")
            self._read(left)

    def _read(self, wait: float) -> None:
        every = self._connection.beat_every
        if every and time.monotonic() > self._beat_at + every:
            self._beat_at = time.monotonic()
            self._connection.beat()
            self._flush()
        try:
            self._socket.settimeout(wait)
            data = self._socket.recv(65536)
        except TimeoutError:
            return
        except OSError as error:
            raise Lost(repr(error)) from error
        if not data:
            raise Lost("the broker has closed the connection")
        self._connection.receive(data)
        self._flush()
        if self._user.is_over:
            raise Lost(repr(self._user.error))


def _is_accepted(state: DeliveryState | None) -> bool:
    return isinstance(state, Accepted | TransactionalState)
