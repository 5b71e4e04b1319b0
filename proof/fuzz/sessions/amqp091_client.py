"""AMQP 0-9-1, the client's side: our engine over pika, and a broker that answers it, or says anything at all."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Hashable
from typing import Any, Final

from batonmq.engines.amqp.engine import AmqpEngine
from batonmq.engines.futures import Future
from batonmq.engines.interface import Subscription
from batonmq.engines.messages import Message
from batonmq.engines.values import Incoming, QueueOptions
from batonmq.errors import BatonError
from batonmq.fields import FieldError
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.constants import METHOD
from batonmq.protocols.amqp091.encoder import HEARTBEAT_FRAME, encode_frame, method_frame
from batonmq.protocols.amqp091.handshake import PROTOCOL_HEADER
from batonmq.protocols.amqp091.methods import METHODS, Method
from batonmq.protocols.amqp091.parser import FrameParser
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.amqp091 import properties, table
from proof.fuzz.target import Take, Target, ensure

__all__ = ["sessions"]

URL: Final = "amqp://guest:guest@localhost/"
# What the client asks, and what a broker answers that means well.
ANSWERS: Final[dict[type[Method], Callable[[Any], Method]]] = {
    methods.ConnectionStartOk: lambda _: methods.ConnectionTune(channel_max=100, frame_max=4096, heartbeat=0),
    methods.ConnectionOpen: lambda _: methods.ConnectionOpenOk(),
    methods.ConnectionClose: lambda _: methods.ConnectionCloseOk(),
    methods.ChannelOpen: lambda _: methods.ChannelOpenOk(),
    methods.ChannelClose: lambda _: methods.ChannelCloseOk(),
    methods.ConfirmSelect: lambda _: methods.ConfirmSelectOk(),
    methods.QueueDeclare: lambda asked: methods.QueueDeclareOk(queue=asked.queue, message_count=1),
    methods.QueueDelete: lambda _: methods.QueueDeleteOk(message_count=1),
    methods.QueuePurge: lambda _: methods.QueuePurgeOk(message_count=1),
    methods.BasicQos: lambda _: methods.BasicQosOk(),
    methods.BasicConsume: lambda asked: methods.BasicConsumeOk(consumer_tag=asked.consumer_tag),
    methods.BasicCancel: lambda asked: methods.BasicCancelOk(consumer_tag=asked.consumer_tag),
    methods.TxSelect: lambda _: methods.TxSelectOk(),
    methods.TxCommit: lambda _: methods.TxCommitOk(),
    methods.TxRollback: lambda _: methods.TxRollbackOk(),
    methods.BasicPublish: lambda _: methods.BasicAck(delivery_tag=1),
}
START: Final = method_frame(
    0, methods.ConnectionStart(version_minor=9, mechanisms=b"PLAIN EXTERNAL", locales=b"en_US", server_properties={})
)
ALL: Final = tuple(METHODS.values())
# What nobody has asked for.
SAID: Final[tuple[type[Method], ...]] = (
    *[methods.BasicDeliver] * 8,
    *[methods.BasicAck] * 4,
    *[methods.BasicNack] * 2,
    *[methods.BasicReturn] * 2,
    *[methods.BasicCancel] * 2,
    methods.BasicGetOk,
    methods.BasicGetEmpty,
    methods.ChannelClose,
    methods.ChannelFlow,
    methods.ConnectionBlocked,
    methods.ConnectionUnblocked,
    methods.ConnectionClose,
    methods.ConnectionTune,
    methods.ConnectionStart,
    methods.ConnectionSecure,
)
# How long it is waited for what the client says next, in seconds: it answers at once, or waits itself.
QUIET: Final = 0.001
# How long one that is closed, or lost, has to tell everybody so.
ENDS: Final = 20.0
MOST: Final = 200


class _Broker:
    """The other end of the socket, in a thread of its own."""

    def __init__(self, end: socket.socket, choices: Choices) -> None:
        self._end = end
        self._choices = choices
        self._parser = FrameParser(opened=True)
        # Where each consumer is: its channel, and its tag.
        self._consumers: list[tuple[int, str]] = []
        # From when on it says anything: mostly not before it has logged the client in.
        self._is_wild = choices.chance(8)
        self._count = 0
        self.outcome = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Return when it has said all, and has closed its end."""
        self._thread.join(ENDS)
        ensure(not self._thread.is_alive(), "the broker of the proof hangs")

    def _run(self) -> None:
        try:
            self._end.settimeout(QUIET)
            if not self._choices.chance(16):
                self._say(START)
            for _ in range(MOST):
                asked = self._listen()
                if asked is None or (self._choices.is_over and not asked):
                    break
                for channel, method in asked:
                    self._answer(channel, method)
                if self._is_wild and (not asked or self._choices.chance(4)):
                    self._say(self._one())
        except OSError:
            # The client has gone.
            return
        finally:
            self._end.close()

    def _say(self, data: bytes) -> None:
        at = self._choices.byte() * len(data) // 256 if self._choices.chance(3) else 0
        for piece in (data[:at], data[at:]):
            if piece:
                self._end.sendall(piece)

    def _listen(self) -> list[tuple[int, Method]] | None:
        """What the client says; None: it is gone."""
        try:
            data = self._end.recv(1 << 16)
        except TimeoutError:
            return []
        if not data:
            return None
        data = data.removeprefix(PROTOCOL_HEADER)
        return [(event[1], event[2]) for event in self._parser.feed(data) if event[0] == METHOD]

    def _answer(self, channel: int, method: Method) -> None:
        make = ANSWERS.get(type(method))
        if make is None or (self._is_wild and self._choices.chance(12)):
            return
        made = make(method)
        if isinstance(method, methods.BasicConsume):
            self._consumers.append((channel, method.consumer_tag))
        if isinstance(made, methods.BasicAck):
            self._count += 1
            made.delivery_tag = self._count
        self.outcome += 1
        data = method_frame(channel, made)
        if self._is_wild and self._choices.chance(12):
            changed = bytearray(data)
            changed[self._choices.byte() % len(data)] = self._choices.byte()
            data = bytes(changed)
        self._say(data * (2 if self._is_wild and self._choices.chance(16) else 1))
        if isinstance(method, methods.BasicConsume):
            self._say(b"".join(self._delivery(number) for number in range(1, 2 + self._choices.below(4))))
        self._is_wild |= isinstance(method, methods.ConnectionOpen)

    def _delivery(self, number: int) -> bytes:
        channel, tag = self._choices.one_of(self._consumers)
        made = methods.BasicDeliver(consumer_tag=tag, delivery_tag=number, routing_key="q")
        return method_frame(channel, made) + self._content(channel)

    def _one(self) -> bytes:
        choices = self._choices
        kind = choices.byte()
        if kind >= 192 and self._consumers:
            return self._delivery(choices.below(8))
        if kind < 12:
            return choices.octets(1 + choices.below(32))
        if kind < 24:
            return encode_frame(choices.below(10), choices.below(4), choices.octets(choices.below(64)))
        if kind < 32:
            return HEARTBEAT_FRAME
        cls = choices.one_of(ALL) if choices.chance(16) else choices.one_of(SAID)
        channel = choices.one_of((1, 1, 2, 2, 3, 3, 4, 0, 65535))
        made = cls()
        for name, what in cls.LAYOUT:
            setattr(made, name, self._field(name, what))
        try:
            data = method_frame(channel, made)
            if cls.HAS_CONTENT and not choices.chance(16):
                data += self._content(channel)
        except FieldError:
            return HEARTBEAT_FRAME
        if choices.chance(10):
            changed = bytearray(data)
            changed[choices.byte() % len(data)] = choices.byte()
            data = bytes(changed)
        return data

    def _field(self, name: str, kind: str) -> object:
        choices = self._choices
        if kind == "Bit":
            return choices.chance(3)
        if name == "consumer_tag" and self._consumers and not choices.chance(8):
            return choices.one_of(self._consumers)[1]
        if kind == "Shortstr":
            return choices.octets(choices.below(8)).decode(errors="surrogateescape") if choices.chance(8) else "q"
        if kind == "Longstr":
            return choices.one_of((b"PLAIN", b"", b"\xff" * 9))
        if kind == "Table":
            return table(choices)
        if name in {"delivery_tag", "reply_code"} and not choices.chance(8):
            return choices.one_of((1, 2, 3, 200, 404, 406))
        return choices.number({"Octet": 1, "Short": 2, "Long": 4, "Longlong": 8}[kind])

    def _content(self, channel: int) -> bytes:
        choices = self._choices
        body = choices.octets(choices.below(16))
        size = len(body) if not choices.chance(16) else choices.number(8)
        made = properties(choices)
        header = encode_frame(2, channel, b"\x00\x3c\x00\x00" + size.to_bytes(8, "big") + made.raw)
        return header + (encode_frame(3, channel, body) if body else b"")


