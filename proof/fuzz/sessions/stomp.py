"""STOMP: frames in any order with headers that are mostly right, in all versions and by all dialects."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final

from batonmq.protocols.sessions.session import Session
from batonmq.protocols.stomp import DIALECTS, StompSettings, stomp_session
from batonmq.protocols.stomp.codec import V10, V11, V12, encode_frame
from batonmq.protocols.stomp.parser import Event
from proof.by_hand import Host
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.attack import USERS, Attack
from proof.fuzz.target import Take, Target

__all__ = ["sessions"]

VERSIONS: Final = (V12, V12, V11, V10)
LOG_IN: Final = {"login": "guest", "passcode": "guest", "host": "/"}
COMMANDS: Final = (
    *["SEND"] * 8, *["SUBSCRIBE"] * 5, *["ACK"] * 5, *["NACK"] * 4, *["UNSUBSCRIBE"] * 3, *["BEGIN"] * 3,
    *["COMMIT"] * 3, *["ABORT"] * 2, "DISCONNECT", "CONNECT", "STOMP", "MESSAGE", "send", "ERROR", "RECEIPT", "",
)  # fmt: skip
DESTINATIONS: Final = (
    "/queue/q", "/queue/q", "/queue/rich", "/queue/dead", "q", "/topic/a.b", "/topic/a.*.#", "/exchange/amq.topic/a.b",
    "/exchange/none", "/amq/queue/q", "/amq/queue/none", "/temp-queue/t", "/reply-queue/t", "/queue/", "", "/topic/",
    "queue://q", "topic://a.b", "temp-queue://t", "jms.queue.q", "a::q", "/queue/new", "/queue/%ff%",
    "/queue/q?consumer.prefetchSize=1", "/exchange/amq.headers/", "/exchange/amq.default/q", "/queue/a/b", "x" * 300,
    "/dsub/x", "/queue/q,/queue/rich", "/exchange/baton.management/management", "/queue/>", "/queue/*",
    "/queue/q?consumer.exclusive=true&x",
)  # fmt: skip
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "destination": DESTINATIONS,
    "id": ("1", "1", "2", "", "T_1_1", "0"),
    "subscription": ("1", "1", "2", ""),
    "ack": ("auto", "client", "client-individual", "client-individual", "strange"),
    "receipt": ("r", "r2", ""),
    "transaction": ("t", "t", "u", ""),
    "persistent": ("true", "false", "maybe"),
    "priority": ("4", "0", "255", "256", "-1", "high"),
    "expires": ("0", "1700000001000", "1", "9" * 19, "-1", "soon"),
    "expiration": ("1000", "0", "9" * 20, "x"),
    "reply-to": ("/temp-queue/t", "/queue/q", "/reply-queue/x", "x"),
    "content-type": ("text/plain", "application/octet-stream", "x" * 300),
    "content-length": ("0", "3", "5", "999999999999", "-1", "x", "99999999999999999999"),
    "selector": ("a = 1", "a >", "", "a LIKE '%x' OR b IN ('c')", "NOT"),
    "heart-beat": ("0,0", "1000,1000", "1,99999999999", "x", "-1,-1", "5,"),
    "accept-version": ("1.2", "1.1", "1.0", "1.0,1.1,1.2", "2.0", ""),
    "prefetch-count": ("1", "0", "5", "-1", "x", "9" * 19),
    "activemq.prefetchSize": ("1", "0", "x"),
    "consumer-window-size": ("0", "1", "-1", "x"),
    "consumer-priority": ("1", "-5", "9" * 19, "x"),
    "durable": ("true", "false"),
    "auto-delete": ("true", "false"),
    "exclusive": ("true", "false"),
    "browser": ("true", "false", "1"),
    "browser-end": ("true", "false"),
    "client-id": ("c", "", "d"),
    "durable-subscription-name": ("d", "e", ""),
    "activemq.subscriptionName": ("d", ""),
    "no-local": ("true", "false"),
    "JMSXGroupID": ("g", "h", ""),
    "AMQ_SCHEDULED_DELAY": ("100", "0", "-1", "9" * 19, "x"),
    "AMQ_SCHEDULED_PERIOD": ("100", "0", "x"),
    "AMQ_SCHEDULED_REPEAT": ("2", "-1", "9" * 19),
    "AMQ_SCHEDULED_CRON": ("* * * * *", "0 0 30 2 *", "x", "*/0 * * * *"),
    "_AMQ_SCHED_DELIVERY": ("1700000002000", "x"),
    "_AMQ_DUPL_ID": ("u", "v", "", "x" * 300),
    "x-delay": ("100", "-1", "x"),
    "x-max-length": ("1", "x", "-1"),
    "x-message-ttl": ("0", "100", "-1"),
    "x-max-priority": ("3", "0", "300"),
    "x-dead-letter-exchange": ("", "amq.topic", "none"),
    "x-queue-type": ("quorum", "classic", "stream", "x"),
    "requeue": ("true", "false"),
    "reset": ("true", "all", "x"),
    "amqp-message-id": ("m", "x" * 300),
    "correlation-id": ("c", "\x00c"),
    "timestamp": ("1700000000", "9" * 30, "x"),
    "a": ("1", "2", "\\", "\udcff", "é" * 40),
    "login": ("guest", "other", ""),
    "passcode": ("guest", "wrong"),
    "host": ("/", "none", ""),
    "type": ("x", ""),
    "destination-type": ("ANYCAST", "MULTICAST", "x"),
    "subscription-type": ("ANYCAST", "MULTICAST", "x"),
    "filter": ("a = 1", "(", "TRUE"),
}
NAMES: Final = tuple(VALUES)
# What a command has to have, mostly.
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "SEND": ("destination",),
    "SUBSCRIBE": ("destination", "id", "ack"),
    "UNSUBSCRIBE": ("id",),
    "BEGIN": ("transaction",),
    "COMMIT": ("transaction",),
    "ABORT": ("transaction",),
    "CONNECT": ("accept-version", "login", "passcode", "host", "heart-beat"),
    "STOMP": ("accept-version", "login", "passcode", "host"),
    "DISCONNECT": ("receipt",),
}


class StompAttack(Attack[Event]):
    """A client of STOMP."""

    opening = b""
    """What comes before the first frame, where something carries the session."""

    def __init__(self, choices: Choices) -> None:
        self.version = choices.one_of(VERSIONS)
        self.settings = StompSettings(
            dialect=choices.one_of(tuple(DIALECTS.values())),
            max_headers=30,
            max_head=2_000,
            max_body=5_000,
            max_before_login=2_000,
            max_transaction_size=10_000,
            max_subscriptions=6,
        )
        # What messages are acknowledged by: the header ack, and in older versions message-id.
        self.marks: list[str] = []
        super().__init__(choices)

    def connect(self, host: Host) -> Session[Event]:
        return stomp_session(self.broker, host, self.settings)

    def heard(self, data: bytes) -> None:
        name = b"\nack:" if self.version == V12 else b"\nmessage-id:"
        for piece in data.split(name)[1:]:
            self.marks.append(piece[:80].partition(b"\n")[0].decode(errors="surrogateescape"))
        del self.marks[:-8]

    def steps(self) -> Iterator[bytes]:
        choices = self.choices
        if not choices.chance(10):
            yield self._encoded("CONNECT", {"accept-version": self.version} | LOG_IN, b"")
            if choices.chance(2):
                destination = choices.one_of(DESTINATIONS[:4])
                mode = choices.one_of(VALUES["ack"])
                yield self._encoded("SUBSCRIBE", {"destination": destination, "id": "1", "ack": mode}, b"")
        while not choices.is_over:
            kind = choices.byte()
            if kind < 12:
                yield choices.octets(1 + choices.below(32))
            elif kind < 16:
                yield choices.one_of((b"\n", b"\r\n", b"\0", b"\n\n\0", b"SEND\n\n"))
            elif kind < 28:
                yield b"".join(self._request() for _ in range(1 + choices.below(8)))
            elif kind < 40:
                data = bytearray(self._request())
                if data:
                    data[choices.byte() % len(data)] = choices.byte()
                yield bytes(data)
            elif kind < 44:
                yield self._request() * (1 + choices.below(30))
            elif kind < 48:
                yield self._request().replace(b"\n", b"\r\n")
            else:
                yield self._request()

    def _request(self) -> bytes:
        choices = self.choices
        command = choices.one_of(COMMANDS)
        headers: dict[str, str] = {}
        for name in NEEDED.get(command, ()):
            if not choices.chance(24):
                headers[name] = choices.one_of(VALUES[name])
        if command in ("ACK", "NACK"):
            self._name_message(headers)
            if choices.chance(4):
                headers["transaction"] = choices.one_of(VALUES["transaction"])
        if command == "SEND" and choices.chance(4):
            headers["transaction"] = choices.one_of(VALUES["transaction"])
        for _ in range((0, 0, 0, 1, 1, 2, 5)[choices.below(7)]):
            name = choices.one_of(NAMES)
            headers[name] = choices.one_of(VALUES[name])
        kind = choices.byte()
        body = (
            b"" if command != "SEND" and kind < 240 else choices.octets(kind % 16) if kind < 200 else bytes(kind * 12)
        )
        return self._encoded(command, headers, body)

    def _name_message(self, headers: dict[str, str]) -> None:
        choices = self.choices
        mark = choices.one_of(self.marks) if self.marks and not choices.chance(12) else choices.one_of(VALUES["id"])
        if self.version == V12:
            headers["id"] = mark
        else:
            headers["message-id"] = mark
            headers["subscription"] = choices.one_of(VALUES["subscription"])

    def _encoded(self, command: str, headers: dict[str, str], body: bytes) -> bytes:
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        return f"{command}\n{lines}\n".encode(errors="surrogateescape") + body + b"\0"

    def carried(self, data: bytes) -> bytes:
        """What a client sends as it is to be sent, where something carries the session."""
        return data

    def is_served(self) -> bool:
        host = Host(USERS)
        session = self.connect(host)
        session.receive(self.opening)
        said: list[bytes] = []

        def say(command: str, **headers: str) -> None:
            body = b"still" if command == "SEND" else b""
            table = {name.replace("_", "-"): value for name, value in headers.items()}
            session.receive(self.carried(encode_frame(command, table.items(), body, V12)))
            self.by_hand.settle()
            self.take(session, host, said.append)

        say("CONNECT", accept_version="1.2", login="guest", passcode="guest", host="/")
        say("SUBSCRIBE", destination="/queue/fresh", id="1", ack="client-individual")
        say("SEND", destination="/queue/fresh")
        for _ in range(2):
            self.by_hand.settle()
            self.take(session, host, said.append)
        session.connection_lost()
        self.by_hand.settle()
        heard = b"".join(said)
        return heard.count(b"MESSAGE\n") == 1 and b"\n\nstill\0" in heard and b"ERROR\n" not in heard


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return StompAttack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(
        bytes((version, dialect, 0, *range(dialect, 250, 7))) for version in (1, 2, 3) for dialect in range(4)
    )
    about = "whole sessions: frames in any order and pieces, in each version, by each dialect"
    return (Target("stomp.session", about, _make, seeds, longest=600, is_session=True),)
