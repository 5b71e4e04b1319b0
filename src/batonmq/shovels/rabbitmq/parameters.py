"""The value of a shovel's parameter: checked as RabbitMQ checks it, and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast

from batonmq.errors import PreconditionFailed
from batonmq.shovels.rabbitmq.keys import DESTINATIONS, GENERAL, PROTOCOLS, SOURCES, errors_of, uris_of
from batonmq.shovels.rules import Rules
from batonmq.shovels.settings import PREFETCH, RECONNECT_SECONDS, AckMode, End, ShovelSettings
from batonmq.shovels.uris import without_credentials

__all__ = ["COMPONENT", "read_parameters", "without_secrets"]

COMPONENT: Final = "shovel"

# Where AMQP 1.0 addresses begin that name a queue.
_QUEUE_ADDRESSES: Final = ("/queues/", "/queue/", "/amq/queue/", "queue://")


def read_parameters(name: str, value: object) -> ShovelSettings:
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


def _read(given: Mapping[str, object]) -> ShovelSettings:
    def either(*names: str, default: object) -> object:
        return next((given[name] for name in names if name in given), default)

    after = either("src-delete-after", "delete-after", default="never")
    return ShovelSettings(
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
        # RabbitMQ's shovels leave no mark in messages that is not asked for.
        rules=Rules(rounds=None),
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
    """The value for users who monitor: URLs without user and password."""
    if not isinstance(value, dict):
        return value
    shown = dict(value)
    for key in ("src-uri", "dest-uri"):
        if key in value:
            uris = value[key]
            cleaned = [without_credentials(str(uri)) for uri in uris_of(uris)]
            shown[key] = cleaned if isinstance(uris, list) else cleaned[0]
    return shown
