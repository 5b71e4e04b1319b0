"""SUBSCRIBE and UNSUBSCRIBE, and the replies that come without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.broker.selectors.parser import MessageSelector, parse_selector
from batonmq.errors import BrokerError
from batonmq.fields import LongLong
from batonmq.protocols.stomp.browsing import Browsing
from batonmq.protocols.stomp.codec import V10
from batonmq.protocols.stomp.composites import parts_of, with_options
from batonmq.protocols.stomp.declaring import SUBSCRIPTION_NAMES, durable_name
from batonmq.protocols.stomp.destinations import (
    EXCHANGE,
    QUEUE,
    TEMPORARY,
    Destination,
    parse_destination,
)
from batonmq.protocols.stomp.failures import StompFailure, as_failure, missing
from batonmq.protocols.stomp.groups import Group
from batonmq.protocols.stomp.headers import flag, integer
from batonmq.protocols.stomp.subscriptions import AUTO, MODES, Subscription, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker import Queue
    from batonmq.broker.routing.exchanges.base import Target
    from batonmq.fields import FieldValue
    from batonmq.message import QueuedMessage, Settlement
    from batonmq.protocols.stomp.session import StompSession

__all__ = ["Subscribing"]

# By which a client asks to be served before others.
# Of ActiveMQ's exclusive consumer, at a queue that was made without one: it is served before all others.
EXCLUSIVE: Final = 1_000_000
PRIORITIES: Final = ("x-priority", "activemq.priority", "consumer-priority")


class Subscribing:
    """What a session is subscribed to."""

    __slots__ = ("_by_key", "_by_number", "_session", "deaf")

    def __init__(self, session: StompSession) -> None:
        self._session = session
        self._by_key: dict[str, Subscription | Browsing | Group] = {}
        # Those that anything delivered may still be acknowledged of, unsubscribed ones among them.
        self._by_number: dict[int, Subscription | Browsing] = {}
        # Queues of subscriptions that want nothing of what this connection sends.
        self.deaf: set[Target] = set()

    # ------------------------------------------------------------------ SUBSCRIBE

    def subscribe(self, headers: Mapping[str, str], receipt: str | None) -> None:
        """SUBSCRIBE. Raises StompFailure, BrokerError."""
        session = self._session
        text = headers.get("destination")
        if text is None:
            raise missing("SUBSCRIBE", "destination")
        shown_id = headers.get("id")
        if shown_id is None and session.version != V10 and session.dialect.requires_id:
            raise missing("SUBSCRIBE", "id")
        key = _key(shown_id, text)
        present = self._by_key.get(key)
        if present is not None:
            raise StompFailure(
                "Duplicated subscription identifier",
                f"A subscription identified by '{key}' already exists.",
                fatal=True,
                bare=True,
            )
        if len(self._by_key) >= session.settings.max_subscriptions:
            raise StompFailure("Too many subscriptions", f"a connection may have {session.settings.max_subscriptions}")
        mode = headers.get("ack", "auto")
        if mode not in MODES:
            raise StompFailure("Invalid header", f"header 'ack' must be one of {', '.join(MODES)} and is '{mode[:64]}'")
        parts = [text]
        if session.dialect.has_composites:
            headers, parts = with_options(text, headers), parts_of(text)
        destinations = [parse_destination(part, session.dialect, headers) for part in parts]
        selector = self._selector(headers)
        if flag(headers.get("browser")):
            if len(destinations) != 1 or destinations[0].is_pattern:
                raise StompFailure("Invalid destination", f"'{text[:64]}' is no queue that can be browsed")
            self._browse(key, shown_id, destinations[0], selector, headers, MODES[mode])
            session.receipts.answer(receipt)
            self._by_key[key].offer()
            return
        self._subscribe_queues(key, destinations, headers, selector, receipt)

    def _subscribe_queues(
        self,
        key: str,
        destinations: list[Destination],
        headers: Mapping[str, str],
        selector: MessageSelector | None,
        receipt: str | None,
    ) -> None:
        session = self._session
        if session.dialect.has_composites and "activemq.subscriptionName" in headers and destinations[0].kind == QUEUE:
            detail = "Invalid Subscription: cannot durably subscribe to a Queue destination!"
            raise StompFailure("Invalid subscription", detail)
        store = session.broker.store
        changes = store.changes
        destinations = [session.declaring.resolved(destination) for destination in destinations]
        found = [
            (destination, *session.declaring.for_subscription(destination, headers))
            for destination in destinations
            if not destination.is_pattern
        ]

        def consume() -> None:
            if len(destinations) == 1 and found:
                destination, queue, durable = found[0]
                subscription = self._consume(key, destination, headers, selector, queue.name, durable)
                self._by_key[key] = subscription
            else:
                self._consume_all(key, destinations, found, headers, selector)
            session.receipts.answer(receipt)

        if store.changes == changes:
            consume()
        else:
            # A queue that was made for it is on the disk before anybody is told.
            session.gate.wait_for_commit(
                lambda: self._guarded(consume, receipt),
                lambda detail: session.fail(StompFailure("Store failure", detail, fatal=True), receipt),
            )

    def _guarded(self, action: Callable[[], None], receipt: str | None) -> None:
        """What was put off: by now the client may be gone, or on its way out."""
        if not self._session.is_open:
            return
        try:
            action()
        except StompFailure as failure:
            self._session.fail(failure, receipt)
        except BrokerError as error:
            self._session.fail(as_failure(error), receipt)

    def _consume(
        self,
        key: str,
        destination: Destination,
        headers: Mapping[str, str],
        selector: MessageSelector | None,
        name: str,
        durable: str,
    ) -> Subscription:
        session = self._session
        queue = session.operations.require_readable(name)
        if destination.kind == TEMPORARY:
            # Whoever asks for the replies himself need not get them by themselves too.
            implicit = self._by_key.pop(_key(destination.text, ""), None)
            if isinstance(implicit, Subscription) and implicit.is_implicit:
                self._end(implicit)
        prefetch, window = self._limits(headers)
        arguments: dict[str, FieldValue] = {}
        if "x-consumer-timeout" in headers:
            arguments["x-consumer-timeout"] = LongLong(integer("x-consumer-timeout", headers["x-consumer-timeout"]))
        subscription = Subscription(
            session,
            queue,
            key,
            shown_id=headers.get("id"),
            destination=destination,
            mode=MODES[headers.get("ack", "auto")],
            prefetch=prefetch,
            window=window,
            priority=_priority(headers),
            arguments=arguments,
            selector=selector,
        )
        subscription.durable_queue = durable
        session.operations.subscribe(queue, subscription)
        self._by_number[subscription.number] = subscription
        if destination.kind == EXCHANGE and any(flag(headers.get(name)) for name in session.dialect.no_local):
            self.deaf.add(queue)
        return subscription

    def _consume_all(
        self,
        key: str,
        destinations: list[Destination],
        found: list[tuple[Destination, Queue, str]],
        headers: Mapping[str, str],
        selector: MessageSelector | None,
    ) -> None:
        # What is wrong with the headers is told now, whether there is a queue already or not.
        self._limits(headers)
        _priority(headers)

        def consume(destination: Destination, name: str, durable: str) -> Subscription:
            return self._consume(key, destination, headers, selector, name, durable)

        patterns = [destination for destination in destinations if destination.is_pattern]
        group = Group(self._session, headers["destination"], headers.get("id"), patterns, consume)
        self._by_key[key] = group
        try:
            group.start(found)
        except BrokerError:
            self._by_key.pop(key)
            self._end_group(group)
            raise

    def _end_group(self, group: Group) -> None:
        for member in group.stop():
            self._end(member)

    def _limits(self, headers: Mapping[str, str]) -> tuple[int, int]:
        """How many messages, and octets of them, it may hold at once; 0: no limit. Raises StompFailure."""
        dialect = self._session.dialect
        prefetch, window = dialect.prefetch, dialect.window
        if "prefetch-count" in headers:
            prefetch = _limit("prefetch-count", headers)
        if "activemq.prefetchSize" in headers:
            size = _limit("activemq.prefetchSize", headers)
            if dialect.name == "artemis":
                window = size
            else:
                prefetch = size
        if "consumer-window-size" in headers:
            octets = integer("consumer-window-size", headers["consumer-window-size"])
            # 0: one at a time; below: no limit.
            window = 1 if octets == 0 else max(octets, 0)
        return prefetch, window

    @staticmethod
    def _selector(headers: Mapping[str, str]) -> MessageSelector | None:
        text = headers.get("selector", "").strip()
        # Header values are all text, so that a number is compared with what the text spells.
        return parse_selector(text, converts_strings=True) if text else None

    def _browse(
        self,
        key: str,
        shown_id: str | None,
        destination: Destination,
        selector: MessageSelector | None,
        headers: Mapping[str, str],
        mode: int,
    ) -> None:
        session = self._session
        if destination.kind == EXCHANGE:
            raise StompFailure("Invalid destination", f"'{destination.text}' is no queue that can be browsed")
        name = destination.routing_key
        if destination.kind == TEMPORARY:
            name = session.declaring.temporary_queue(destination, replies=False)
        elif destination.kind == QUEUE:
            session.declaring.shared_queue(name, headers, address=destination.address)
        browser = session.operations.browse(name, selector)
        browsing = Browsing(session, browser, shown_id=shown_id, destination=destination, has_ack=mode != AUTO)
        self._by_key[key] = self._by_number[browsing.number] = browsing

    def subscribe_to_replies(self, destination: Destination, queue: Queue) -> None:
        """A reply-to names a temporary queue: what comes to it is delivered, unless it is subscribed to already."""
        if any(other.session is self._session for other in queue.consumers if isinstance(other, Subscription)):
            return
        key = _key(destination.text, "")
        subscription = Subscription(
            self._session,
            queue,
            key,
            shown_id=destination.text,
            destination=destination,
            mode=AUTO,
            prefetch=0,
            window=0,
            priority=0,
            arguments={},
            selector=None,
        )
        subscription.is_implicit = True
        self._session.operations.subscribe(queue, subscription)
        self._by_key[key] = self._by_number[subscription.number] = subscription

    # ------------------------------------------------------------------ UNSUBSCRIBE

    def unsubscribe(self, headers: Mapping[str, str]) -> None:
        """UNSUBSCRIBE. Raises StompFailure, BrokerError."""
        session = self._session
        shown_id, text = headers.get("id"), headers.get("destination")
        if shown_id is None and session.version != V10 and session.dialect.requires_id:
            raise missing("UNSUBSCRIBE", "id")
        if shown_id is None and text is None:
            detail = "UNSUBSCRIBE must include a 'destination' or 'id' header"
            raise StompFailure("Missing destination or id", detail, bare=True)
        if shown_id is not None and shown_id.startswith("/temp-queue/"):
            raise StompFailure("Invalid id", "UNSUBSCRIBE 'id' may not start with /temp-queue/")
        named = any(header in headers for header in SUBSCRIPTION_NAMES)
        subscription = self._pop(shown_id, text or "")
        if subscription is None:
            if not (named and self._delete_durable(headers)):
                named_by = f"destination='{text}'" if shown_id is None else f"id='{shown_id}'"
                detail = f'UNSUBSCRIBE must refer to an existing subscription.\nSubscription to "{named_by}" not found.'
                raise StompFailure("No subscription found", detail)
            return
        if isinstance(subscription, Group):
            self._end_group(subscription)
            return
        if not isinstance(subscription, Subscription):
            subscription.stop()
            del self._by_number[subscription.number]
            return
        durable = subscription.durable_queue
        self._end(subscription)
        if durable and (named or flag(headers.get("durable")) or flag(headers.get("persistent"))):
            session.operations.delete_queue(durable)

    def _pop(self, shown_id: str | None, text: str) -> Subscription | Browsing | Group | None:
        subscription = self._by_key.pop(_key(shown_id, text), None)
        if subscription is None and shown_id is None:
            # In 1.0 the destination is enough, whether it was given an id or not.
            for key, other in self._by_key.items():
                if other.destination.text == text:
                    return self._by_key.pop(key)
        return subscription

    def _delete_durable(self, headers: Mapping[str, str]) -> bool:
        """A durable subscription that nobody of this connection has just now; False: there is none of that name."""
        session = self._session
        name = durable_name(Destination("", EXCHANGE, "", ""), headers, session.client_id)
        if name not in session.vhost.queues:
            return False
        session.operations.delete_queue(name, if_unused=True)
        return True

    def _end(self, subscription: Subscription) -> None:
        subscription.stop()
        self.deaf.discard(subscription.queue)
        if subscription.unsettled and not self._session.dialect.keeps_unacknowledged:
            held = list(subscription.unsettled.values())
            subscription.unsettled.clear()
            release(held)
        self.settled(subscription)

    def cancelled(self, subscription: Subscription) -> None:
        """The broker ended it: its queue is gone."""
        self.settled(subscription)
        self.deaf.discard(subscription.queue)
        if subscription.group is not None:
            # The others go on.
            if subscription in subscription.group.members:
                subscription.group.members.remove(subscription)
            return
        self._by_key.pop(subscription.tag, None)
        if subscription.is_implicit:
            return
        headers = [("subscription", subscription.id)] if subscription.id is not None else []
        id_, text = subscription.id, subscription.destination.text
        named_by = f"destination='{text}'" if id_ is None else f"id='{id_}'"
        detail = f'The server has canceled a subscription.\nNo more messages will be delivered for "{named_by}".'
        self._session.fail(StompFailure("Server cancelled subscription", detail), None, headers)

    # ------------------------------------------------------------------ for others

    def numbered(self, number: int) -> Subscription | Browsing | None:
        """The subscription with this number, which is in the ids of its deliveries."""
        return self._by_number.get(number)

    def all_held(self) -> list[Subscription]:
        """Every subscription of which something may be unacknowledged."""
        return [each for each in self._by_number.values() if isinstance(each, Subscription)]

    def settled(self, subscription: Subscription) -> None:
        """Something of it was settled: one that is over is forgotten with its last message."""
        if not subscription.unsettled and subscription.is_over:
            self._by_number.pop(subscription.number, None)

    def put_back(self, taken: Taken) -> None:
        """What a transaction had taken is unsettled again; of a subscription that is over it may go to its queue."""
        for subscription in {entry[0]: None for entry in taken}:
            back = {tag: queued for each, tag, queued in taken if each is subscription}
            if not subscription.is_over or self._session.dialect.keeps_unacknowledged:
                subscription.unsettled = dict(sorted({**back, **subscription.unsettled}.items()))
                self._by_number[subscription.number] = subscription
            else:
                release(list(back.values()))

    def offer(self) -> None:
        """There may be room again."""
        for subscription in list(self._by_key.values()):
            subscription.offer()

    def withdraw(self) -> None:
        """There is no room: the client does not read."""
        for subscription in self.all_held():
            if subscription.waiting:
                subscription.queue.withdraw(subscription)

    def release(self) -> None:
        """The connection ends: all that was delivered and not settled goes back, to each queue in one go."""
        held: list[QueuedMessage] = []
        for subscription in list(self._by_key.values()):
            subscription.stop()
        for other in self.all_held():
            held += other.unsettled.values()
            other.unsettled.clear()
        self._by_key.clear()
        self._by_number.clear()
        release(held)


def release(held: list[QueuedMessage], *, failed: bool = True) -> None:
    """Give back to the queues, each message to its old place. Not ``failed``: by NACK, RabbitMQ's basic.nack."""
    by_queue: dict[Settlement, list[QueuedMessage]] = {}
    for queued in held:
        by_queue.setdefault(queued.settlement, []).append(queued)
    for queue, messages in by_queue.items():
        queue.release(messages, failed=failed)


def _key(shown_id: str | None, destination: str) -> str:
    return f"Q_{destination}" if shown_id is None else f"T_{shown_id}"


def _limit(name: str, headers: Mapping[str, str]) -> int:
    """0, or less: no limit."""
    return max(integer(name, headers[name]), 0)


def _priority(headers: Mapping[str, str]) -> int:
    if flag(headers.get("activemq.exclusive")):
        return EXCLUSIVE
    for name in PRIORITIES:
        if name in headers:
            return integer(name, headers[name])
    return 0
