"""The options of a queue as settings of a share group, and of the topic for its dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from batonmq.engines.kafka.names import Names
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.values import QueueOptions
from batonmq.errors import PreconditionFailed

__all__ = [
    "AT_ONCE",
    "DEAD_LETTER",
    "LIMIT",
    "LIMIT_MAX",
    "LIMIT_MIN",
    "LOCK",
    "MAY_TAKE_DEAD_LETTERS",
    "OWN",
    "RESET",
    "check_group",
    "check_options",
    "group_settings",
    "is_declared",
]

RESET: Final = "share.auto.offset.reset"
LIMIT: Final = "share.delivery.count.limit"
LOCK: Final = "share.record.lock.duration.ms"
DEAD_LETTER: Final = "errors.deadletterqueue.topic.name"
# Of the brokers.
LIMIT_MIN: Final = "group.share.min.delivery.count.limit"
LIMIT_MAX: Final = "group.share.max.delivery.count.limit"
ASSIGNMENT: Final = "share.assignment.interval.ms"
COPIES: Final = "errors.deadletterqueue.copy.record.enable"
OWN: Final = (RESET, LIMIT, LOCK, DEAD_LETTER, COPIES, ASSIGNMENT)
"""The settings that ``declare`` makes and ``delete`` removes."""
AT_ONCE: Final = {ASSIGNMENT: "0"}
"""Whoever joins gets partitions at once, and not up to a second later. Brokers before 4.3 do not know it."""
# A setting of the topic: without it the broker drops the dead letters for it.
MAY_TAKE_DEAD_LETTERS: Final = "errors.deadletterqueue.group.enable"


def check_options(queue: str, options: QueueOptions, names: Names, limits: tuple[int, int] | None) -> None:
    """Raises PreconditionFailed for options that no queue can have.

    ``limits``: how often the brokers let a message be handed out, at least and at most; None: they have not said.
    """
    names.check_new(queue)
    if options.dead_letter is not None:
        names.check_new(options.dead_letter, takes_dead_letters=True)
    if options.dead_letter == queue:
        raise PreconditionFailed(f"queue '{queue}' cannot take its own dead letters")
    limit = options.max_deliveries
    if limit is not None and limits is not None and not limits[0] <= limit <= limits[1]:
        raise PreconditionFailed(
            f"queue '{queue}': max_deliveries is {limit}, and the brokers allow {limits[0]} to {limits[1]} "
            f"({LIMIT_MIN}, {LIMIT_MAX})"
        )


def group_settings(
    options: QueueOptions, parameters: KafkaParameters, dead: str | None, most: str | None
) -> dict[str, str | None]:
    """All settings that we use; None: the broker's default.

    ``dead``: the topic for the dead letters. ``most``: the most deliveries that the brokers allow, as there is no
    setting for no limit.
    """
    return {
        # A group that is created after a message must get it, too.
        RESET: "earliest",
        LIMIT: most if options.max_deliveries is None else str(options.max_deliveries),
        LOCK: None if parameters.lock is None else str(parameters.lock * 1000),
        DEAD_LETTER: dead,
        COPIES: None if dead is None else "true",
    }


def is_declared(found: Mapping[str, str]) -> bool:
    """Was the group created by ``declare``, and not only the topic? ``found``: the group's own settings."""
    return RESET in found


def check_group(queue: str, found: Mapping[str, str], wanted: Mapping[str, str | None]) -> None:
    """Raises PreconditionFailed if the settings of an existing group differ from the declared ones."""
    for name, value in wanted.items():
        has = found.get(name) or None
        # Without a lock in the URL, any existing one will do.
        if has != value and not (name == LOCK and value is None):
            raise PreconditionFailed(
                f"queue '{queue}' is declared otherwise: {name} is {has or 'the default'}, not {value or 'the default'}"
            )
