"""What a connection is subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batonmq.protocols.sessions.settling import requeue
from batonmq.protocols.stomp.browsing import Browsing
from batonmq.protocols.stomp.failures import StompFailure
from batonmq.protocols.stomp.subscription import Subscription, Taken

if TYPE_CHECKING:
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.protocols.stomp.destinations import Destination
    from batonmq.protocols.stomp.dialects import Dialect
    from batonmq.protocols.stomp.errors import Errors
    from batonmq.queued import QueuedMessage

__all__ = ["Subscriptions"]


class Entry(Protocol):
    """What one SUBSCRIBE has come to: a subscription, several, or a browser."""

    @property
    def destination(self) -> Destination:
        """What it names."""

    def offer(self) -> None:
        """There may be room again."""

    def stop(self) -> list[Subscription]:
        """No more deliveries. Tells of which subscriptions some may be unsettled."""


class Subscriptions:
    """The subscriptions of one connection, by the client's names, and by the numbers in the ids of deliveries."""

    __slots__ = ("_by_key", "_by_number", "_counts", "_dialect", "_errors", "are_over", "deaf")

    def __init__(self, dialect: Dialect, errors: Errors, counts: MessageCounts) -> None:
        self._dialect = dialect
        self._errors = errors
        self._counts = counts
        self._by_key: dict[str, Entry] = {}
        # The subscriptions with deliveries that may still be acknowledged, unsubscribed ones included.
        self._by_number: dict[int, Subscription | Browsing] = {}
        self.are_over = False
        """Has the connection ended?"""
        self.deaf: set[Target] = set()
        """Queues of subscriptions that want nothing of what this connection sends."""

    def __len__(self) -> int:
        return len(self._by_key)

    # ------------------------------------------------------------------ what listings show

    @property
    def consumers(self) -> int:
        """How many consume from queues."""
        return sum(not subscription.is_over for subscription in self.held())

    @property
    def unsettled(self) -> int:
        """How many messages the client holds."""
        return sum(len(subscription.unsettled) for subscription in self.held())

    @property
    def prefetch(self) -> int:
        """The largest prefetch of a subscription; 0: none has a limit."""
        return max((subscription.prefetch for subscription in self.held()), default=0)

    # ------------------------------------------------------------------ which there are

    def find(self, key: str) -> Entry | None:
        """The one of this name; None: there is none."""
        return self._by_key.get(key)

    def add(self, key: str, entry: Entry) -> None:
        """The client has subscribed."""
        self._by_key[key] = entry

    def remove(self, key: str) -> Entry | None:
        """The client has unsubscribed: forget this name. Tells whose it was; None: nobody's."""
        return self._by_key.pop(key, None)

    def remove_by_destination(self, text: str) -> Entry | None:
        """Forget the first that was made with this destination, whatever its name. Tells which; None: none."""
        for key, entry in self._by_key.items():
            if entry.destination.text == text:
                return self._by_key.pop(key)
        return None

    def numbered(self, number: int) -> Subscription | Browsing | None:
        """The one with this number in the ids of its deliveries; None: it is long over, or never was."""
        return self._by_number.get(number)

    def held(self) -> list[Subscription]:
        """All of which something may be unacknowledged."""
        return [each for each in self._by_number.values() if isinstance(each, Subscription)]

    def begin(self, entry: Subscription | Browsing) -> None:
        """Deliveries come with its number from now on."""
        self._by_number[entry.number] = entry

    def make_deaf(self, queue: Target) -> None:
        """Nothing that this connection sends is to come to this queue."""
        self.deaf.add(queue)

    # ------------------------------------------------------------------ their end

    def end(self, entry: Entry) -> None:
        """No more deliveries."""
        for subscription in entry.stop():
            self.deaf.discard(subscription.queue)
            if not self._dialect.keeps_unacknowledged:
                self._requeue(subscription.take_all())
            self.settled(subscription)
        if isinstance(entry, Browsing):
            del self._by_number[entry.number]

    def cancelled(self, subscription: Subscription) -> None:
        """The broker ended it: its queue is gone."""
        self.settled(subscription)
        self.deaf.discard(subscription.queue)
        if subscription.group is not None:
            # The others go on.
            subscription.group.remove(subscription)
            return
        self._by_key.pop(subscription.tag, None)
        if subscription.is_implicit:
            return
        headers = [("subscription", subscription.id)] if subscription.id is not None else []
        named = named_by(subscription.id, subscription.destination.text)
        detail = f'The server has canceled a subscription.\nNo more messages will be delivered for "{named}".'
        self._errors.tell(StompFailure("Server cancelled subscription", detail), headers=headers)

    def release(self) -> None:
        """The connection ends: all that was delivered and not settled goes back, to each queue in one go."""
        self.are_over = True
        held: list[QueuedMessage] = []
        for entry in list(self._by_key.values()):
            entry.stop()
        for subscription in self.held():
            held += subscription.take_all()
        self._by_key.clear()
        self._by_number.clear()
        self._requeue(held)

    # ------------------------------------------------------------------ what they hold

    def settled(self, subscription: Subscription) -> None:
        """Something of it was settled: one that is over is forgotten with its last message."""
        if subscription.is_over and not subscription.unsettled:
            self._by_number.pop(subscription.number, None)

    def put_back(self, taken: Taken) -> None:
        """What a transaction had taken is unsettled again; of a subscription that is over it may go to its queue."""
        for subscription in {entry[0]: None for entry in taken}:
            back = {tag: queued for each, tag, queued in taken if each is subscription}
            if not subscription.is_over or self._dialect.keeps_unacknowledged:
                subscription.put_back(back)
                self._by_number[subscription.number] = subscription
            else:
                self._requeue(list(back.values()))

    def _requeue(self, held: list[QueuedMessage]) -> None:
        if held:
            requeue(held, failed=True)
            self._counts.add_requeued(len(held))

    # ------------------------------------------------------------------ room

    def offer(self) -> None:
        """There may be room again."""
        for entry in list(self._by_key.values()):
            entry.offer()

    def withdraw(self) -> None:
        """There is no room: the client does not read."""
        for subscription in self.held():
            subscription.withdraw()


def named_by(shown_id: str | None, destination: str) -> str:
    """How errors name a subscription."""
    return f"destination='{destination}'" if shown_id is None else f"id='{shown_id}'"
