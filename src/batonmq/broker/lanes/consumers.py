"""The consumers of a queue and the order in which they are served.

An operation costs no more with thousands than with one.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from itertools import chain
from operator import neg
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.broker.model.consumer import Consumer


class Consumers:
    """The consumers of a queue, oldest first, and counts of their special demands."""

    __slots__ = ("_able", "_active", "_all", "_late", "choosy", "exclusive", "is_handing_over", "special")

    def __init__(self) -> None:
        # Each consumer with the counters below that include it.
        self._all: dict[Consumer, tuple[bool, bool, bool]] = {}
        # How many have a selector, how many have a priority or a timeout, and how many want the queue for themselves.
        self.choosy = 0
        self.special = 0
        self.exclusive = 0
        # The one that is served if there is only one such; None: not chosen yet.
        self._active: Consumer | None = None
        # Those that have not settled deliveries which were taken back, and how many. The others as they follow on the
        # active one, once somebody has asked for that.
        self._late: dict[Consumer, int] = {}
        self._able: Ranked | None = None
        self.is_handing_over = False
        """Is the active one late, and served no more, while what it holds goes back for the next?"""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._all)

    def __contains__(self, consumer: object) -> bool:
        return consumer in self._all

    @property
    def active(self) -> Consumer | None:
        """The consumer that is served in a queue with a single active consumer; None: there is none."""
        if self._active is None:
            self._active = self._ranked().head() or next(iter(self._all), None)
        return self._active

    def successor(self) -> Consumer | None:
        """The one to serve instead of the active one, which is late; None: it is not, or no other can take anything."""
        return self._ranked().head() if self.active in self._late else None

    def _ranked(self) -> Ranked:
        able = self._able
        if able is None:
            self._able = able = Ranked()
            for consumer in self._all:
                if consumer not in self._late:
                    able.append(consumer)
        return able

    def hand_over(self, is_handing_over: bool) -> None:
        """Note that the active consumer is being replaced, or that it stays."""
        self.is_handing_over = is_handing_over

    def activate(self, consumer: Consumer) -> None:
        """Serve this consumer from now on."""
        self._active = consumer
        self.is_handing_over = False

    def fell_late(self, consumer: Consumer) -> None:
        """Note that a delivery was taken back from a consumer."""
        if consumer in self._all:
            self._late[consumer] = self._late.get(consumer, 0) + 1
            if self._able is not None:
                self._able.remove(consumer)

    def caught_up(self, consumer: Consumer) -> bool:
        """Note that a consumer has settled a delivery that was taken back; returns whether that was the last."""
        count = self._late.get(consumer, 0)
        if count > 1:
            self._late[consumer] = count - 1
            return False
        if count:
            del self._late[consumer]
            if self._able is not None:
                self._able.append(consumer)
        return count == 1

    def add(self, consumer: Consumer) -> None:
        """Add a consumer that has subscribed."""
        special = bool(consumer.priority) or consumer.timeout is not None
        self._all[consumer] = counted = (consumer.selector is not None, special, consumer.exclusive)
        if self._able is not None:
            self._able.append(consumer)
        self._count(counted, 1)

    def remove(self, consumer: Consumer) -> None:
        """Remove a consumer."""
        self._count(self._all.pop(consumer), -1)
        self._late.pop(consumer, None)
        if self._able is not None:
            self._able.remove(consumer)
        if consumer is self._active:
            self._active = None
            self.is_handing_over = False

    def _count(self, counted: tuple[bool, bool, bool], by: int) -> None:
        is_choosy, is_special, is_exclusive = counted
        self.choosy += by * is_choosy
        self.special += by * is_special
        self.exclusive += by * is_exclusive


class Ranked:
    """Consumers: those of the highest priority first, and of these the one that has been here longest."""

    __slots__ = ("_others", "_plain", "_priorities")

    def __init__(self) -> None:
        # Consumers of priority 0, which nearly all have; then the others by priority, the highest first.
        self._plain: OrderedDict[Consumer, None] = OrderedDict()
        self._others: dict[int, OrderedDict[Consumer, None]] = {}
        self._priorities: list[int] = []

    def __iter__(self) -> Iterator[Consumer]:
        if not self._others:
            return iter(self._plain)
        return chain.from_iterable(self._of(priority) for priority in self._in_order())

    def _of(self, priority: int) -> OrderedDict[Consumer, None]:
        return self._others[priority] if priority else self._plain

    def _in_order(self) -> list[int]:
        above = [priority for priority in self._priorities if priority > 0]
        return [*above, 0, *self._priorities[len(above) :]]

    def head(self) -> Consumer | None:
        """The first; None: there is none."""
        if self._others and (not self._plain or self._priorities[0] > 0):
            return next(iter(self._others[self._priorities[0]]))
        return next(iter(self._plain), None)

    def append(self, consumer: Consumer) -> None:
        """Put a consumer behind the others of its priority."""
        priority = consumer.priority
        if not priority:
            self._plain[consumer] = None
            return
        if priority not in self._others:
            self._others[priority] = OrderedDict()
            insort(self._priorities, priority, key=neg)
        self._others[priority][consumer] = None

    def remove(self, consumer: Consumer) -> None:
        """Take out a consumer, if it is there."""
        priority = consumer.priority
        if not priority:
            self._plain.pop(consumer, None)
            return
        waiting = self._others.get(priority)
        if waiting is None or consumer not in waiting:
            return
        del waiting[consumer]
        if not waiting:
            del self._others[priority]
            self._priorities.remove(priority)

    def empty(self) -> None:
        """Take out all."""
        self._plain.clear()
        self._others.clear()
        self._priorities.clear()


class Line(Ranked):
    """Consumers with room: those of the highest priority first, and of these the one that has waited longest."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        """How many are waiting."""

    def join(self, consumer: Consumer) -> None:
        """Put a consumer behind the others of its priority."""
        consumer.stand(True)
        self.count += 1
        self.append(consumer)

    def leave(self, consumer: Consumer) -> None:
        """Remove a consumer that no longer waits."""
        consumer.stand(False)
        self.count -= 1
        self.remove(consumer)

    def served(self, consumer: Consumer) -> None:
        """Put a consumer that was given a message behind the others of its priority."""
        priority = consumer.priority
        if not priority:
            self._plain.move_to_end(consumer)
        else:
            self._others[priority].move_to_end(consumer)

    def clear(self) -> None:
        """Remove all consumers."""
        for consumer in self:
            consumer.stand(False)
        self.count = 0
        self.empty()
