"""The settings of a shovel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from batonmq.shovels.rules import Rules

__all__ = ["PREFETCH", "RECONNECT_SECONDS", "AckMode", "End", "ShovelSettings"]

AckMode = Literal["no-ack", "on-publish", "on-confirm"]
# RabbitMQ's defaults.
PREFETCH: Final = 1000
RECONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class End:
    """One end of a shovel."""

    protocol: str
    """"local", "amqp091" or "amqp10"."""
    uris: tuple[str, ...]
    """Its URLs: one of these is used."""
    queue: str | None = None
    """None: messages come from, or go to, an exchange."""
    exchange: str | None = None
    """None, without a queue: each message goes to the exchange of the same name as its original one."""
    routing_key: str | None = None
    """The binding key of a source's queue, or the routing key of published messages; None: their own."""
    queue_arguments: Mapping[str, object] = field(default_factory=dict)
    """The arguments with which its queue is declared, if it does not exist."""
    is_predeclared: bool = False
    """Must its queue exist already?"""


@dataclass(frozen=True, slots=True)
class ShovelSettings:
    """The settings of one shovel."""

    source: End
    destination: End
    ack_mode: AckMode = "on-confirm"
    prefetch: int = PREFETCH
    reconnect_delay: float = RECONNECT_SECONDS
    """Seconds; 0: it ends with the first failure."""
    delete_after: int | Literal["never", "queue-length"] = "never"
    """It ends, with its parameter, after that many messages, or as many as were ready when it started."""
    idle: float | None = None
    """It ends when no message has come for that many seconds and the source is empty; None: it waits."""
    adds_forward_headers: bool = False
    adds_timestamp_header: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)
    """Properties that are set on each message, by name."""
    consumer_arguments: Mapping[str, object] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if self.source.queue is not None and self.rules.dead_letters == self.source.queue:
            raise ValueError("dead_letters is the queue that messages come from")