class _Program:
    """What a program asks for meanwhile: it asks, and does not wait."""

    def __init__(self, engine: AmqpEngine, uses: int) -> None:
        self._engine = engine
        self._uses = uses
        self.futures: list[Future[Any]] = []
        self.came = 0

    def run(self) -> None:
        """All that the input wants done."""
        engine = self._engine
        uses: tuple[Callable[[], Future[Any]], ...] = (
            lambda: engine.send("q", [Message(b"one"), Message(b"two", priority=1)]),
            lambda: self._subscribe(None),
            lambda: engine.declare("q", QueueOptions(max_deliveries=3, dead_letter="dead")),
            lambda: engine.count("q"),
            lambda: engine.pull("q", 3),
            lambda: engine.purge("q"),
            lambda: self._subscribe(5.0),
            lambda: engine.delete("q"),
        )
        for number, use in enumerate(uses):
            if self._uses >> number & 1:
                self.futures.append(use())

    def _subscribe(self, lease: float | None) -> Future[Subscription]:
        future = self._engine.subscribe("q", 10, lease)
        future.when_done(lambda: self._receive(future))
        return future

    def _receive(self, subscribed: Future[Subscription]) -> None:
        if subscribed.error is not None:
            return
        subscription = subscribed.result()
        try:
            future = subscription.receive(10)
        except BatonError:
            # It is closed already.
            return
        self.futures.append(future)
        future.when_done(lambda: self._settle(subscription, future))

    def _settle(self, subscription: Subscription, received: Future[list[Incoming]]) -> None:
        if received.error is not None:
            return
        for number, incoming in enumerate(received.result()):
            self.came += 1
            try:
                subscription.settle(incoming, "accept" if number % 2 else "release")
            except BatonError:
                # Its channel is gone.
                return


