"""Limits that an operator sets for a virtual host or a user, as RabbitMQ has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONNECTIONS: Final = "max-connections"
MAX_CHANNELS: Final = "max-channels"
MAX_QUEUES: Final = "max-queues"

OF_VHOSTS: Final = (MAX_CONNECTIONS, MAX_QUEUES)
OF_USERS: Final = (MAX_CONNECTIONS, MAX_CHANNELS)


def read_limit(name: str, value: object, known: tuple[str, ...]) -> int:
    """Check a limit; ``known`` is OF_VHOSTS or OF_USERS. A negative value means no limit. Raises PreconditionFailed."""
    if name not in known:
        raise PreconditionFailed(f"'{name}' is no limit; there are {' and '.join(known)}")
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise PreconditionFailed(f"{name} should be a number, actually was {value!r:.100}")
    return value


def limit_of(limits: Mapping[str, int], name: str) -> int | None:
    """The limit of that name; None: there is none."""
    value = limits.get(name, -1)
    return value if value >= 0 else None
