"""The engine as its product sees it: management links, replies, browsing and transactions, set up on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from batonmq.engines.amqp10.browser import Browser
from batonmq.engines.amqp10.failures import refused
from batonmq.engines.amqp10.inbox import Inbox, ReplyFuture
from batonmq.engines.amqp10.pair import Pair
from batonmq.engines.amqp10.probe import probe
from batonmq.engines.amqp10.products.desk import Announced, Answer, Desk, Opening, Terms
from batonmq.engines.amqp10.publisher import Publisher
from batonmq.engines.amqp10.transactions import TransactionLink
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.errors import BatonError, ConnectionLost, NotFound
from batonmq.protocols.amqp10.codec.performatives import MessageProperties, Source, Target
from batonmq.protocols.amqp10.codec.sections import APPLICATION_PROPERTIES, DATA, VALUE, Sections
from batonmq.protocols.amqp10.codec.values import Described, ULong, encode

__all__ = ["EngineDesk"]

T = TypeVar("T")


class EngineDesk(Desk):
    """The desk over one uplink."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._has_coordinator = False
        self._make_reply_source: Callable[[], Source] = _dynamic
        self._read: Callable[[bytes], Message] | None = None
        self._pairs: dict[str, Pair] = {}
        self.publisher = Publisher(uplink)
        self.inbox = Inbox(uplink, self._reply_source)
        self.transactions = TransactionLink(uplink)

    def serve(self, reply_source: Callable[[], Source], read: Callable[[bytes], Message]) -> None:
        """Set the product, which knows the reply address and the format of messages."""
        self._make_reply_source = reply_source
        self._read = read

    def _reply_source(self) -> Source:
        return self._make_reply_source()

    def look_for_coordinator(self, patience: float) -> Future[None]:
        """Find out within that many seconds whether there are transactions.

        The future fails with the broker's error if it closes the connection instead: some check the virtual host only
        after the open.
        """
        future: Future[None] = Future()

        def done(asked: Future[None]) -> None:
            error = asked.error
            if isinstance(error, ConnectionLost):
                future.fail(refused(error, self._uplink.parameters))
                return
            self._has_coordinator = not asked.failed and not future.done
            future.resolve(None)

        def ask() -> None:
            asked = self.transactions.attach()
            asked.when_done(lambda: done(asked), owed=future)
            # If the broker does not answer, it has no transactions.
            self._uplink.later(patience, lambda: future.resolve(None))

        self._uplink.when_open(ask, future)
        return future

    # ------------------------------------------------------------------ for products

    @property
    def announced(self) -> Announced:
        return self._uplink.announced

    @property
    def has_coordinator(self) -> bool:
        return self._has_coordinator

    @property
    def terms(self) -> Terms:
        parameters = self._uplink.parameters
        credentials, tls = parameters.credentials, parameters.tls
        return Terms(credentials.user, credentials.password, parameters.options, tls.context if tls else None)

    def call(self, function: Callable[[], None]) -> None:
        self._uplink.call(function)

    def ask(
        self,
        target: Target,
        body: object = None,
        *,
        application: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        within: float | None = None,
    ) -> Future[Sections]:
        rest = b""
        if application:
            rest += encode(Described(ULong(APPLICATION_PROPERTIES), dict(application)))
        rest += encode(Described(ULong(DATA if isinstance(body, bytes) else VALUE), body))
        given: dict[str, Any] = dict(properties or {})

        def payload(reply_to: str, correlation_id: str) -> bytes:
            own = {"message_id": correlation_id, **given, "reply_to": reply_to, "correlation_id": correlation_id}
            return MessageProperties(**own).encoded() + rest

        asked = self.request(target, target.address or "", payload)
        if within is not None:

            def give_up() -> None:
                self.inbox.forget(asked)
                asked.fail(NotFound(f"no answer within {within:g} s"))

            self._uplink.call(lambda: _ignore(self._uplink.later(within, give_up)))
        return asked

    def request(self, target: Target, queue: str, payload: Callable[[str, str], bytes]) -> ReplyFuture:
        """Send the ``payload`` built from reply-to and correlation-id, and resolve with the reply."""
        future = ReplyFuture()

        def send(reply_to: str) -> None:
            sent: Future[None] = Future()
            try:
                outlet = self.publisher.open(target, queue)
                outlet.send((payload(reply_to, future.correlation_id),), sent)
            except (BatonError, ValueError) as error:
                sent.fail(error)
            sent.when_done(lambda: failed(sent.error))

        def failed(error: BaseException | None) -> None:
            if error is not None:
                self.inbox.forget(future)
                future.fail(error)

        self._uplink.when_open(lambda: self.inbox.ask(send, future), future)
        return future

    def ask_pair(self, method: str, path: str, body: object = None, node: str = "/management") -> Future[Answer]:
        future: Future[Answer] = Future()

        def ask() -> None:
            pair = self._pairs.get(node)
            if pair is None:
                pair = self._pairs[node] = Pair(self._uplink, node)
            pair.ask(method, path, body, future)

        self._uplink.when_open(ask, future)
        return future

    def probe(self, terminus: Source | Target) -> Future[None]:
        future: Future[None] = Future()
        self._uplink.when_open(lambda: _pass_on(probe(self._uplink, terminus), future), future)
        return future

    def send(self, target: Target, payloads: Sequence[bytes], queue: str) -> Future[None]:
        future: Future[None] = Future()

        def send() -> None:
            try:
                outlet = self.publisher.open(target, queue)
            except BatonError as error:
                future.fail(error)
                return
            outlet.send(payloads, future)

        self._uplink.when_open(send, future)
        return future

    def look(self, opening: Opening, most: int) -> Future[list[Message]]:
        assert self._read is not None
        browser = Browser(self._uplink, self._read, most)
        self._uplink.when_open(lambda: browser.begin(opening), browser.future)
        return browser.future

    def later(self, seconds: float) -> Future[None]:
        future: Future[None] = Future()
        self._uplink.call(lambda: _ignore(self._uplink.later(seconds, lambda: future.resolve(None))))
        return future


def _pass_on(inner: Future[T], outer: Future[T]) -> None:
    """Pass the outcome of one future to the other."""

    def then() -> None:
        if inner.error is not None:
            outer.fail(inner.error)
        else:
            outer.resolve(inner.result())

    inner.when_done(then, owed=outer)


def _ignore(_: object) -> None:
    """Do nothing: it is never cancelled."""


def _dynamic() -> Source:
    return Source(dynamic=True)
