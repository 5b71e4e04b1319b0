"""The broker that clients of AMQP 1.0 meet: BatonMQ, or one that BATONMQ_TEST_AMQP10 names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

WAIT = 10.0


@dataclass(frozen=True)
class Peer:
    """Where a broker listens for AMQP 1.0, who may log in, and whose broker it is: batonmq, rabbitmq, artemis."""

    kind: str
    host: str
    port: int
    user: str = "guest"
    password: str = "guest"

    @classmethod
    def named(cls, url: str) -> Peer:
        """From `artemis://admin:admin@127.0.0.1:5814`."""
        parts = urlsplit(url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        return cls(parts.scheme, parts.hostname or "127.0.0.1", parts.port or 5672, user, password)

    @property
    def url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}"

    @property
    def has_amqp091(self) -> bool:
        return self.kind != "artemis"

    def through(self, port: int) -> Peer:
        """This broker, reached at another port of the loopback."""
        return replace(self, host="127.0.0.1", port=port)

    def as_user(self, user: str, password: str) -> Peer:
        return replace(self, user=user, password=password)

    def address(self, queue: str) -> str:
        """The node for a queue of this name."""
        return f"/queues/{queue}" if self.kind == "rabbitmq" else queue
