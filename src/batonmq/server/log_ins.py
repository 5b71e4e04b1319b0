"""Log-ins under way: scrypt in threads, so that the loop goes on, and a refusal that takes its time.

A refused client waits a second without holding up anybody, but for the first few of an address (`PROMPT_MAX`). The
threads stand behind all others (`PasswordThreads`), so
that a flood of wrong passwords slows down no messages. Two checks run at a time, the others wait in `FairLines`, by
address and name; clients of one address that come with the same name and password share one check. Who finds no place
has not been refused: the answer is `Busy`, to try again. An address from which too many failed is refused without a
look (`FailedLogIns`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from batonmq.broker.model.access import BUSY, LogInAnswer
from batonmq.clock import Clock
from batonmq.protocols.sessions.connection_log import quoted
from batonmq.server.authenticator import Authenticator
from batonmq.server.failed_log_ins import FailedLogIns
from batonmq.server.fair_line import FairLines, network
from batonmq.server.log_in_counts import LogInCounts, Outcomes
from batonmq.server.password_threads import THREADS, PasswordThreads
from batonmq.server.refusals import Refusals
from batonmq.server.users import GUEST

__all__ = ["PROMPT_MAX", "REFUSAL_SECONDS", "Attempt", "LogIns"]

logger = logging.getLogger(__name__)

REFUSAL_SECONDS = 1.0
"""How long a refusal waits. It keeps a client that tries again at once, with a password that has changed, from using up
its address's allowance of failures; guessing many at a time is what the allowance and the checks themselves limit."""

PROMPT_MAX: Final = 5
"""How many of an address's refusals in a minute are answered without that wait: some clients give a log-in less than a
second, and whoever has a wrong password should be told that it is wrong, not find a broker that says nothing."""

Callback = Callable[[LogInAnswer], None]


@dataclass(eq=False, slots=True)
class Attempt:
    """A client's log-in."""

    user: str
    password: str
    peer: str
    is_loopback: bool
    callback: Callback
    protocol: str
    check: Check | None = None

    def join(self, check: Check) -> None:
        """Wait for the outcome of this check."""
        self.check = check
        check.attempts[self] = None


@dataclass(eq=False, slots=True)
class Check:
    """A password to be checked, for one client of an address or several that come with the same."""

    key: tuple[str, bytes]
    attempts: dict[Attempt, None] = field(default_factory=dict)

    def take(self) -> list[Attempt]:
        """Take the attempts that wait for the check. They refer to it, so it must not refer to them any more."""
        taken = list(self.attempts)
        self.attempts.clear()
        return taken


