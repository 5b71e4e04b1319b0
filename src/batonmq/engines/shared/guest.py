"""Another process, as the owner sees it: commands come in, answers go out.

Two threads: one reads and does, the other waits for commits and answers. So a process that has sent does not hold up
what it asks next, and what comes while one commit is under way shares the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, BinaryIO, TypeAlias, TypeVar, cast

import msgspec

from batonmq.broker.queues.reclaiming import reclaim
from batonmq.engines.embedded.capabilities import CAPABILITIES
from batonmq.engines.embedded.core import CommitFuture, Core
from batonmq.engines.embedded.engine import EmbeddedEngine, EmbeddedSubscription
from batonmq.engines.forks import when_forked
from batonmq.engines.futures import Future, resolved
from batonmq.engines.shared import wire
from batonmq.engines.shared.claims import Claims
from batonmq.engines.values import Incoming, Message
from batonmq.errors import BatonError, LeaseLost, NotFound

__all__ = ["Guest"]

log = logging.getLogger("batonmq.embedded")

T = TypeVar("T")


class GuestEngine(EmbeddedEngine):
    """Notes with what is done that it is done, so that the next owner does not do it again."""

    def __init__(self, core: Core, claims: Claims) -> None:
        super().__init__(core, CAPABILITIES, lambda: None)
        self._claims = claims
        self.guest = 0
        # What is being done, if it must not be done twice.
        self.command: wire.Once | None = None

    def _future(self, outcome: T) -> Future[T]:
        future = super()._future(outcome)
        command = self.command
        if command is not None:
            guest, claims, number = self.guest, self._claims, command.number
            claims.note(guest, number, outcome if isinstance(outcome, int) else 0, command.known)
            future.when_done(lambda: claims.failed(guest, number) if future.failed else None)
        return future

    def resume(self, subscribed: wire.Subscribed) -> EmbeddedSubscription:
        """A subscription as it was with the former owner. In a turn. Raises NotFound, AccessRefused."""
        _, queue, prefetch, lease, last_tag = subscribed
        subscription = self._subscribe(queue, prefetch, lease)
        subscription.consumer.number_from(last_tag)
        return subscription

    def settle_for(self, settlement: wire.Settlement, opening: int) -> None:
        """What the guest has settled, if the former owner did not keep that. In a turn. Raises StoreError."""
        _, name, row, count, how, reason, delay = settlement
        queue = self._queues.vhost.queues.get(name)
        if queue is None or not self._claims.is_good(queue, row, opening):
            return
        queued = reclaim(queue, row, count, None)
        if queued is None:
            return
        if how == "accept":
            queue.accept(queued)
        elif how == "release":
            queue.release([queued], None if delay is None else round(delay * 1000))
        else:
            queue.reject(queued, reason)


# What is to be answered: when this future is done, in these words.
Due: TypeAlias = tuple[int, Future[Any], Callable[[int, Any], wire.Numbered]]


class Guest:
    """See the module. ``on_end`` is called when it is gone."""

    def __init__(self, core: Core, peer: socket.socket, claims: Claims, on_end: Callable[[Guest], None]) -> None:
        self._core = core
        self._claims = claims
        self._peer = peer
        self._stream = cast("BinaryIO", peer.makefile("rb", wire.BUFFER))
        self._on_end = on_end
        self._engine = GuestEngine(core, claims)
        self._subscriptions: dict[int, EmbeddedSubscription] = {}
        # Asked for and not there yet: what can be withdrawn, and what can be forgotten.
        self._receives: dict[int, tuple[EmbeddedSubscription, Future[list[Incoming]]]] = {}
        self._requests: dict[int, Future[Message]] = {}
        # None: there is nothing more to answer.
        self._due: SimpleQueue[Due | None] = SimpleQueue()
        self._last = 0
        # The batch with the last settlement, and the number of that.
        self._settled_in = 0
        self._settled: list[int] = []
        self._is_dismissed = False
        self._has_closed = False
        self._reader = threading.Thread(target=self._read, name="batonmq-guest", daemon=True)
        self._answerer = threading.Thread(target=self._answer, name="batonmq-answers", daemon=True)
        when_forked(self)

    def start(self) -> None:
        """Say hello, and serve."""
        # In this order: the one that answers waits for the other one's end.
        self._reader.start()
        self._answerer.start()

    def dismiss(self) -> None:
        """The owner goes: what has been begun is answered, nothing else is begun. Returns at once."""
        self._is_dismissed = True
        # Wakes the reader; answers still go out.
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RD)

    def wait(self, timeout: float) -> None:
        """Return when it is gone; after so many seconds it is thrown out."""
        self._answerer.join(timeout)
        if self._answerer.is_alive():
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
            self._answerer.join()
        self._reader.join()

    def forked(self) -> None:
        """The parent talks to it."""
        with contextlib.suppress(OSError):
            os.close(self._peer.detach())

    # ------------------------------------------------------------------ commands

    def _read(self) -> None:
        try:
            while True:
                command = wire.read_command(self._stream)
                if command is None or self._is_dismissed:
                    break
                if not self._engine.guest:
                    if not isinstance(command, wire.Resume):
                        raise ValueError("a process that shares the file does not say who it is")
                    self.resume(command)
                    continue
                self._last = command.number or self._last
                self._do(command)
        except (OSError, msgspec.DecodeError, ValueError, BatonError) as error:
            # Whoever cannot be understood is not to be trusted with the rest.
            log.warning("a process that shares the file is not served any more: %s", error)
        finally:
            # In this order: what waits for messages is answered by the next owner, not with nothing by this one.
            self._due.put(None)
            self._leave()

    def _do(self, command: wire.Command) -> None:
        self._engine.command = command if isinstance(command, wire.Once) else None
        try:
            DO[type(command)](self, command)
        except Exception as error:  # an answer in any case: a fault of ours must not keep another process waiting
            if not isinstance(error, (BatonError, ValueError, TypeError)):
                log.exception("a command of another process failed in an unexpected way")
            failed: Future[None] = Future()
            failed.fail(error)
            self._promise(command.number, failed, _done)

    def _promise(self, number: int, future: Future[T], say: Callable[[int, T], wire.Numbered]) -> None:
        due = (number, future, say)
        if future.done or isinstance(future, CommitFuture):
            # Whoever waits for a commit sees to it.
            self._due.put(due)
        else:
            # Called under the core's lock: it may not wait for anything, and does not.
            future.when_done(lambda: self._due.put(due))

    def _leave(self) -> None:
        """Give everything back, to the queues or to the next owner."""
        with contextlib.suppress(BatonError):
            requests, self._requests = self._requests, {}
            for future in requests.values():
                self._engine.forget(future)
            if self._is_dismissed and not self._has_closed:
                self._core.run(self._hand_on)
            else:
                self._engine.close()
                if self._engine.guest:
                    self._claims.gone(self._engine.guest, for_good=self._has_closed)

    def _hand_on(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.consumer.hand_on()

    def resume(self, command: wire.Resume) -> None:
        """The first command: who it is, and what it has."""
        self._engine.guest = command.guest
        resumed = self._core.run_reading(self._resume, command)
        if resumed.done:
            # Of this opening, if it has lost no more than its connection: nothing is done before it is on the disk.
            self._core.flush()
        self._due.put((0, resolved(resumed), lambda _, resumed: resumed))
        self._claims.resumed(command.guest, command.process)
        self._claims.wait()

    def _resume(self, command: wire.Resume) -> wire.Resumed:
        claims, engine = self._claims, self._engine
        resumed = wire.Resumed(0, [], sorted(claims.done.get(command.guest, {}).items()), [])
        for subscribed in command.subscriptions:
            try:
                self._adopt(subscribed[0], engine.resume(subscribed))
            except BatonError as error:
                failed = wire.error_to(0, error)
                resumed.ended.append((subscribed[0], failed.error, failed.text))
        for number, tag, row, count, seconds in command.holds:
            subscription = self._subscriptions.get(number)
            if subscription is None or not claims.is_good(subscription.consumer.queue, row, command.opening):
                continue
            if subscription.consumer.adopt(tag, row, count, seconds):
                resumed.kept.append((number, tag))
        for settlement in command.settlements:
            engine.settle_for(settlement, command.opening)
            self._note_settled(settlement[0])
        return resumed

    def _adopt(self, number: int, subscription: EmbeddedSubscription) -> None:
        subscription.consumer.is_abroad = True
        subscription.consumer.on_late = lambda tag: self._due.put(
            (0, resolved(tag), lambda _, tag: wire.Late(0, number, tag))
        )
        self._subscriptions[number] = subscription

    def _note_settled(self, number: int) -> None:
        """A settlement is in the batch that is collected: the guest is told when that is written. In a turn."""
        store = self._core.store
        if not store.has_work():
            # It left no trace: what was settled was nowhere but in memory.
            self._due.put((number, resolved(None), lambda number, _: wire.Settled(number)))
        elif self._settled_in == store.batch:
            self._settled[0] = number
        else:
            self._settled_in = store.batch
            self._settled = [number]
            self._announce(self._settled)

    def _announce(self, settled: list[int]) -> None:
        future = self._core.future(None, sync=False)

        def then() -> None:
            if future.failed:
                # It is tried again, with a later batch.
                self._announce(settled)
            else:
                self._due.put((settled[0], resolved(None), lambda number, _: wire.Settled(number)))

        future.when_done(then)

    def _find(self, number: int) -> EmbeddedSubscription:
        subscription = self._subscriptions.get(number)
        if subscription is None:
            raise NotFound("there is no such subscription any more")
        return subscription

    def declare(self, command: wire.Declare) -> None:
        self._promise(command.number, self._engine.declare(command.queue, command.options), _done)

    def delete(self, command: wire.Delete) -> None:
        self._promise(command.number, self._engine.delete(command.queue), _done)

    def send(self, command: wire.Send) -> None:
        messages = [wire.message_from(wired) for wired in command.messages]
        self._promise(command.number, self._engine.send(command.queue, messages), _done)

    def subscribe(self, command: wire.Subscribe) -> None:
        future = self._engine.subscribe(command.queue, command.prefetch, command.lease)
        subscription = future.get()
        assert isinstance(subscription, EmbeddedSubscription)
        self._adopt(command.subscription, subscription)
        self._promise(command.number, future, _done)

    def receive(self, command: wire.Receive) -> None:
        number, subscription = command.number, self._find(command.subscription)
        future = subscription.receive(command.most)
        self._receives[number] = (subscription, future)
        future.when_done(lambda: self._received(number))
        consumer = subscription.consumer

        def arrived(number: int, messages: list[Incoming]) -> wire.Numbered:
            return wire.Arrived(number, [wire.incoming_to(one, consumer.row_of(one.handle)) for one in messages])

        self._promise(number, future, arrived)

    def _received(self, number: int) -> None:
        self._receives.pop(number, None)

    def withdraw(self, command: wire.Withdraw) -> None:
        found = self._receives.get(command.receive)
        if found is not None:
            subscription, future = found
            subscription.withdraw(future)

    def settle(self, command: wire.Settle) -> None:
        self._core.run(self._settle, command)

    def _settle(self, command: wire.Settle) -> None:
        subscription = self._subscriptions.get(command.subscription)
        # The subscription was closed; the queue was deleted, and the message with it; or it was late, which is on its
        # way.
        if subscription is not None:
            with contextlib.suppress(LeaseLost):
                subscription.consumer.settle(command.tag, command.how, command.reason, command.delay)
        self._note_settled(command.number)

    def renew(self, command: wire.Renew) -> None:
        subscription = self._subscriptions.get(command.subscription)
        if subscription is None:
            raise LeaseLost("the message is back in its queue")
        self._promise(command.number, subscription.renew(_held(command.tag), command.seconds), _done)

    def unsubscribe(self, command: wire.Unsubscribe) -> None:
        subscription = self._subscriptions.pop(command.subscription, None)
        self._promise(command.number, resolved(None) if subscription is None else subscription.close(), _done)

    def peek(self, command: wire.Peek) -> None:
        self._promise(command.number, self._engine.peek(command.queue, command.most), _found)

    def count(self, command: wire.Count) -> None:
        self._promise(command.number, self._engine.count(command.queue), wire.Counted)

    def purge(self, command: wire.Purge) -> None:
        self._promise(command.number, self._engine.purge(command.queue), wire.Counted)

    def move(self, command: wire.Move) -> None:
        self._promise(command.number, self._engine.move(command.source, command.target, command.most), wire.Counted)

    def transact(self, command: wire.Transact) -> None:
        sends = [(queue, wire.message_from(wired)) for queue, wired in command.sends]
        accepts = [(self._find(one), _held(tag)) for one, tag in command.accepts]
        self._promise(command.number, self._engine.transact(sends, accepts), _done)

    def request(self, command: wire.Request) -> None:
        number = command.number
        future = self._engine.request(command.queue, wire.message_from(command.message))
        self._requests[number] = future
        self._promise(number, future, lambda number, reply: wire.Found(number, [wire.message_to(reply)]))

    def forget(self, command: wire.Forget) -> None:
        future = self._requests.pop(command.request, None)
        if future is not None:
            self._engine.forget(future)

    def reply(self, command: wire.Reply) -> None:
        request, message = wire.message_from(command.request), wire.message_from(command.message)
        self._promise(command.number, self._engine.reply(request, message), _done)

    def close(self, command: wire.Close) -> None:
        self._has_closed = True
        self._leave()
        # What it has settled outlives this process when it hears of it.
        written = self._core.run(lambda: self._core.future(None, sync=False))
        self._promise(command.number, written, _done)

    # ------------------------------------------------------------------ answers

    def _answer(self) -> None:
        try:
            hello = wire.Hello(0, wire.VERSION, os.getpid(), self._claims.opening)
            self._peer.sendall(wire.frame(hello), wire.NO_SIGNAL)
            while (due := self._due.get()) is not None:
                self._peer.sendall(_outcome(*due), wire.NO_SIGNAL)
            if self._is_dismissed:
                self._peer.sendall(wire.frame(wire.Bye(self._last)), wire.NO_SIGNAL)
        except OSError:
            # It is gone, and the reader notices.
            pass
        finally:
            self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._stream.close()
        self._peer.close()
        self._on_end(self)


def _outcome(number: int, future: Future[T], say: Callable[[int, T], wire.Numbered]) -> bytes:
    """Wait for the commit, where there is one to wait for, and say how it went."""
    try:
        return wire.frame(say(number, future.get()))
    except (BatonError, ValueError, TypeError) as error:
        return wire.frame(wire.error_to(number, error))


def _done(number: int, _nothing: object) -> wire.Numbered:
    return wire.Done(number)


def _found(number: int, messages: list[Message]) -> wire.Numbered:
    return wire.Found(number, [wire.message_to(message) for message in messages])


def _held(tag: int) -> Incoming:
    """A settlement names its message by the tag."""
    return Incoming(NO_MESSAGE, 0, False, tag)


NO_MESSAGE = Message(b"")

DO: dict[type[wire.Numbered], Callable[[Guest, Any], None]] = {
    wire.Resume: Guest.resume,
    wire.Declare: Guest.declare,
    wire.Delete: Guest.delete,
    wire.Send: Guest.send,
    wire.Subscribe: Guest.subscribe,
    wire.Receive: Guest.receive,
    wire.Withdraw: Guest.withdraw,
    wire.Settle: Guest.settle,
    wire.Renew: Guest.renew,
    wire.Unsubscribe: Guest.unsubscribe,
    wire.Peek: Guest.peek,
    wire.Count: Guest.count,
    wire.Purge: Guest.purge,
    wire.Move: Guest.move,
    wire.Transact: Guest.transact,
    wire.Request: Guest.request,
    wire.Forget: Guest.forget,
    wire.Reply: Guest.reply,
    wire.Close: Guest.close,
}
