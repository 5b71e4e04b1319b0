"""The subscriptions of a connection."""

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
    """The result of one SUBSCRIBE: a subscription, several, or a browser."""

    @property
    def destination(self) -> Destination:
        """Its destination."""

    def offer(self) -> None:
        """There may be room again."""

    def stop(self) -> list[Subscription]:
        """Stop deliveries. Returns the subscriptions that may have unsettled ones."""


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
        """Queues of subscriptions that exclude this connection's messages."""

    def __len__(self) -> int:
        return len(self._by_key)

    # ------------------------------------------------------------------ what listings show

    @property
    def consumers(self) -> int:
        """The number of consumers; browsers do not count."""
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
        """The client has unsubscribed: forget this name. Returns its subscription; None: there was none."""
        return self._by_key.pop(key, None)

    def remove_by_destination(self, text: str) -> Entry | None:
        """Forget the first with this destination, whatever its name. Returns it; None: none."""
        for key, entry in self._by_key.items():
            if entry.destination.text == text:
                return self._by_key.pop(key)
        return None

    def numbered(self, number: int) -> Subscription | Browsing | None:
        """The one with this number in the ids of its deliveries; None: there is none, or no longer."""
        return self._by_number.get(number)

    def held(self) -> list[Subscription]:
        """All that may have unacknowledged deliveries."""
        return [each for each in self._by_number.values() if isinstance(each, Subscription)]

    def begin(self, entry: Subscription | Browsing) -> None:
        """Add a subscription under its number, before its first delivery."""
        self._by_number[entry.number] = entry

    def make_deaf(self, queue: Target) -> None:
        """Exclude this connection's messages from this queue."""
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
        """The connection ends: all unsettled deliveries go back, each queue's together."""
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
        """Deliveries of a subscription were settled: forget it if it has ended and these were the last."""
        if subscription.is_over and not subscription.unsettled:
            self._by_number.pop(subscription.number, None)

    def put_back(self, taken: Taken) -> None:
        """Deliveries of a transaction are unsettled again; those of an ended subscription may go back to the queue."""
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
    """A subscription's name in error texts."""
    return f"destination='{destination}'" if shown_id is None else f"id='{shown_id}'"