class LogIns:
    """Checks passwords for sessions, off the loop."""

    def __init__(
        self,
        authenticator: Authenticator,
        loop: asyncio.AbstractEventLoop,
        refusal_seconds: float = REFUSAL_SECONDS,
        clock: Clock | None = None,
        *,
        failures_max: int = 0,
    ) -> None:
        """`failures_max` log-ins may fail in a minute from one address; 0: there is no limit."""
        self._authenticator = authenticator
        self._loop = loop
        self._refusal_seconds = refusal_seconds
        self._threads = PasswordThreads(loop)
        self._running = 0
        self._checks: dict[tuple[str, bytes], Check] = {}
        clock = clock or Clock()
        self._line: FairLines[Check] = FairLines(clock)
        self._refusals = Refusals(clock, logger, "log-ins")
        self._failures = FailedLogIns(clock, failures_max)
        self._prompt = FailedLogIns(clock, PROMPT_MAX)
        self.counts = LogInCounts()
        """The outcomes of all log-ins."""

    def authenticate(
        self, user: str, password: str, peer: str, callback: Callback, *, is_loopback: bool, protocol: str
    ) -> Attempt | None:
        """Check, and call back on the loop: with the user, None or BUSY. Never within the call.

        None comes a second later to an address that had it often, and BUSY to all.

        `protocol` is that of the client, for the counters. The returned attempt may be withdrawn.
        """
        attempt = Attempt(user, password, peer, is_loopback, callback, protocol)
        address = network(peer)
        if self._failures.is_blocked(address):
            # Not even a correct password is accepted: it may have been guessed just now.
            self._count(attempt, Outcomes.block)
            self._loop.call_later(self._refusal_seconds, callback, None)
            return attempt
        found = self._authenticator.recall(user, password, is_loopback=is_loopback)
        if found is not None:
            self._succeed(attempt)
            self._loop.call_soon(callback, found)
            return None
        key = (address, self._authenticator.digest(user, password))
        if self._authenticator.is_refuted(key[1], self._authenticator.stored_hash(user)):
            self._refuse(attempt, None, self._guest_from_afar(attempt))
            return attempt
        check = self._checks.get(key)
        if check is not None:
            attempt.join(check)
            return attempt
        check = self._checks[key] = Check(key)
        attempt.join(check)
        # Unknown names count as one; no user has the name "".
        pushed_out = self._line.join(check, address, user if self._authenticator.find(user) else "")
        if pushed_out is not None:
            del self._checks[pushed_out.key]
            for each in pushed_out.take():
                self._refuse(each, BUSY, ": too many log-ins wait from there, and it was told to try again")
        self._go_on()
        return attempt

    def vouched(self, user: str, peer: str, callback: Callback, *, is_loopback: bool, protocol: str) -> Attempt:
        """Let in a user who is proved by something better than a password; call back like `authenticate`.

        As there is nothing to guess, failures from the same address do not block it.
        """
        attempt = Attempt(user, "", peer, is_loopback, callback, protocol)
        found = self._authenticator.vouched(user, is_loopback=is_loopback)
        if found is not None:
            self._succeed(attempt)
            self._loop.call_soon(callback, found)
        else:
            self._refuse(attempt, None, ", whom the certificate names" + self._guest_from_afar(attempt))
        return attempt

    def withdraw(self, attempt: Attempt) -> None:
        """Withdraw an attempt whose client is gone, and free its place."""
        check = attempt.check
        if check is not None and attempt in check.attempts and self._checks.get(check.key) is check:
            del check.attempts[attempt]
            if not check.attempts:
                self._line.leave(check)
                del self._checks[check.key]

    def look_at_users(self) -> None:
        """Notice changes to the users, even while nobody logs in; called regularly."""
        self._authenticator.refresh()
        self._refusals.look()
        self._failures.look()
        self._prompt.look()

    def stop(self) -> None:
        """Start no further check."""
        self._running = THREADS
        self._threads.stop()

    def _go_on(self) -> None:
        while self._running < THREADS and (check := self._line.next()) is not None:
            first = next(iter(check.attempts))
            if self._authenticator.recall(first.user, first.password, is_loopback=True) is not None:
                # The same log-in came from elsewhere meanwhile, and was right.
                self._loop.call_soon(self._answer, check, self._authenticator.stored_hash(first.user), True)
                continue
            stored = self._authenticator.stored_hash(first.user)
            if self._authenticator.is_refuted(check.key[1], stored):
                self._loop.call_soon(self._answer, check, stored, False)
                continue
            self._running += 1
            self._threads.check(first.password, stored, partial(self._checked, check, stored))

    def _checked(self, check: Check, stored: str, is_right: bool | None) -> None:
        self._running -= 1
        self._answer(check, stored, is_right)
        self._go_on()

    def _answer(self, check: Check, stored: str, is_right: bool | None) -> None:
        if self._checks.get(check.key) is check:
            del self._checks[check.key]
        if is_right is False:
            # Also when the client has left: it may come back with the same.
            self._authenticator.refuted(check.key[1], stored)
        for attempt in check.take():
            found = None
            if is_right:
                found = self._authenticator.proved(
                    attempt.user, attempt.password, stored, is_loopback=attempt.is_loopback
                )
            if found is not None:
                self._succeed(attempt)
                attempt.callback(found)
            else:
                self._refuse(attempt, None, self._guest_from_afar(attempt))

    @staticmethod
    def _guest_from_afar(attempt: Attempt) -> str:
        is_guest_from_afar = attempt.user == GUEST and not attempt.is_loopback
        return ": it may log in from this machine only" if is_guest_from_afar else ""

    def _succeed(self, attempt: Attempt) -> None:
        self._count(attempt, Outcomes.succeed)
        self._line.know(network(attempt.peer))

    def _count(self, attempt: Attempt, count: Callable[[Outcomes], None]) -> None:
        address = attempt.peer.rpartition(":")[0].strip("[]") or attempt.peer
        for outcomes in self.counts.of(attempt.protocol, address, attempt.user):
            count(outcomes)

    def _refuse(self, attempt: Attempt, answer: LogInAnswer, why: str) -> None:
        address = network(attempt.peer)
        line = f"{attempt.peer}: log-in refused for user {quoted(attempt.user)}{why}"
        if answer is BUSY:
            line = f"{attempt.peer}: log-in of user {quoted(attempt.user)} not looked at{why}"
        else:
            self._count(attempt, Outcomes.fail)
            self._line.doubt(address)
        self._refusals.log(address, line)
        if answer is not BUSY and self._failures.failed(address):
            logger.warning(
                "%s: too many log-ins have failed: the next are refused without a look, whatever their password"
                " (limits.failed_log_ins)",
                address,
            )
        is_prompt = answer is not BUSY and not self._prompt.is_blocked(address)
        if is_prompt:
            self._prompt.failed(address)
        self._loop.call_later(0 if is_prompt else self._refusal_seconds, attempt.callback, answer)
