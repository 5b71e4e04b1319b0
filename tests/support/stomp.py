"""A STOMP client without a socket: frames into a session on a driven broker, and those that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from proof.by_hand import EVERYTHING, Host

from batonmq.broker import Queue, User
from batonmq.protocols.sessions.standing import FINISHED, HELD
from batonmq.protocols.stomp import DIALECTS, StompSettings, stomp_session
from batonmq.protocols.stomp.codec import V10, encode_frame
from batonmq.protocols.stomp.parser import ERROR, FrameParser
from tests.support.driven import Driven

# Seconds.
TICK = 0.25
ACCEPTED = {"guest": ("guest", EVERYTHING)}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that the server sent."""

    command: str
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return self.headers[name]

    def get(self, name: str) -> str | None:
        """A header; None: the frame does not have it."""
        return self.headers.get(name)

    @property
    def text(self) -> str:
        """The body, without the line end that texts of errors have."""
        return self.body.decode().rstrip("\n")


class Client:
    """One connection. What it is sent is collected until it is asked for."""

    def __init__(
        self,
        driven: Driven,
        settings: StompSettings | None = None,
        *,
        users: Mapping[str, tuple[str, User]] = ACCEPTED,
    ) -> None:
        self.driven = driven
        self.host = Host(users)
        self.session = stomp_session(driven.broker, self.host, settings)
        self.version = V10
        self.raw = b""
        # The socket takes nothing.
        self.is_stuck = False
        self._parser = self._new_parser()
        self._frames: list[Frame] = []

    @staticmethod
    def _new_parser() -> FrameParser:
        return FrameParser(max_headers=1_000, max_head=1 << 20, max_body=1 << 27)

    # ------------------------------------------------------------------ frames out

    def connect(self, version: str = "1.2", **headers: str) -> Frame:
        """Log in as guest; tells CONNECTED. Headers are written with underscores."""
        found = self.login(version, **headers)
        assert found.command == "CONNECTED", found
        return found

    def login(self, version: str = "1.2", **headers: str) -> Frame:
        """Log in as guest unless the headers say otherwise; tells what came."""
        table = {"accept-version": version, "host": "/", "login": "guest", "passcode": "guest"}
        table |= {name.replace("_", "-"): value for name, value in headers.items()}
        (found,) = self.do("CONNECT", table)
        return found

    def put(self, command: str, headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> None:
        """Give the session a frame and let nothing else happen."""
        data = body.encode() if isinstance(body, str) else body
        self.session.receive(encode_frame(command, (headers or {}).items(), data, self.version))

    def do(self, command: str, headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> list[Frame]:
        """A frame, and all that comes until the broker is at rest."""
        self.put(command, headers, body)
        return self.read()

    def feed(self, data: bytes) -> list[Frame]:
        """Bytes, and all that comes until the broker is at rest."""
        self.session.receive(data)
        return self.read()

    def send(self, destination: str, body: bytes | str = b"", **headers: str) -> list[Frame]:
        """SEND. Headers are written with underscores."""
        table = {"destination": destination} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.do("SEND", table, body)

    def subscribe(self, destination: str, ident: str | None = "1", **headers: str) -> list[Frame]:
        """SUBSCRIBE. Headers are written with underscores."""
        table = {"destination": destination} | {name.replace("_", "-"): value for name, value in headers.items()}
        if ident is not None:
            table["id"] = ident
        return self.do("SUBSCRIBE", table)

    def settle(self, command: str, message: Frame, **headers: str) -> list[Frame]:
        """ACK or NACK of a message, as the version has it."""
        table = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.version == "1.2":
            table["id"] = message["ack"]
        else:
            table["message-id"] = message["message-id"]
            if self.version == "1.1":
                table["subscription"] = message["subscription"]
        return self.do(command, table)

    def ack(self, message: Frame, **headers: str) -> list[Frame]:
        """ACK of a message."""
        return self.settle("ACK", message, **headers)

    def nack(self, message: Frame, **headers: str) -> list[Frame]:
        """NACK of a message."""
        return self.settle("NACK", message, **headers)

    # ------------------------------------------------------------------ frames in

    def take(self) -> list[Frame]:
        """What has come, in this turn of the broker and before."""
        session, host = self.session, self.host
        while host.is_woken and not self.is_stuck:
            # As the server does: whoever wakes it meanwhile has another turn.
            host.is_woken = False
            if session.standing() & HELD:
                break
            session.turn_ended()
            data = b"".join(session.output)
            session.output.clear()
            self.raw += data
            self._parse(data)
        frames, self._frames = self._frames, []
        return frames

    def read(self) -> list[Frame]:
        """All that comes until the broker is at rest."""
        frames: list[Frame] = []
        for _ in range(10_000):
            self.driven.settle()
            found = self.take()
            frames += found
            if not found and (self.is_stuck or not self.host.is_woken):
                return frames
        raise AssertionError("the session finds no rest")

    def _parse(self, data: bytes) -> None:
        events = self._parser.feed(data)
        while events:
            for head, _, body in events:
                assert head.command != ERROR, body
                self._frames.append(Frame(head.command, head.headers, body))
            events = []
            if self._parser.paused:
                self.version = self._frames[-1].get("version") or V10
                self._parser.resume(self.version)
                events = self._parser.feed(b"")

    def wait(self, seconds: float) -> list[Frame]:
        """Let time pass, which the session is told of as often as by the server; tells what came."""
        frames: list[Frame] = []
        end = self.driven.clock.now + seconds
        while (left := end - self.driven.clock.now) > 1e-6:
            self.driven.wait(min(left, TICK))
            self.session.tick(self.driven.clock.now)
            if self.session.output or self.session.standing() & FINISHED:
                self.host.wake()
            frames += self.read()
        return frames

    def has_ended(self) -> bool:
        """Is the socket to be closed?"""
        return bool(self.session.standing() & FINISHED)

    def lose(self) -> None:
        """The socket is gone."""
        self.session.connection_lost()
        self.driven.settle()


def settings(dialect: str = "spec", **changes: object) -> StompSettings:
    """Settings of a listener with a dialect of that name, some fields of which are changed."""
    return StompSettings(dialect=replace(DIALECTS[dialect], **changes))  # type: ignore[arg-type]


def connected(driven: Driven, version: str = "1.2", dialect: str = "spec") -> Client:
    """A client of that version."""
    client = Client(driven, settings(dialect))
    client.connect(version)
    return client


def queues(driven: Driven) -> dict[str, Queue]:
    """Those of the virtual host."""
    return driven.broker.vhosts["/"].queues


def publish(driven: Driven, *found: str, queue: str = "q") -> None:
    """Messages to a queue that is declared if it is not there."""
    if queue not in queues(driven):
        driven.queue(queue)
    for body in found:
        driven.publish(body, queue=queue)


def only(frames: list[Frame], command: str) -> Frame:
    """The one frame that came, which has that command."""
    assert [frame.command for frame in frames] == [command], frames
    return frames[0]


def refused(frames: list[Frame], message: str) -> Frame:
    """The one frame that came: an ERROR with that message."""
    error = only(frames, "ERROR")
    assert error["message"] == message, error
    return error


def bodies(frames: list[Frame]) -> list[str]:
    """The bodies of the messages among them."""
    return [frame.body.decode() for frame in frames if frame.command == "MESSAGE"]
