"""Which queues of a virtual host hold dead letters, and why their messages died: a bounded search.

A queue is searched if another queue's dead letters may go to it, by that one's arguments or policy, or if a dead letter
is at its head. In each a limited number of messages is checked, some per turn.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from batonmq.broker.features.dead_letters import deaths_of
from batonmq.broker.queues.browsing import LOOK_SECONDS, Browser
from batonmq.broker.queues.queue import Queue
from batonmq.errors import StoreError
from batonmq.queued import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.message import Message

# The most messages checked in each queue, bindings followed from an exchange, and queues in an answer.
LOOKS = 1_000
BINDINGS_MAX = 1_000
QUEUES_MAX = 1_000
# The clock is checked after this many queues; this many messages are checked in one go.
STRIDE = 16
AT_ONCE = 100


def survey(request: Request) -> None:
    """Answer with the dead letters in the queues that the user may read."""
    _Survey(request).go_on()


class _Survey:
    """Checks a few queues or messages each turn."""

    __slots__ = ("_clock", "_found", "_is_cut", "_request", "_steps", "_vhost")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._vhost: VirtualHost = request.operations.vhost
        self._clock = self._vhost.scheduler.clock
        self._found: list[Answer] = []
        self._is_cut = False
        self._steps = self._look()

    def go_on(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self._request.reply({"queues": self._found, "sampled": self._is_cut})
        except StoreError as error:
            self._request.refuse(error)
        else:
            self._request.wait_for_read(self.go_on)

    def _look(self) -> Iterator[None]:
        """The whole search; each step is the work of one turn."""
        user, name = self._request.operations.user, self._vhost.name
        expected: set[str] = set()
        queues = list(self._vhost.queues.values())
        known: dict[tuple[str, str | None], list[str]] = {}
        until = self._clock.monotonic() + LOOK_SECONDS
        for number, queue in enumerate(queues):
            expected.update(self._where_they_go(queue, known))
            if number % STRIDE == 0 and self._clock.monotonic() > until:
                yield
                until = self._clock.monotonic() + LOOK_SECONDS
        for number, queue in enumerate(queues):
            if number % STRIDE == 0 and self._clock.monotonic() > until:
                yield
                until = self._clock.monotonic() + LOOK_SECONDS
            if not queue.ready_count or queue.deleted or not user.may(name, "read", queue.name):
                continue
            most = LOOKS
            if queue.name not in expected:
                head = _head_of(queue)
                if head is not None and not head.is_dead_letter:
                    continue
                # Messages that are only in the store are found once they are read.
                most = LOOKS if head is not None else 1
            if len(self._found) == QUEUES_MAX:
                self._is_cut = True
                return
            yield from self._count(queue, most)
            until = self._clock.monotonic() + LOOK_SECONDS

    def _where_they_go(self, queue: Queue, known: dict[tuple[str, str | None], list[str]]) -> list[str]:
        """The queues that dead letters of a queue may go to, as far as can be known."""
        exchange_name, key = queue.settings.dead_letter_exchange, queue.settings.dead_letter_routing_key
        if exchange_name is None:
            return []
        found = known.get((exchange_name, key))
        if found is None:
            router = self._vhost.router
            exchange = router.exchange(exchange_name)
            if exchange is None:
                found = []
            elif key is not None:
                found = [target.name for target in router.route(exchange, [key], {}) if isinstance(target, Queue)]
            else:
                bindings = islice(exchange.bindings, BINDINGS_MAX)
                found = [one.destination.name for one in bindings if isinstance(one.destination, Queue)]
            known[exchange_name, key] = found
        return found

    def _count(self, queue: Queue, most: int) -> Iterator[None]:
        """Check the first messages of a queue."""
        browser = Browser(queue)
        deaths: Counter[tuple[str, str]] = Counter()
        seen = 0
        while seen < most and not browser.finished:
            for browsed in browser.read(min(most - seen, AT_ONCE)):
                seen += 1
                message = browsed.message
                for death in deaths_of(message, message.properties.headers or {})[:1]:
                    deaths[str(death.get("reason")), str(death.get("queue"))] += 1
                    # A queue that was only probed holds some: check it like the others.
                    most = LOOKS
            yield
        if deaths:
            self._found.append(
                {
                    "vhost": queue.vhost_name,
                    "name": queue.name,
                    "ready": queue.ready_count,
                    "count": deaths.total(),
                    "looked_at": seen,
                    "sampled": not browser.finished,
                    "reasons": [
                        {"reason": reason, "queue": origin, "count": count}
                        for (reason, origin), count in deaths.most_common()
                    ],
                }
            )


def _head_of(queue: Queue) -> Message | None:
    """The first ready message; None: it is only in the store."""
    for lane in queue.lanes:
        for queued in islice(lane.ready, AT_ONCE):
            if queued.state != GONE:
                return queued.message
    return None
