"""Messages that are delivered again and again: ActiveMQ's headers ``AMQ_SCHEDULED_PERIOD``, ``_REPEAT`` and ``_CRON``.

A series is a first delivery and its repeats, one period apart. It begins once, after the message's delay, or, with a
cron expression, that long after each matching time:

    x-delay 60000, PERIOD 10000, REPEAT 2 ....... after 60, 70 and 80 s
    CRON "0 * * * *" ............................ at each full hour
    CRON "0 * * * *", PERIOD 10000, REPEAT 2 .... at each full hour, 10 and 20 s after it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batonmq.broker.features.cron import Cron, CronError, parse_cron
from batonmq.broker.model.settings import TIME_MAX
from batonmq.errors import PreconditionFailed
from batonmq.field_encoding import type_name
from batonmq.fields import Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue

SCHEDULED_DELAY = "AMQ_SCHEDULED_DELAY"
PERIOD = "AMQ_SCHEDULED_PERIOD"
REPEAT = "AMQ_SCHEDULED_REPEAT"
CRON = "AMQ_SCHEDULED_CRON"
# The prefix of all these headers.
SCHEDULE_MARK = b"AMQ_SCHEDULED_"
FOR_EVER = -1
# The header's type in JMS: 32 bits.
REPEAT_MAX = (1 << 31) - 1


class Schedule(NamedTuple):
    """Times in milliseconds. ``repeat`` is how often a series goes on after its first delivery; FOR_EVER: it does not
    end. ``cron`` says when a series begins, ``delay`` how long after that; without it there is one series.
    """

    delay: int
    period: int
    repeat: int
    cron: Cron | None

    def first(self, now: int) -> int:
        """When a message published now is due by its cron expression; 0: never, or it has none."""
        at = self.cron.after(now) if self.cron is not None else 0
        return at + self.delay if at else 0

    def following(self, due: int, done: int, now: int) -> tuple[int, int]:
        """When a message that was due at ``due`` comes next, always after ``now``, and as which repeat of its series.

        ``done``: which repeat it was; 0 is the first delivery. Times that have passed are skipped, and do not count as
        repeats. While a series lasts no other begins. A time of 0: it comes no more.
        """
        if self.repeat == FOR_EVER or done < self.repeat:
            skipped = max(now - due, 0) // self.period
            return due + (skipped + 1) * self.period, (0 if self.repeat == FOR_EVER else done + 1)
        return self.first(now - self.delay), 0


def read_schedule(headers: Mapping[str, FieldValue], delay: int) -> Schedule | None:
    """The schedule that a message's headers ask for; None: they ask for none. Raises PreconditionFailed."""
    period, repeat, cron = headers.get(PERIOD), headers.get(REPEAT), headers.get(CRON)
    if period is None and repeat is None and cron is None:
        return None
    times = _repeats(repeat) if repeat is not None else 0
    if times and period is None:
        raise PreconditionFailed(f"invalid header '{REPEAT}': it means nothing without '{PERIOD}'")
    # Without repeats the period means nothing, as in ActiveMQ.
    interval = milliseconds(PERIOD, period, TIME_MAX, least=1 if times else 0) if period is not None else 0
    return Schedule(delay, interval, times, _cron(cron) if cron is not None else None)


def _repeats(value: FieldValue) -> int:
    if isinstance(value, bool | Timestamp) or not isinstance(value, int):
        raise PreconditionFailed(f"invalid header '{REPEAT}': expected integer, got {type_name(value)}")
    if value != FOR_EVER and not 0 <= value <= REPEAT_MAX:
        raise PreconditionFailed(f"invalid header '{REPEAT}': expected 0 to {REPEAT_MAX} or -1, got {int(value)}")
    return int(value)


def _cron(value: FieldValue) -> Cron:
    if not isinstance(value, str):
        raise PreconditionFailed(f"invalid header '{CRON}': expected longstr, got {type_name(value)}")
    try:
        return parse_cron(value)
    except CronError as error:
        raise PreconditionFailed(f"invalid header '{CRON}': {str(error)[:120]}") from None


def milliseconds(name: str, value: FieldValue, most: int, *, least: int = 0) -> int:
    """A header's time, from ``least`` to ``most``. Raises PreconditionFailed."""
    if isinstance(value, bool | Timestamp) or not isinstance(value, int):
        raise PreconditionFailed(f"invalid header '{name}': expected integer, got {type_name(value)}")
    if value < 0:
        raise PreconditionFailed(f"invalid header '{name}': {{value_negative,{int(value)}}}")
    if value < least:
        raise PreconditionFailed(f"invalid header '{name}': {{value_too_small,{int(value)}}}")
    if value > most:
        raise PreconditionFailed(f"invalid header '{name}': {{value_too_large,{int(value)}}}")
    return int(value)
