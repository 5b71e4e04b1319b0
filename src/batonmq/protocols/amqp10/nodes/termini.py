"""Sources and targets in the client's attach, and in our answer (part 3 §3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.broker.model.settings import TIME_MAX
from batonmq.fields import LongLong
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.composites import Composite
from batonmq.protocols.amqp10.codec.performatives import Released, Source, Target
from batonmq.protocols.amqp10.codec.values import Described, Symbol
from batonmq.protocols.amqp10.failures import LinkFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.protocols.amqp10.codec.composites import Fields

__all__ = [
    "COPY",
    "DURABLE",
    "NEVER",
    "ON_CLOSE",
    "ON_NO_LINKS",
    "ON_NO_LINKS_OR_MESSAGES",
    "ON_NO_MESSAGES",
    "answered_source",
    "answered_target",
    "arguments_in",
    "descriptor_of",
    "is_durable",
    "lifetime_of",
    "seconds_of",
    "shown_filters",
]

COPY: Final = "copy"
MOVE: Final = "move"
NEVER: Final = "never"
DURABLE: Final = 2
"""The durability of a terminus whose unsettled state is kept (§3.5.5)."""

# When a dynamic node is deleted (§3.5.10 to §3.5.13): when the link that has made it ends ...
ON_CLOSE: Final = "delete-on-close"
# ... when no link has it as source or target ...
ON_NO_LINKS: Final = "delete-on-no-links"
# ... when that link has ended, and it holds no message ...
ON_NO_MESSAGES: Final = "delete-on-no-messages"
# ... and when both are so.
ON_NO_LINKS_OR_MESSAGES: Final = "delete-on-no-links-or-messages"

_LIFETIMES: Final[dict[object, str]] = {
    0x2B: ON_CLOSE,
    0x2C: ON_NO_LINKS,
    0x2D: ON_NO_MESSAGES,
    0x2E: ON_NO_LINKS_OR_MESSAGES,
    "amqp:delete-on-close:list": ON_CLOSE,
    "amqp:delete-on-no-links:list": ON_NO_LINKS,
    "amqp:delete-on-no-messages:list": ON_NO_MESSAGES,
    "amqp:delete-on-no-links-or-messages:list": ON_NO_LINKS_OR_MESSAGES,
}

OUTCOMES: Final = [Symbol(f"amqp:{name}:list") for name in ("accepted", "rejected", "released", "modified")]
LIFETIME_POLICY: Final = "lifetime-policy"


def is_durable(source: Source) -> bool:
    """Does its subscription outlive the link and the connection?

    A durable terminus (§3.5.5) without an expiry policy is meant to last.
    """
    if source.expiry_policy is not None:
        return source.expiry_policy == NEVER
    return bool(source.durable)


def seconds_of(source: Source) -> int:
    """How long it outlives its link in seconds, if it does not stay for good (§3.5.6)."""
    return 0 if is_durable(source) else min(source.timeout or 0, TIME_MAX // 1000)


def lifetime_of(terminus: Source | Target) -> str:
    """The lifetime policy of the requested dynamic node, one of the four. Raises LinkFailure."""
    properties = cast("Mapping[object, object]", terminus.dynamic_node_properties or {})
    policy = properties.get(LIFETIME_POLICY)
    if policy is None:
        return ON_CLOSE
    found = _LIFETIMES.get(policy.CODE if isinstance(policy, Composite) else descriptor_of(policy))
    if found is None:
        text = "the lifetime policy of a dynamic node is none of the four that there are"
        raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "dynamic-node-properties"})
    return found


def descriptor_of(value: object) -> int | str | None:
    """The descriptor of a value, as code or symbol; "": one of another kind; None: it has none."""
    if not isinstance(value, Described):
        return None
    descriptor = value.descriptor
    return descriptor if isinstance(descriptor, int | str) else ""


def arguments_in(properties: Fields | None) -> dict[str, FieldValue]:
    """The arguments of a queue among the properties of a node or a link. Raises LinkFailure."""
    found: dict[str, FieldValue] = {}
    for name, value in (properties or {}).items():
        if not isinstance(name, str) or name not in ARGUMENTS:
            continue
        if isinstance(value, bool):
            found[str(name)] = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            found[str(name)] = LongLong(value)
        elif isinstance(value, float):
            found[str(name)] = float(value)
        elif isinstance(value, str):
            found[str(name)] = str(value)
        else:
            text = f"the argument '{name}' of a queue is a text, a number of 64 bits or a truth value"
            raise LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "properties"})
    return found


# ---------------------------------------------------------------------- our answers


def answered_source(
    asked: Source,
    *,
    address: str | None = None,
    filter: Mapping[Symbol, object] | None = None,  # noqa: A002 (the specification's name)
    capabilities: tuple[str, ...] = (),
    is_browsing: bool = False,
) -> Source:
    """The source in our attach: as requested, with the filters and capabilities that are in force.

    ``address`` is that of a dynamic node.
    """
    mode = COPY if is_browsing or asked.distribution_mode == COPY else MOVE
    return Source(
        address=asked.address if address is None else address,
        durable=asked.durable,
        expiry_policy=asked.expiry_policy,
        timeout=asked.timeout,
        dynamic=asked.dynamic,
        dynamic_node_properties=asked.dynamic_node_properties,
        distribution_mode=Symbol(mode),
        filter=shown_filters(asked, filter or {}),
        default_outcome=Released() if asked.default_outcome is None else asked.default_outcome,
        outcomes=OUTCOMES,
        capabilities=_symbols(capabilities),
    )


def shown_filters(asked: Source, in_force: Mapping[Symbol, object]) -> dict[Symbol, object] | None:
    """The filters in our attach; not absent if any were asked for: RabbitMQ's client for Java looks there."""
    return dict(in_force) if in_force or asked.filter is not None else None


def answered_target(asked: Target, *, address: str | None = None, capabilities: tuple[str, ...] = ()) -> Target:
    """The target in our attach: as requested. ``address`` is that of a dynamic node."""
    return Target(
        address=asked.address if address is None else address,
        durable=asked.durable,
        expiry_policy=asked.expiry_policy,
        timeout=asked.timeout,
        dynamic=asked.dynamic,
        dynamic_node_properties=asked.dynamic_node_properties,
        capabilities=_symbols(capabilities),
    )


def _symbols(names: tuple[str, ...]) -> list[Symbol] | None:
    return [Symbol(name) for name in names] or None
