"""Executes another process's commands in the owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batonmq.engines.embedded.core import Core
from batonmq.engines.embedded.engine import EmbeddedSubscription
from batonmq.engines.futures import Future, resolved
from batonmq.engines.leases import lost
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.guest_answers import GuestAnswers, say_done, say_found, say_standing
from batonmq.engines.shared.guest_engine import GuestEngine
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.settled_notices import SettledNotices
from batonmq.engines.values import Incoming
from batonmq.errors import LeaseLost, NotFound

__all__ = ["GuestCommands"]

NO_MESSAGE = Message(b"")


class GuestCommands:
    """Does all commands but the first and the last, which ``Guest`` does; the caller answers errors."""

    def __init__(self, core: Core, engine: GuestEngine, says: GuestAnswers) -> None:
        self._core = core
        self._engine = engine
        self._says = says
        self.settled = SettledNotices(core, says)
        """Announces which settlements are written."""
        self.subscriptions: dict[int, EmbeddedSubscription] = {}
        """By the number that the guest has given each."""
        # Waiting receives, which can be withdrawn, and requests, which can be forgotten.
        self._receives: dict[int, tuple[EmbeddedSubscription, Future[list[Incoming]]]] = {}
        self._requests: dict[int, Future[Message]] = {}

    def do(self, command: commands.Command) -> None:
        """Do a command, and promise its answer. Raises BatonError, ValueError, TypeError."""
        DO[type(command)](self, command)

    def adopt(self, number: int, subscription: EmbeddedSubscription) -> None:
        """Make a subscription the guest's, under that number."""
        subscription.consumer.serve_abroad(lambda tag: self._says.say(answers.Late(0, number, tag)))
        self.subscriptions[number] = subscription

    def forget_requests(self) -> None:
        """Forget all requests: nobody waits for their replies any more."""
        requests, self._requests = self._requests, {}
        for future in requests.values():
            self._engine.forget(future)

    def _find(self, number: int) -> EmbeddedSubscription:
        subscription = self.subscriptions.get(number)
        if subscription is None:
            raise NotFound("there is no such subscription any more")
        return subscription

    def declare(self, command: commands.Declare) -> None:
        self._says.promise(command.number, self._engine.declare(command.queue, command.options), say_done)

    def delete(self, command: commands.Delete) -> None:
        self._says.promise(command.number, self._engine.delete(command.queue), say_done)

    def send(self, command: commands.Send) -> None:
        messages = [wire.message_from(wired) for wired in command.messages]
        self._says.promise(command.number, self._engine.send(command.queue, messages), say_done)

    def publish(self, command: commands.Publish) -> None:
        published = self._engine.exchanges.publish(
            command.exchange, command.key, wire.message_from(command.message), flushed=command.flushed
        )
        self._says.promise(command.number, published, answers.Counted)

    def arrange(self, command: commands.Arrange) -> None:
        changed = self._engine.exchanges.change(command.change, flushed=command.flushed)
        self._says.promise(command.number, changed, say_standing)

    def subscribe(self, command: commands.Subscribe) -> None:
        future = self._engine.subscribe(command.queue, command.prefetch, command.lease)
        subscription = future.get()
        assert isinstance(subscription, EmbeddedSubscription)
        self.adopt(command.subscription, subscription)
        self._says.promise(command.number, future, say_done)

    def receive(self, command: commands.Receive) -> None:
        number, subscription = command.number, self._find(command.subscription)
        future = subscription.receive(command.most)
        self._receives[number] = (subscription, future)
        future.when_done(lambda: self._received(number))
        consumer = subscription.consumer

        def arrived(number: int, messages: list[Incoming]) -> Numbered:
            return answers.Arrived(number, [wire.incoming_to(one, consumer.row_of(one.handle)) for one in messages])

        self._says.promise(number, future, arrived)

    def _received(self, number: int) -> None:
        self._receives.pop(number, None)

    def withdraw(self, command: commands.Withdraw) -> None:
        found = self._receives.get(command.receive)
        if found is not None:
            subscription, future = found
            subscription.withdraw(future)

    def settle(self, command: commands.Settle) -> None:
        self._core.run(self._settle_now, command)

    def _settle_now(self, command: commands.Settle) -> None:
        subscription = self.subscriptions.get(command.subscription)
        try:
            if subscription is None:
                raise lost()
            subscription.consumer.settle(command.tag, command.how, command.reason, command.delay)
        except LeaseLost:
            # It was late, and the notice of that is on its way; or the queue was deleted with the message.
            queue = "" if subscription is None else subscription.consumer.source.name
            self._says.say(answers.Unsettled(command.number, queue))
        else:
            self.settled.note(command.number)

    def renew(self, command: commands.Renew) -> None:
        subscription = self.subscriptions.get(command.subscription)
        if subscription is None:
            raise LeaseLost("the message is back in its queue")
        self._says.promise(command.number, subscription.renew(_held(command.tag), command.seconds), say_done)

    def report(self, command: commands.Report) -> None:
        subscription = self.subscriptions.get(command.subscription)
        if subscription is not None:
            subscription.report(_held(command.tag), command.fraction, command.note)

    def unsubscribe(self, command: commands.Unsubscribe) -> None:
        subscription = self.subscriptions.pop(command.subscription, None)
        closed = resolved(None) if subscription is None else subscription.close()
        self._says.promise(command.number, closed, say_done)

    def peek(self, command: commands.Peek) -> None:
        self._says.promise(command.number, self._engine.peek(command.queue, command.most), say_found)

    def count(self, command: commands.Count) -> None:
        self._says.promise(command.number, self._engine.count(command.queue), answers.Counted)

    def purge(self, command: commands.Purge) -> None:
        self._says.promise(command.number, self._engine.purge(command.queue), answers.Counted)

    def move(self, command: commands.Move) -> None:
        moved = self._engine.move(command.source, command.target, command.most)
        self._says.promise(command.number, moved, answers.Counted)

    def transact(self, command: commands.Transact) -> None:
        sends = [(queue, wire.message_from(wired)) for queue, wired in command.sends]
        accepts = [(self._find(one), _held(tag)) for one, tag in command.accepts]
        self._says.promise(command.number, self._engine.transact(sends, accepts), say_done)

    def request(self, command: commands.Request) -> None:
        self._await(command.number, self._engine.request(command.queue, wire.message_from(command.message)))

    def manage(self, command: commands.Manage) -> None:
        self._await(command.number, self._engine.manage(wire.message_from(command.message)))

    def _await(self, number: int, future: Future[Message]) -> None:
        self._requests[number] = future
        future.when_done(lambda: self._answered(number))
        self._says.promise(number, future, lambda number, reply: say_found(number, [reply]))

    def _answered(self, number: int) -> None:
        self._requests.pop(number, None)

    def forget(self, command: commands.Forget) -> None:
        future = self._requests.pop(command.request, None)
        if future is not None:
            self._engine.forget(future)

    def reply(self, command: commands.Reply) -> None:
        request, message = wire.message_from(command.request), wire.message_from(command.message)
        self._says.promise(command.number, self._engine.reply(request, message), say_done)


def _held(tag: int) -> Incoming:
    """A stand-in for a held message: commands name it by its tag."""
    return Incoming(NO_MESSAGE, 0, False, tag)


DO: dict[type[Numbered], Callable[[GuestCommands, Any], None]] = {
    commands.Declare: GuestCommands.declare,
    commands.Delete: GuestCommands.delete,
    commands.Send: GuestCommands.send,
    commands.Publish: GuestCommands.publish,
    commands.Arrange: GuestCommands.arrange,
    commands.Subscribe: GuestCommands.subscribe,
    commands.Receive: GuestCommands.receive,
    commands.Withdraw: GuestCommands.withdraw,
    commands.Settle: GuestCommands.settle,
    commands.Renew: GuestCommands.renew,
    commands.Report: GuestCommands.report,
    commands.Unsubscribe: GuestCommands.unsubscribe,
    commands.Peek: GuestCommands.peek,
    commands.Count: GuestCommands.count,
    commands.Purge: GuestCommands.purge,
    commands.Move: GuestCommands.move,
    commands.Transact: GuestCommands.transact,
    commands.Request: GuestCommands.request,
    commands.Manage: GuestCommands.manage,
    commands.Forget: GuestCommands.forget,
    commands.Reply: GuestCommands.reply,
}
