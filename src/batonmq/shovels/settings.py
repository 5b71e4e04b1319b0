"""What a shovel is told to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from batonmq.shovels.rules import Rules

__all__ = ["PREFETCH", "RECONNECT_SECONDS", "AckMode", "End", "ShovelSettings"]

AckMode = Literal["no-ack", "on-publish", "on-confirm"]
# What RabbitMQ takes where nothing is said.
PREFETCH: Final = 1000
RECONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class End:
    """One end of a shovel."""

    protocol: str
    """"local", "amqp091" or "amqp10"."""
    uris: tuple[str, ...]
    """Where it is: one of these."""
    queue: str | None = None
    """None: messages come from, or go to, an exchange."""
    exchange: str | None = None
    """None, without a queue: each message goes where its exchange of before leads on the other side."""
    routing_key: str | None = None
    """What the queue of a source is bound with, or the key that messages are published with; None: their own."""
    queue_arguments: Mapping[str, object] = field(default_factory=dict)
    """What its queue is declared with, where it is not there."""
    is_predeclared: bool = False
    """Must its queue be there already?"""


@dataclass(frozen=True, slots=True)
class ShovelSettings:
    """What a shovel does."""

    source: End
    destination: End
    ack_mode: AckMode = "on-confirm"
    prefetch: int = PREFETCH
    reconnect_delay: float = RECONNECT_SECONDS
    """Seconds; 0: it ends with the first failure."""
    delete_after: int | Literal["never", "queue-length"] = "never"
    """It ends, and its parameter with it, after that many messages, or as many as there were when it started."""
    idle: float | None = None
    """It ends when no message has come for that many seconds and the source is empty; None: it waits."""
    adds_forward_headers: bool = False
    adds_timestamp_header: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)
    """Properties that each message gets, by their names."""
    consumer_arguments: Mapping[str, object] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if self.source.queue is not None and self.rules.dead_letters == self.source.queue:
            raise ValueError("dead_letters is the queue that messages come from")
