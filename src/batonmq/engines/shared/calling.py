"""The connection to the owner of a file: kept open, and made again when it is lost.

The states of a link, as seen from here; one thread seeks and reads:

    state      | commands                        | what ends it
    -----------+---------------------------------+----------------------------------------------------------------
    seeking    | wait here                       | an owner is reached, and told what is held here -> resuming
               |                                 | no owner is reached for too long, or this end is closed -> down
    resuming   | wait here                       | Resumed: waiting commands are sent in order -> open
               |                                 | the owner goes -> seeking
    open       | are sent at once                | the owner goes -> seeking
    down       | begin the search, and wait      | a command -> seeking

What happens to a call when the owner goes, by its ``WhenLost`` and by how far it had got:

    when_lost  | not sent   | sent; the owner said that it had not begun   | sent, and anything else
    -----------+------------+----------------------------------------------+----------------------------------------------
    again      | sent to the next owner
    once       | sent to the next owner, unless its Resumed says that it is done: then that is the answer
    fail       | sent to the next owner                                    | ConnectionLost
    over       | answered

Answers that the owner sent are read before its end is noticed. Nobody waits for a settlement, unless there is no owner:
each next owner is told of it with ``Resume``, until one has said ``Settled``, or that it came too late. Calls that
still wait when the state becomes ``down`` fail. The lock guards everything here and in the subscriptions; no future is
resolved under it.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time

from batonmq import points
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import InUse
from batonmq.engines.forks import FORKED, when_forked
from batonmq.engines.futures import Future
from batonmq.engines.leases import lost
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.calls import AnyCall, Call, Caller, as_nothing
from batonmq.engines.shared.ledger import Ledger
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached, reach
from batonmq.engines.shared.roll import HERE
from batonmq.errors import BatonError, Closed, ConnectionLost, EngineError

__all__ = ["Calls"]

log = logging.getLogger("batonmq.embedded")

# How long an owner is sought before waiting calls fail, in seconds.
RECONNECT_SECONDS = 60.0
# How long this end waits for an owner to take the last commands when it closes, in seconds.
GOODBYE_SECONDS = 10.0
# The pause after an owner that went before it answered Resume, in seconds.
PAUSE_SECONDS = 0.05
FAILED = "the connection to the process that has the file has failed"
LOST = "the process that had the file went before it answered: what was asked for may have been done or not"


class Calls:
    """One connection to a file that any process may own. Any thread may call."""

    def __init__(self, path: str, reached: Reached) -> None:
        self.lock = threading.RLock()
        self._callers: dict[int, Caller] = {}
        self._path = path
        self._reached: Reached | None = reached
        self._is_resumed = False
        # While this is open, this process owns the file.
        self._own = reached.own
        # The identity of this guest for every owner, and the openings of the file in which it was served: from the last
        # one that is known to have done anything, as the store may not know of later ones.
        self._guest = secrets.randbits(62) + 1
        HERE.add(self._guest)
        self._openings: list[int] = []
        self._ledger = Ledger()
        self._is_closed = False
        self._why_closed = "the connection was closed"
        self._closing_until = 0.0
        self._thread: threading.Thread | None = None
        when_forked(self)
        with self.lock:
            self._resume(reached)
            self._start()

    @property
    def is_open(self) -> bool:
        """Is there an owner, as far as is known, that knows what is held here?"""
        return self._is_resumed

    @property
    def own(self) -> object:
        """The broker, if it is in this process; None: it is in another one."""
        own = self._own
        return None if own is None else own.native

    # ------------------------------------------------------------------ from any thread

    def require_open(self) -> None:
        """Raises Closed."""
        if self._is_closed:
            raise Closed(self._why_closed)

    def ask(self, call: AnyCall) -> None:
        """Send a call to the owner, or to the next one if there is none now. Raises Closed, ValueError."""
        with self.lock:
            self.require_open()
            self._ask(call)

    def _ask(self, call: AnyCall) -> None:
        command = call.command
        self._ledger.number(command)
        if self._is_resumed and self._reached is not None:
            self._reached.link.send(command)
        else:
            # A command that is too large is refused here, not in the thread that sends it later.
            wire.frame(command)
            if self._thread is None:
                self._start()
        self._ledger.add(call)

    def settle(self, command: commands.Settle, queue: str, row: int, count: int) -> Future[None] | None:
        """Send a settlement to the owner, and to the next ones until it is known to be written. Under the lock.

        Without an owner, the returned future has the answer of the next one. Raises LeaseLost for a message without a
        row, which was lost with the last owner.
        """
        self._ledger.number(command)
        is_told = self._is_resumed and self._reached is not None and self._reached.link.send(command)
        if not row:
            if not is_told:
                raise lost()
            return None
        outcome: Future[None] | None = None if is_told else Future()
        self._ledger.settlements.add(command, queue, row, count, outcome)
        return outcome

    def tell(self, command: Numbered) -> None:
        """Send a command that has no answer; does nothing if there is no owner. Under the lock."""
        if self._is_resumed and self._reached is not None:
            self._reached.link.send(command)

    def add_caller(self, number: int, caller: Caller) -> None:
        """Add the subscription of that number, which is told of its events from now on. Under the lock."""
        self._callers[number] = caller

    def remove_caller(self, number: int) -> bool:
        """Remove a subscription. Under the lock. False: it was removed before."""
        return self._callers.pop(number, None) is not None

    def drop(self, call: AnyCall) -> None:
        """Forget a call: nobody wants its answer any more. Under the lock."""
        self._ledger.take(call.command.number)

    def close(self) -> None:
        """Give held messages back, and end the thread. A second call does nothing. Raises StoreError."""
        gone: Future[None] = Future()
        with self.lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._closing_until = time.monotonic() + GOODBYE_SECONDS
            thread = self._thread
            if thread is not None and (self._reached is not None or self._ledger.has_to_tell):
                self._ask(Call(commands.Close(0), gone, as_nothing, "over"))
            else:
                gone.resolve(None)
        gone.wait(GOODBYE_SECONDS)
        with self.lock:
            self._closing_until = 0.0
            reached = self._reached
        if reached is not None:
            reached.link.close()
        if thread is not None:
            thread.join()
        HERE.discard(self._guest)
        self._end(Closed("the connection was closed"))
        own, self._own = self._own, None
        if own is not None:
            own.close()

    @property
    def _is_wanted(self) -> bool:
        """Is an owner needed? After ``close``, only for the commands before it."""
        return not self._is_closed or (self._ledger.has_to_tell and time.monotonic() < self._closing_until)

    def forked(self) -> None:
        """A child has neither the thread nor the connection."""
        self.lock = threading.RLock()
        self._is_closed = True
        self._why_closed = FORKED
        self._reached = self._thread = None
        self._is_resumed = False

    # ------------------------------------------------------------------ in the thread

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="batonmq-shared", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while (reached := self._reached or self._seek()) is not None:
                last = self._read(reached)
                points.reached("owner.lost")
                was_resumed = self._is_resumed
                reached.link.release()
                self._lose(reached.link.sent if last is None else last)
                if not was_resumed:
                    time.sleep(PAUSE_SECONDS)
        except Exception:  # a bug of ours: nobody may wait for a thread that has ended
            log.exception(FAILED)
            if (reached := self._reached) is not None:
                reached.link.close()
                reached.link.release()
            self._end(ConnectionLost(FAILED))

    def _read(self, reached: Reached) -> int | None:
        """Read until the owner is gone. Returns the last command that it has begun, if it said so."""
        while (answer := reached.link.read()) is not None:
            if isinstance(answer, answers.Bye):
                return answer.number
            if isinstance(answer, answers.Resumed):
                self._resumed(reached, answer)
                continue
            with self.lock:
                if isinstance(answer, answers.Late):
                    caller = self._callers.get(answer.subscription)
                    if caller is not None:
                        caller.late(answer.tag)
                    continue
                if isinstance(answer, answers.Settled):
                    outcomes = self._ledger.settlements.settled(answer.number)
                elif isinstance(answer, answers.Unsettled):
                    outcomes = self._ledger.settlements.unsettled(answer)
                else:
                    outcomes = None
                call = self._ledger.take(answer.number) if outcomes is None else None
                if call is not None and call.when_lost == "once" and not isinstance(answer, answers.Failed):
                    # It is written, so the store knows this owner's opening, and earlier ones are not needed.
                    del self._openings[:-1]
            if call is not None:
                self._answer(call, answer)
            elif outcomes is not None:
                outcomes.tell()
        return None

    def _answer(self, call: AnyCall, answer: answers.Answer) -> None:
        """Pass the answer on; the caller gets an error if this end fails on it."""
        try:
            call.answered(answer)
        except Exception:
            call.fail(ConnectionLost(FAILED))
            raise

    def _resume(self, reached: Reached) -> None:
        """Tell an owner which guest this is, and what it holds. Under the lock."""
        subscriptions: list[commands.Subscribed] = []
        holds: list[commands.Hold] = []
        for caller in self._callers.values():
            subscribed = caller.subscribed_as()
            if subscribed is not None:
                subscriptions.append(subscribed)
                holds += caller.holds()
        settlements = self._ledger.resume()
        reached.link.send(
            commands.Resume(0, self._guest, os.getpid(), self._openings, subscriptions, holds, settlements),
        )

    def _resumed(self, reached: Reached, answer: answers.Resumed) -> None:
        """The owner has answered Resume: send new calls, and those that the last owner left unanswered."""
        done: list[tuple[AnyCall, answers.Answer]] = []
        ended: list[tuple[Caller, BatonError]] = []
        with self.lock:
            self._openings = [*self._openings, reached.link.opening]
            kept: dict[int, set[int]] = {}
            for number, tag in answer.kept:
                kept.setdefault(number, set()).add(tag)
            for number, caller in self._callers.items():
                caller.keep(kept.get(number, set()))
            for number, name, text in answer.ended:
                caller_lost = self._callers.pop(number, None)
                error = wire.error_from(answers.Failed(0, name, text))
                if caller_lost is not None:
                    ended.append((caller_lost, error if isinstance(error, BatonError) else EngineError(text)))
            settled = self._ledger.resumed(answer.passed)
            for number, outcome in answer.done:
                call = self._ledger.take(number)
                if call is not None:
                    done.append((call, answers.Counted(number, outcome)))
            for command in self._ledger.unsent():
                reached.link.send(command)
            self._is_resumed = True
        points.reached("owner.resumed")
        for call, outcome_of in done:
            self._answer(call, outcome_of)
        for caller, why in ended:
            caller.ended(why)
        settled.tell()

    def _lose(self, last: int) -> None:
        """The owner is gone. It cannot have begun commands after ``last``."""
        with self.lock:
            self._reached = None
            self._is_resumed = False
            calls = self._ledger.lose(last, is_leaving=self._is_closed)
            # ``close`` closes the file itself.
            own = None if self._is_closed else self._own
            if own is not None:
                self._own = None
        for call in calls:
            if call.when_lost == "over":
                call.answered(answers.Done(0))
            else:
                call.fail(ConnectionLost(LOST))
        if own is not None:
            self._let_go(own)

    def _seek(self) -> Reached | None:
        """Find another owner; None: there is none, or none is wanted any more."""
        try:
            reached = reach(self._path, RECONNECT_SECONDS, lambda: self._is_wanted)
        except InUse as error:
            self._end(ConnectionLost(str(error)))
            return None
        except BatonError as error:
            self._end(error)
            return None
        points.reached("owner.found")
        with self.lock:
            extra = reached.own if self._own is not None else None
            self._own = self._own or reached.own
            is_wanted = self._is_wanted
            if is_wanted:
                self._reached = reached
                self._resume(reached)
        if extra is not None:
            self._let_go(extra)
        if is_wanted:
            return reached
        reached.link.close()
        reached.link.release()
        self._end(Closed("the connection was closed"))
        return None

    def _end(self, error: BatonError) -> None:
        """Stop seeking, and fail all that waits; the next call begins another search."""
        with self.lock:
            self._reached = self._thread = None
            self._is_resumed = False
            calls, settled = self._ledger.clear(), self._ledger.settlements.give_up(error)
            callers, self._callers = list(self._callers.values()), {}
        for call in calls:
            if call.when_lost == "over":
                call.answered(answers.Done(0))
            else:
                call.fail(error)
        for caller in callers:
            caller.ended(error)
        settled.tell()

    def _let_go(self, own: EmbeddedEngine) -> None:
        try:
            own.close()
        except BatonError as error:
            log.warning("%s could not be closed in order: %s", self._path, error)
