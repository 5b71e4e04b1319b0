"""Times by a cron expression: minute, hour, day of the month, month and day of the week, in the machine's local time.

As in Vixie's cron a day counts that matches the day of the month or the day of the week, where both are restricted;
where one of them begins with ``*``, both must match.

When the clock is set forward, a time that does not exist comes as much later. When it is set back, an expression that
names every hour goes on through the hour that comes twice; others count in its first pass alone.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
HOURS = 24
HOUR = timedelta(hours=1)
# Days of a month at most.
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Any time that exists comes within this many months: 29 February is on the same weekday after 40 years at most.
MONTHS_MAX = 41 * 12
# A longer expression could be written shorter.
TEXT_MAX = 255


class CronError(ValueError):
    """The text is not a cron expression, or no time matches it."""


class Cron:
    """A cron expression of five fields: numbers, names of months and days, ``*``, lists, ranges, steps."""

    __slots__ = ("_days", "_every_hour", "_months", "_needs_both", "_times", "_weekdays", "text")

    def __init__(self, text: str) -> None:
        """Raises CronError."""
        self.text = text
        """The expression."""
        if len(text) > TEXT_MAX:
            raise CronError(f"an expression of {len(text)} characters")
        fields = text.split()
        if len(fields) != 5:
            raise CronError(f"{len(fields)} fields instead of 5")
        minutes = _numbers(fields[0], "minute", 0, 59)
        hours = _numbers(fields[1], "hour", 0, HOURS - 1)
        self._days = sorted(_numbers(fields[2], "day of the month", 1, 31))
        self._months = _numbers(fields[3], "month", 1, 12, MONTHS)
        # Sunday is 0 and 7.
        self._weekdays = {day % 7 for day in _numbers(fields[4], "day of the week", 0, 7, WEEKDAYS)}
        self._needs_both = fields[2].startswith("*") or fields[4].startswith("*")
        self._every_hour = len(hours) == HOURS
        # Minutes of the day.
        self._times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
        if self._needs_both and not any(day <= LONGEST[month - 1] for month in self._months for day in self._days):
            # Every other date falls on each day of the week, sooner or later.
            raise CronError("no day that matches")

    def after(self, moment: int) -> int:
        """The first matching time after ``moment``, both in milliseconds since the epoch; 0: there is none."""
        seconds = moment // 1000
        wall = datetime.fromtimestamp(seconds)
        found = self._next(wall)
        if found is None:
            return 0
        ahead = found - wall
        if self._every_hour and ahead <= HOUR:
            # Whatever changes of the clock happen within it.
            soon = seconds + int(ahead.total_seconds())
            if self._is_time(datetime.fromtimestamp(soon)):
                return soon * 1000
        at = found.timestamp()
        if at <= seconds:
            # The time is in the second pass of an hour.
            at = found.replace(fold=1).timestamp()
        return int(at) * 1000

    def _next(self, wall: datetime) -> datetime | None:
        """The first matching time after a moment, both in local time."""
        today = wall.date()
        if self._is_day(today):
            index = bisect_right(self._times, wall.hour * 60 + wall.minute)
            if index < len(self._times):
                return _at(today, self._times[index])
        day = self._next_day(today + timedelta(days=1))
        return _at(day, self._times[0]) if day is not None else None

    def _next_day(self, first: date) -> date | None:
        year, month, number = first.year, first.month, first.day
        for _ in range(MONTHS_MAX):
            if month in self._months:
                for candidate in self._candidates(number, monthrange(year, month)[1]):
                    day = date(year, month, candidate)
                    if self._is_day(day):
                        return day
            number = 1
            month += 1
            if month > 12:
                year, month = year + 1, 1
        return None

    def _candidates(self, first: int, last: int) -> Iterable[int]:
        """The days of a month that match, from the given day on."""
        if self._needs_both:
            return [day for day in self._days if first <= day <= last]
        return range(first, last + 1)

    def _is_day(self, day: date) -> bool:
        if day.month not in self._months:
            return False
        of_month, of_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return of_month and of_week if self._needs_both else of_month or of_week

    def _is_time(self, wall: datetime) -> bool:
        at = wall.hour * 60 + wall.minute
        index = bisect_right(self._times, at)
        return index > 0 and self._times[index - 1] == at and self._is_day(wall.date())


@lru_cache(maxsize=64)
def parse_cron(text: str) -> Cron:
    """Parse an expression; recent ones are cached. Raises CronError."""
    return Cron(text)


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60))


def _numbers(text: str, field: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    """The numbers that a field of the expression allows."""
    found: set[int] = set()
    for part in text.split(","):
        span, has_step, step = part.partition("/")
        first, is_range, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = end = _number(first, field, low, high, names)
            if is_range:
                end = _number(last, field, low, high, names)
                if end == 0 and high == 7:
                    # A week that ends on Sunday.
                    end = 7
            elif has_step:
                raise CronError(f"'{part}' as {field}: a step needs a range or *")
        if end < begin:
            raise CronError(f"'{part}' as {field}: a range that goes backwards")
        by = _number(step, field, 1, high, ()) if has_step else 1
        found.update(range(begin, end + 1, by))
    return found


def _number(text: str, field: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        # Months count from 1, days of the week from 0.
        return names.index(text.lower()) + low
    if not text.isascii() or not text.isdigit() or len(text) > 2 or not low <= int(text) <= high:
        raise CronError(f"'{text}' as {field}: expected {low} to {high}")
    return int(text)
