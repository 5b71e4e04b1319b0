"""The users of a running broker, and changes to them, which are kept in `users.json` and take effect at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from batonmq.broker.model.access import User
from batonmq.errors import StoreError
from batonmq.server.authenticator import Authenticator
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import named_hash
from batonmq.server.user_edit import UserEdit
from batonmq.server.users import Account, UserFile

__all__ = ["KnownUser", "Users"]

logger = logging.getLogger(__name__)

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user, as an administrator sees it."""

    user: User
    """Its name, tags, permissions, topic permissions and limits."""
    password_hash: str
    """The hash in RabbitMQ's form; "": no password is right, or it is plain text in the configuration file."""
    hashing_algorithm: str
    """RabbitMQ's name for the hash algorithm, or ours (`passwords.SCRYPT`)."""
    is_configured: bool
    """Is the user from the configuration file, and so cannot be changed while the broker runs?"""


class Users:
    """All users of one server. Use it on the server's loop."""

    def __init__(self, file: UserFile, authenticator: Authenticator, guest: Account | None) -> None:
        """`guest` is the built-in one; None: there is none."""
        self._file = file
        self.authenticator = authenticator
        """Checks their passwords."""
        self._guest = guest
        # One change after another: each waits for the disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batonmq-users")
        self._forgetting: set[asyncio.Task[None]] = set()

    def all(self) -> list[KnownUser]:
        """All users, in the order of their names."""
        accounts = self.authenticator.accounts()
        return [self._known(accounts[name]) for name in sorted(accounts)]

    def find(self, name: str) -> KnownUser | None:
        """The user of that name; None: there is none."""
        account = self.authenticator.accounts().get(name)
        return self._known(account) if account is not None else None

    def configure(self, configured: Mapping[str, Account], guest: Account | None) -> None:
        """Set the users of the configuration, and the built-in one."""
        self._guest = guest
        self.authenticator.configure(configured, guest)

    async def change(self, edit: Callable[[UserEdit], _Outcome]) -> _Outcome:
        """Have `edit` change the users, in a thread; when this returns the change is on the disk and in effect.

        `edit` calls verbs of UserEdit, which are kept together; nothing is kept if it raises. Returns its result, and
        raises its errors; StoreError when the file cannot be read or written.
        """
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._thread, self._change, edit)
        self.authenticator.refresh()
        return outcome

    def change_now(self, edit: Callable[[UserEdit], _Outcome]) -> _Outcome:
        """Like `change`, but synchronous: for the start, when nothing else is waiting."""
        outcome = self._change(edit)
        self.authenticator.refresh()
        return outcome

    def _change(self, edit: Callable[[UserEdit], _Outcome]) -> _Outcome:
        try:
            with self._file.change() as table:
                return edit(UserEdit(table, self.authenticator.configured(), self._guest))
        except ConfigError as error:
            raise StoreError(str(error), "the users cannot be read") from error
        except OSError as error:
            what = f"{self._file.path}: cannot be written: {error.strerror}"
            raise StoreError(what, f"the users cannot be kept: {error.strerror}") from error

    async def forget_vhost(self, vhost: str) -> None:
        """Remove all permissions in a deleted virtual host, so that a later one of the same name does not inherit them.

        A failure is only logged: the virtual host is gone all the same.
        """
        try:
            await self.change(lambda edit: edit.forget_vhost(vhost))
        except StoreError as error:
            logger.error("%s; permissions in the deleted virtual host %r stay", error, vhost)

    def vhost_is_empty(self, vhost: str, go: Callable[[], None]) -> None:
        """Like `forget_vhost`; calls `go` afterwards, unless the server stops first."""
        task = asyncio.get_running_loop().create_task(self.forget_vhost(vhost))
        self._forgetting.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._forgetting.discard(task)
            if not task.cancelled() and task.exception() is None:
                go()

        task.add_done_callback(done)

    def close(self) -> None:
        """Finish the current change, and begin no other."""
        for task in self._forgetting:
            task.cancel()
        self._thread.shutdown(cancel_futures=True)

    def _known(self, account: Account) -> KnownUser:
        shown, algorithm = named_hash(account.password_hash)
        return KnownUser(account.user, shown, algorithm, self.authenticator.is_configured(account.user.name))