def _attack(data: bytes) -> Hashable:
    ours, theirs = socket.socketpair()
    sockets = [ours]

    def dial() -> socket.socket:
        if not sockets:
            raise ConnectionRefusedError("once is enough")
        return sockets.pop()

    broker = _Broker(theirs, Choices(data[1:]))
    try:
        engine = AmqpEngine(URL, patience=ENDS / 2, dial=dial)
    except BatonError as error:
        return f"{type(error).__name__} {error}"[:50]
    finally:
        for left in sockets:
            left.close()
    program = _Program(engine, data[0] if data else 0)
    # It may be lost already.
    with contextlib.suppress(BatonError):
        program.run()
    broker.join()
    engine.close()
    ensure(
        all(future.wait(ENDS) for future in list(program.futures)),
        "somebody waits for ever for a connection that is closed",
    )
    for future in program.futures:
        ensure(future.error is None or isinstance(future.error, BatonError), f"not an error of ours: {future.error!r}")
    return tuple(type(future.error).__name__ for future in program.futures), min(program.came, 3), broker.outcome


def _make() -> Take:
    return _attack


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((1 << first % 8 | first, *range(first, 250, 1 + first % 7))) for first in range(0, 120, 5))
    about = "our engine over pika, and a broker of AMQP 0-9-1 that answers it, or says anything at all"
    return (Target("amqp091.client", about, _make, seeds, longest=400, is_session=True),)
