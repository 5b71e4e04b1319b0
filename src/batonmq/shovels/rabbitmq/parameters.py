"""The value of a shovel's parameter: checked as RabbitMQ checks it, and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from batonmq.errors import PreconditionFailed
from batonmq.shovels.rabbitmq.keys import DESTINATIONS, GENERAL, PROTOCOLS, SOURCES, errors_of, uris_of
from batonmq.shovels.uris import without_credentials

__all__ = ["COMPONENT", "AckMode", "End", "ShovelParameters", "read_parameters", "without_secrets"]

COMPONENT: Final = "shovel"

AckMode = Literal["no-ack", "on-publish", "on-confirm"]
# What RabbitMQ takes where nothing is said.
PREFETCH: Final = 1000
RECONNECT_SECONDS: Final = 5.0
# Where AMQP 1.0 addresses begin that name a queue.
_QUEUE_ADDRESSES: Final = ("/queues/", "/queue/", "/amq/queue/", "queue://")


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
class ShovelParameters:
    """What a shovel does."""

    source: End
    destination: End
    ack_mode: AckMode = "on-confirm"
    prefetch: int = PREFETCH
    reconnect_delay: float = RECONNECT_SECONDS
    """Seconds; 0: it ends with the first failure."""
    delete_after: int | Literal["never", "queue-length"] = "never"
    """It ends, with its parameter, after so many messages, or as many as there were when it started."""
    adds_forward_headers: bool = False
    adds_timestamp_header: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)
    """Properties that each message gets, by their names."""
    consumer_arguments: Mapping[str, object] = field(default_factory=dict)


def read_parameters(name: str, value: object) -> ShovelParameters:
    """The value of a parameter of that name. Raises PreconditionFailed with everything that is wrong with it."""
    if value == []:
        value = {}
    if not isinstance(value, dict):
        raise PreconditionFailed(f"Validation failed\n\n{name} should be an object\n")
    given = cast("dict[str, object]", value)
    said = _errors(name, given)
    if said:
        raise PreconditionFailed("Validation failed\n\n" + "".join(f"{line}\n" for line in said))
    return _read(given)


def _errors(name: str, given: Mapping[str, object]) -> list[str]:
    source, destination = given.get("src-protocol", "amqp091"), given.get("dest-protocol", "amqp091")
    for key, protocol in (("src-protocol", source), ("dest-protocol", destination)):
        if wrong := GENERAL[key](key, protocol):
            return wrong
    assert isinstance(source, str)
    assert isinstance(destination, str)
    said, required = [], ["src-uri", "dest-uri"]
    if source == "amqp10":
        required.append("src-address")
    elif "src-queue" in given and "src-exchange" in given:
        said.append("Cannot specify 'src-exchange' and 'src-queue'")
    elif "src-queue" not in given and "src-exchange" not in given:
        said.append("Must specify 'src-exchange' or 'src-queue'")
    if destination == "amqp10":
        required.append("dest-address")
    elif "dest-queue" in given and "dest-exchange" in given:
        said.append("Cannot specify 'dest-exchange' and 'dest-queue'")
    after = given.get("src-delete-after", given.get("delete-after"))
    if given.get("ack-mode") == "no-ack" and isinstance(after, int | float) and not isinstance(after, bool):
        said.append("Cannot specify 'no-ack' and numerical 'delete-after'")
    checks = {**DESTINATIONS[destination], **SOURCES[source], **GENERAL}
    return said + errors_of(name, given, checks, tuple(required))


def _read(given: Mapping[str, object]) -> ShovelParameters:
    def either(*names: str, default: object) -> object:
        return next((given[name] for name in names if name in given), default)

    after = either("src-delete-after", "delete-after", default="never")
    return ShovelParameters(
        source=_end(given, "src"),
        destination=_end(given, "dest"),
        ack_mode=cast("AckMode", given.get("ack-mode", "on-confirm")),
        prefetch=max(int(cast("float", either("src-prefetch-count", "prefetch-count", default=PREFETCH))), 1),
        reconnect_delay=max(float(cast("float", given.get("reconnect-delay", RECONNECT_SECONDS))), 0.0),
        delete_after=cast('Literal["never", "queue-length"]', after)
        if isinstance(after, str)
        else int(cast("float", after)),
        adds_forward_headers=bool(either("dest-add-forward-headers", "add-forward-headers", default=False)),
        adds_timestamp_header=bool(given.get("dest-add-timestamp-header", False)),
        properties=_table(either("dest-publish-properties", "publish-properties", default={})),
        consumer_arguments=_table(given.get("src-consumer-args", {})),
    )


def _end(given: Mapping[str, object], side: str) -> End:
    uris = tuple(str(uri) for uri in uris_of(given[f"{side}-uri"]))
    protocol = str(given.get(f"{side}-protocol", "amqp091"))
    assert protocol in PROTOCOLS
    if protocol == "amqp10":
        return End(protocol, uris, _queue_of(str(given[f"{side}-address"])))

    def text(name: str) -> str | None:
        found = given.get(f"{side}-{name}")
        return found if isinstance(found, str) else None

    return End(
        protocol,
        uris,
        text("queue"),
        text("exchange"),
        text("exchange-key"),
        _table(given.get(f"{side}-queue-args", {})),
        given.get(f"{side}-predeclared") is True,
    )


def _queue_of(address: str) -> str:
    """The queue that an address of AMQP 1.0 names."""
    start = next((one for one in _QUEUE_ADDRESSES if address.startswith(one)), "")
    return address[len(start) :]


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def without_secrets(value: object) -> object:
    """The value as whoever monitors sees it: URLs without user and password."""
    if not isinstance(value, dict):
        return value
    shown = dict(value)
    for key in ("src-uri", "dest-uri"):
        if key in value:
            uris = value[key]
            cleaned = [without_credentials(str(uri)) for uri in uris_of(uris)]
            shown[key] = cleaned if isinstance(uris, list) else cleaned[0]
    return shown
