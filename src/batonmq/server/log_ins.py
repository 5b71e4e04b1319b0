"""Log-ins under way: scrypt in threads, so that the loop goes on, and a refusal that takes its time.

A refused client waits a second without holding up anybody. A few checks run at a time; clients that come with the same
name and password while it is being checked share one check.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from batonmq.broker.access import User
from batonmq.broker.connection_log import quoted
from batonmq.server.authenticator import Authenticator
from batonmq.server.passwords import verify_password
from batonmq.server.users import GUEST

__all__ = ["MOST_CHECKS", "REFUSAL_SECONDS", "LogIns"]

logger = logging.getLogger(__name__)

REFUSAL_SECONDS = 1.0

# Each check takes 16 MiB while it runs: two run, the others wait; more than this many waiting are refused unchecked.
THREADS = 2
MOST_CHECKS = 64

Callback = Callable[[User | None], None]


@dataclass(frozen=True, slots=True)
class _Attempt:
    user: str
    password: str
    peer: str
    is_loopback: bool
    callback: Callback


class LogIns:
    """Checks passwords for sessions, off the loop."""

    def __init__(
        self,
        authenticator: Authenticator,
        loop: asyncio.AbstractEventLoop,
        refusal_seconds: float = REFUSAL_SECONDS,
    ) -> None:
        self._authenticator = authenticator
        self._loop = loop
        self._refusal_seconds = refusal_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="batonmq-passwords")
        self._checks: dict[bytes, list[_Attempt]] = {}

    def authenticate(self, user: str, password: str, peer: str, callback: Callback, *, is_loopback: bool) -> None:
        """Check, and call back on the loop: with the user, or with None about a second later. Never at once."""
        found = self._authenticator.recall(user, password, is_loopback=is_loopback)
        if found is not None:
            self._loop.call_soon(callback, found)
            return
        attempt = _Attempt(user, password, peer, is_loopback, callback)
        key = self._authenticator.digest(user, password)
        same = self._checks.get(key)
        if same is not None:
            same.append(attempt)
        elif len(self._checks) >= MOST_CHECKS:
            self._refuse(attempt, ": too many passwords are being checked")
        else:
            self._checks[key] = [attempt]
            stored = self._authenticator.stored_hash(user)
            check = self._loop.run_in_executor(self._threads, verify_password, password, stored)
            check.add_done_callback(lambda done: self._checked(key, stored, done))

    def look_at_users(self) -> None:
        """Have changes to the users noticed, also while nobody logs in."""
        self._authenticator.refresh()

    def stop(self) -> None:
        """Start no further check."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _checked(self, key: bytes, stored: str, check: asyncio.Future[bool]) -> None:
        attempts = self._checks.pop(key)
        if check.cancelled():
            return
        error = check.exception()
        if error is not None:
            logger.error("a password could not be checked: %r", error)
        is_right = error is None and check.result()
        for attempt in attempts:
            found = None
            if is_right:
                found = self._authenticator.proved(
                    attempt.user, attempt.password, stored, is_loopback=attempt.is_loopback
                )
            if found is not None:
                attempt.callback(found)
            else:
                is_guest_from_afar = attempt.user == GUEST and not attempt.is_loopback
                self._refuse(attempt, ": it may log in from this machine only" if is_guest_from_afar else "")

    def _refuse(self, attempt: _Attempt, why: str) -> None:
        logger.warning("%s: log-in refused for user %s%s", attempt.peer, quoted(attempt.user), why)
        self._loop.call_later(self._refusal_seconds, attempt.callback, None)
