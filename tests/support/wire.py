"""A strict AMQP 0-9-1 client at frame level, over a real socket, with a deadline on every wait.

It sends anything, wrong things included, and shows what comes back as it came: frames, methods, contents, the end.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pamqp import commands as spec, header
from pamqp.base import Frame as Method
from pamqp.common import FieldTable

from tests.support.codec import (
    BODY,
    FRAME_END,
    HEADER,
    HEARTBEAT,
    METHOD,
    encode_frame,
    encode_header,
    encode_method,
    encode_table,
)

WAIT = 30.0
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
CAPABILITIES: FieldTable = {
    "authentication_failure_close": True,
    "basic.nack": True,
    "connection.blocked": True,
    "consumer_cancel_notify": True,
    "publisher_confirms": True,
}


@dataclass(frozen=True)
class Address:
    """Where the broker under test listens, and who may log in."""

    host: str
    port: int
    user: str = "guest"
    password: str = "guest"
    product: str = ""
    version: str = ""
    foreign: bool = False

    def announces(self, broker: str) -> bool:
        """True when `broker`, such as "rabbitmq 3.10", is the beginning of what the broker under test says it is."""
        return f"{self.product} {self.version}".lower().startswith(broker)

    @property
    def url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/"


class Frame(NamedTuple):
    kind: int
    channel: int
    payload: bytes

    def method(self) -> Method:
        (index,) = struct.unpack_from(">I", self.payload)
        method: Method = spec.INDEX_MAPPING[index]()
        method.unmarshal(self.payload[4:])
        return method


class Closed(Exception):
    """The broker closed a channel or the connection, with these reasons."""

    def __init__(self, close: spec.Channel.Close | spec.Connection.Close) -> None:
        super().__init__(close.reply_code, close.reply_text, (close.class_id, close.method_id))
        self.code = close.reply_code
        self.text = close.reply_text
        self.method = (close.class_id, close.method_id)


class ChannelClosed(Closed):
    pass


class ConnectionClosed(Closed):
    pass


class Dropped(Exception):
    """The socket ended without connection.close."""


class Content:
    """A method with content: basic.deliver, basic.get-ok or basic.return."""

    def __init__(self, method: Method, header_payload: bytes) -> None:
        self.method = method
        self.header = header_payload
        (self.size,) = struct.unpack_from(">Q", header_payload, 4)
        self.frames: list[bytes] = []

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)

    @property
    def raw_properties(self) -> bytes:
        return self.header[12:]

    @property
    def properties(self) -> spec.Basic.Properties:
        decoded = header.ContentHeader()
        decoded.unmarshal(self.header)
        return decoded.properties

    @property
    def headers(self) -> FieldTable:
        return self.properties.headers or {}

    def _method(self) -> spec.Basic.Deliver | spec.Basic.GetOk:
        assert isinstance(self.method, spec.Basic.Deliver | spec.Basic.GetOk), self.method
        return self.method

    @property
    def tag(self) -> int:
        return int(self._method().delivery_tag or 0)

    @property
    def redelivered(self) -> bool:
        return bool(self._method().redelivered)

    @property
    def exchange(self) -> str:
        return str(self._method().exchange)

    @property
    def key(self) -> str:
        return str(self._method().routing_key)

    @property
    def consumer(self) -> str:
        assert isinstance(self.method, spec.Basic.Deliver), self.method
        return str(self.method.consumer_tag)

    def __repr__(self) -> str:
        return f"<{self.method.name} {dict(self.method)} {self.body[:40]!r}>"


Event = Method | Content | Closed
T = TypeVar("T", bound=Method | Content)


class Wire:
    """One connection. Frames for other channels wait in their inbox while one channel is read."""

    def __init__(self, amqp: Address, *, timeout: float = WAIT) -> None:
        self.amqp = amqp
        self.timeout = timeout
        self.socket = socket.create_connection((amqp.host, amqp.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start = spec.Connection.Start()
        self.tune = spec.Connection.Tune()
        self.frame_max = 131072
        self.answers_close = True
        self.declared: list[tuple[str, str]] = []
        self._data = bytearray()
        self._inbox: defaultdict[int, deque[Event]] = defaultdict(deque)
        self._partial: dict[int, Method | Content] = {}

    # Bytes and frames

    def send_bytes(self, data: bytes) -> None:
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def send_frame(self, kind: int, channel: int, payload: bytes, end: int = FRAME_END) -> None:
        self.send_bytes(encode_frame(kind, channel, payload, end))

    def send(self, method: Method, channel: int = 0) -> None:
        if isinstance(method, spec.Queue.Declare) and method.queue and not method.passive:
            self.declared.append(("queue", method.queue))
        elif isinstance(method, spec.Exchange.Declare) and not method.passive:
            self.declared.append(("exchange", method.exchange))
        self.send_frame(METHOD, channel, encode_method(method))

    def _read(self, size: int, deadline: float) -> None:
        while len(self._data) < size:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(262144)
            except ConnectionError as error:
                raise Dropped("connection reset") from error
            if not data:
                raise Dropped(f"socket closed after {bytes(self._data)!r}")
            self._data += data

    def frame(self, timeout: float | None = None) -> Frame:
        """The next frame, whatever it is; TimeoutError when none comes in time."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        self._read(7, deadline)
        kind, channel, size = struct.unpack_from(">BHI", self._data)
        self._read(size + 8, deadline)
        payload, end = bytes(self._data[7 : size + 7]), self._data[size + 7]
        del self._data[: size + 8]
        assert end == FRAME_END, f"frame ends with {end:#x}"
        assert size + 8 <= self.frame_max, f"frame of {size + 8} bytes, frame_max is {self.frame_max}"
        return Frame(kind, channel, payload)

    def bytes_until_closed(self) -> bytes:
        """All that comes before the broker closes the socket."""
        deadline = time.monotonic() + self.timeout
        with contextlib.suppress(Dropped):
            while True:
                self._read(len(self._data) + 1, deadline)
        return bytes(self._data)

    # Methods and contents

    def _dispatch(self, frame: Frame) -> None:
        if frame.kind == HEARTBEAT:
            return
        if frame.kind == METHOD:
            assert frame.channel not in self._partial, f"method within a content: {frame}"
            method = frame.method()
            if isinstance(method, spec.Basic.Deliver | spec.Basic.GetOk | spec.Basic.Return):
                self._partial[frame.channel] = method
            elif isinstance(method, spec.Connection.Close):
                with contextlib.suppress(OSError):
                    self.send(spec.Connection.CloseOk())
                raise ConnectionClosed(method)
            elif isinstance(method, spec.Channel.Close):
                if self.answers_close:
                    with contextlib.suppress(OSError):
                        self.send(spec.Channel.CloseOk(), frame.channel)
                self._inbox[frame.channel].append(ChannelClosed(method))
            else:
                self._inbox[frame.channel].append(method)
            return
        content = self._partial.pop(frame.channel)
        if frame.kind == HEADER:
            assert isinstance(content, Method), "two headers in one content"
            content = Content(content, frame.payload)
        else:
            assert frame.kind == BODY, f"unknown frame {frame}"
            assert isinstance(content, Content), "body without header"
            content.frames.append(frame.payload)
        received = sum(map(len, content.frames))
        assert received <= content.size, "body longer than its header says"
        if received == content.size:
            self._inbox[frame.channel].append(content)
        else:
            self._partial[frame.channel] = content

    def next(self, channel: int = 0, timeout: float | None = None) -> Event:
        """The next event of `channel`. Raises what closed the connection, TimeoutError when nothing comes."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self._inbox[channel]:
            self._dispatch(self.frame(max(0.0, deadline - time.monotonic())))
        return self._inbox[channel].popleft()

    def expect(self, kind: type[T], channel: int = 0) -> T:
        event = self.next(channel)
        if isinstance(event, Closed):
            raise event
        assert isinstance(event, kind), f"{event!r} instead of {kind.__name__}"
        return event

    # The connection's life

    def greet(self) -> spec.Connection.Start:
        self.send_bytes(PROTOCOL_HEADER)
        self.start = self.expect(spec.Connection.Start)
        return self.start

    def log_in(
        self,
        user: str | None = None,
        password: str | None = None,
        *,
        mechanism: str = "PLAIN",
        capabilities: FieldTable | None = None,
        properties: FieldTable | None = None,
    ) -> spec.Connection.Tune:
        user = self.amqp.user if user is None else user
        password = self.amqp.password if password is None else password
        response = f"\0{user}\0{password}"
        if mechanism == "AMQPLAIN":
            response = encode_table({"LOGIN": user, "PASSWORD": password})[4:].decode("latin-1")
        own = {"capabilities": CAPABILITIES if capabilities is None else capabilities, **(properties or {})}
        self.send(spec.Connection.StartOk(own, mechanism, response))
        self.tune = self.expect(spec.Connection.Tune)
        return self.tune

    def tune_ok(self, channel_max: int | None = None, frame_max: int | None = None, heartbeat: int = 0) -> None:
        channel_max = self.tune.channel_max if channel_max is None else channel_max
        self.frame_max = self.tune.frame_max if frame_max is None else frame_max
        self.send(spec.Connection.TuneOk(channel_max, self.frame_max, heartbeat))

    def open(
        self,
        user: str | None = None,
        password: str | None = None,
        *,
        vhost: str = "/",
        capabilities: FieldTable | None = None,
        properties: FieldTable | None = None,
        channel_max: int | None = None,
        frame_max: int | None = None,
        heartbeat: int = 0,
    ) -> Wire:
        self.greet()
        self.log_in(user, password, capabilities=capabilities, properties=properties)
        self.tune_ok(channel_max, frame_max, heartbeat)
        self.send(spec.Connection.Open(vhost))
        self.expect(spec.Connection.OpenOk)
        return self

    def channel(self, number: int = 1) -> Channel:
        channel = Channel(self, number)
        channel.call(spec.Channel.Open())
        return channel

    def listen(self) -> None:
        """Reads until the broker closes the connection, answers that, and closes the socket, for which it waits."""
        with contextlib.suppress(OSError, Dropped, ConnectionClosed):
            while True:
                self._dispatch(self.frame())
        self.socket.close()

    def close(self) -> None:
        """Orderly, if the connection still lives."""
        with contextlib.suppress(OSError, Dropped, Closed, AssertionError):
            self.send(spec.Connection.Close(200, "done", 0, 0))
            while not isinstance(self.next(), spec.Connection.CloseOk):
                pass
        self.socket.close()

    def abort(self) -> None:
        """As a client that dies: nothing but the end of the socket."""
        self.socket.close()


class Channel:
    """One channel of a `Wire`. What comes while a reply is awaited waits in its turn for `next`."""

    def __init__(self, wire: Wire, number: int) -> None:
        self.wire = wire
        self.number = number
        self.published = 0
        self._events: deque[Event] = deque()
        self._confirmed: dict[int, bool] = {}

    def send(self, method: Method) -> None:
        self.wire.send(method, self.number)

    def call(self, method: Method) -> Method | Content:
        """The reply to `method`; raises ChannelClosed or ConnectionClosed when that is the answer."""
        self.send(method)
        while True:
            event = self.wire.next(self.number)
            if isinstance(event, Closed):
                raise event
            name = event.method.name if isinstance(event, Content) else event.name
            if name in method.valid_responses:
                return event
            self._events.append(event)

    def ask(self, method: Method, kind: type[T]) -> T:
        reply = self.call(method)
        assert isinstance(reply, kind), reply
        return reply

    def next(self, timeout: float | None = None) -> Event:
        event = self._events.popleft() if self._events else self.wire.next(self.number, timeout)
        if isinstance(event, Closed):
            raise event
        return event

    def take(self, kind: type[T], timeout: float | None = None) -> T:
        event = self.next(timeout)
        assert isinstance(event, kind), f"{event!r} instead of {kind.__name__}"
        return event

    def message(self, timeout: float | None = None) -> Content:
        return self.take(Content, timeout)

    def messages(self, count: int) -> list[Content]:
        return [self.message() for _ in range(count)]

    def bodies(self, count: int) -> list[bytes]:
        return [self.message().body for _ in range(count)]

    def quiet(self, seconds: float = 0.2) -> bool:
        """True when nothing comes for `seconds`: the one thing that can only be waited for."""
        try:
            self._events.appendleft(self.next(seconds))
        except TimeoutError:
            return True
        return False

    def barrier(self) -> None:
        """Returns when the broker has handled all that was sent on this channel."""
        self.call(spec.Channel.Flow(True))

    def close(self) -> None:
        self.call(spec.Channel.Close(200, "done", 0, 0))

    # Shorthand for what nearly every test does

    def queue(
        self,
        name: str = "",
        arguments: FieldTable | None = None,
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
    ) -> spec.Queue.DeclareOk:
        method = spec.Queue.Declare(0, name, passive, durable, exclusive, auto_delete, False, arguments)
        return self.ask(method, spec.Queue.DeclareOk)

    def count(self, name: str) -> int:
        """Ready messages, from a passive declaration."""
        return int(self.queue(name, passive=True).message_count or 0)

    def exchange(
        self,
        name: str,
        kind: str = "direct",
        arguments: FieldTable | None = None,
        *,
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
    ) -> None:
        self.call(spec.Exchange.Declare(0, name, kind, passive, durable, auto_delete, internal, False, arguments))

    def bind(self, queue: str, exchange: str, key: str = "", arguments: FieldTable | None = None) -> None:
        self.call(spec.Queue.Bind(0, queue, exchange, key, False, arguments))

    def unbind(self, queue: str, exchange: str, key: str = "", arguments: FieldTable | None = None) -> None:
        self.call(spec.Queue.Unbind(0, queue, exchange, key, arguments))

    def bind_exchange(self, to: str, source: str, key: str = "", arguments: FieldTable | None = None) -> None:
        self.call(spec.Exchange.Bind(0, to, source, key, False, arguments))

    def unbind_exchange(self, to: str, source: str, key: str = "", arguments: FieldTable | None = None) -> None:
        self.call(spec.Exchange.Unbind(0, to, source, key, False, arguments))

    def delete(self, queue: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        method = spec.Queue.Delete(0, queue, if_unused, if_empty)
        return int(self.ask(method, spec.Queue.DeleteOk).message_count or 0)

    def publish(
        self,
        key: str,
        body: bytes = b"",
        *,
        exchange: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        properties: spec.Basic.Properties | bytes | None = None,
        **fields: object,
    ) -> None:
        """Keywords beyond the method's own are properties: `expiration="100"`, `headers={...}`."""
        if fields:
            properties = spec.Basic.Properties(**fields)  # type: ignore[arg-type]
        method = encode_method(spec.Basic.Publish(0, exchange, key, mandatory, immediate))
        limit = self.wire.frame_max - 8
        parts = [(METHOD, method), (HEADER, encode_header(properties, len(body)))]
        parts += [(BODY, body[at : at + limit]) for at in range(0, len(body), limit)]
        self.wire.send_bytes(b"".join(encode_frame(kind, self.number, payload) for kind, payload in parts))
        self.published += 1

    def get(self, queue: str, *, no_ack: bool = False) -> Content | None:
        reply = self.call(spec.Basic.Get(0, queue, no_ack))
        return reply if isinstance(reply, Content) else None

    def get_one(self, queue: str, *, no_ack: bool = False) -> Content:
        content = self.get(queue, no_ack=no_ack)
        assert content is not None, f"{queue} is empty"
        return content

    def await_one(self, queue: str, *, no_ack: bool = True) -> Content:
        """A message that routing, dead-lettering or a timer brings to `queue` within the deadline."""
        deadline = time.monotonic() + self.wire.timeout
        while (content := self.get(queue, no_ack=no_ack)) is None:
            assert time.monotonic() < deadline, f"nothing came to {queue}"
            time.sleep(0.01)
        return content

    def await_count(self, queue: str, count: int) -> None:
        deadline = time.monotonic() + self.wire.timeout
        while (now := self.count(queue)) != count:
            assert time.monotonic() < deadline, f"{now} messages in {queue}, not {count}"
            time.sleep(0.01)

    def drain(self, queue: str) -> list[bytes]:
        """The bodies of all that is ready, taken."""
        bodies = []
        while (content := self.get(queue, no_ack=True)) is not None:
            bodies.append(content.body)
        return bodies

    def consume(
        self,
        queue: str,
        tag: str = "",
        arguments: FieldTable | None = None,
        *,
        no_ack: bool = False,
        exclusive: bool = False,
    ) -> str:
        method = spec.Basic.Consume(0, queue, tag, False, no_ack, exclusive, False, arguments)
        return str(self.ask(method, spec.Basic.ConsumeOk).consumer_tag)

    def cancel(self, tag: str) -> None:
        self.call(spec.Basic.Cancel(tag))

    def qos(self, count: int, *, globally: bool = False) -> None:
        self.call(spec.Basic.Qos(0, count, globally))

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.send(spec.Basic.Ack(tag, multiple))

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        self.send(spec.Basic.Nack(tag, multiple, requeue))

    def reject(self, tag: int, *, requeue: bool = True) -> None:
        self.send(spec.Basic.Reject(tag, requeue))

    def select(self) -> None:
        self.call(spec.Confirm.Select())
        self.published = 0

    def confirmed(self) -> dict[int, bool]:
        """Awaits a confirm for each publish since `select`; True for ack, False for nack. No tag is confirmed twice."""
        while len(self._confirmed) < self.published:
            confirm = self.wire.next(self.number)
            if isinstance(confirm, Closed):
                raise confirm
            if not isinstance(confirm, spec.Basic.Ack | spec.Basic.Nack):
                self._events.append(confirm)
                continue
            last = int(confirm.delivery_tag or 0)
            assert 0 < last <= self.published, f"confirm of {last}, published {self.published}"
            assert last not in self._confirmed, f"{last} confirmed twice"
            for tag in range(1, last + 1) if confirm.multiple else (last,):
                self._confirmed.setdefault(tag, isinstance(confirm, spec.Basic.Ack))
        return self._confirmed


@contextlib.contextmanager
def refused(
    kind: type[Closed], code: int, text: str | re.Pattern[str] | None = None, method: type[Method] | None = None
) -> Iterator[None]:
    """The block ends with this channel.close or connection.close: code, text, and the method that it names."""
    closed: Closed | None = None
    try:
        yield
    except kind as reason:
        closed = reason
    assert closed is not None, f"no {kind.__name__} with {code}"
    assert closed.code == code, closed
    if isinstance(text, re.Pattern):
        assert text.search(closed.text), closed
    elif text is not None:
        assert closed.text == text
    if method is not None:
        assert closed.method == (method.index >> 16, method.index & 0xFFFF), closed


def channel_error(
    code: int, text: str | re.Pattern[str] | None = None, method: type[Method] | None = None
) -> contextlib.AbstractContextManager[None]:
    return refused(ChannelClosed, code, text, method)


def connection_error(
    code: int, text: str | re.Pattern[str] | None = None, method: type[Method] | None = None
) -> contextlib.AbstractContextManager[None]:
    return refused(ConnectionClosed, code, text, method)
