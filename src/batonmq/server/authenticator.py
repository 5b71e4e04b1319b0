"""Checks who a client is, without threads and delays; log_ins.py adds those.

A password is checked with scrypt once. Its outcome is remembered with a keyed hash (HMAC-SHA256, a key made for this
process), so that a thousand connections of one application cost one scrypt, and so does a client that tries again and
again with a password that has been changed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from batonmq.broker.model.access import User
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import unfitting_hash, verify_password
from batonmq.server.users import GUEST, Account, UserFile, UserTable, accounts_of, guest_hash

__all__ = ["MOST_REFUTED", "Authenticator"]

logger = logging.getLogger(__name__)

MOST_REFUTED: Final = 1_000
"""How many wrong passwords are remembered; beyond that, the one that nobody has tried for longest is forgotten."""


class Authenticator:
    """The users of a running broker. Not thread-safe."""

    def __init__(self, file: UserFile, configured: Mapping[str, Account], guest: Account | None) -> None:
        """Users of the configuration file come before those of `users.json`, and these before the built-in guest.

        Raises ConfigError when `users.json` is not readable.
        """
        self._file = file
        self._configured = dict(configured)
        self._guest = guest
        self._key = secrets.token_bytes(32)
        # Checked for unknown names, so that they cost as much as known ones.
        self._nobody = unfitting_hash()
        self._on_change: Callable[[], None] = lambda: None
        self._accounts: dict[str, Account] = {}
        self._proved: dict[str, bytes] = {}
        # What was wrong, and the stored hash that it was checked against.
        self._refuted: OrderedDict[bytes, str] = OrderedDict()
        # The process's own log-ins, by name: the digest of the password, and the user.
        self._inside: dict[str, tuple[bytes, User]] = {}
        self._stamp = file.stamp()
        self._take(file.load())

    def when_changed(self, callback: Callable[[], None]) -> None:
        """Call back whenever the users of the file have changed."""
        self._on_change = callback

    def add_inside(self, user: User) -> str:
        """Let the process itself log in as this user while it runs; returns the password. No list shows the user."""
        password = secrets.token_urlsafe(32)
        self._inside[user.name] = self.digest(user.name, password), user
        return password

    def check(self, user: str, password: str, *, is_loopback: bool) -> User | None:
        """The user, or None. Takes some tens of milliseconds unless this password was right before."""
        found = self.recall(user, password, is_loopback=is_loopback)
        if found is not None:
            return found
        stored = self.stored_hash(user)
        digest = self.digest(user, password)
        if self.is_refuted(digest, stored):
            return None
        if not verify_password(password, stored):
            self.refuted(digest, stored)
            return None
        return self.proved(user, password, stored, is_loopback=is_loopback)

    def recall(self, user: str, password: str, *, is_loopback: bool) -> User | None:
        """The user, if this password is known to be right; quick. None does not mean that it is wrong."""
        self.refresh()
        inside = self._inside.get(user)
        if inside is not None and hmac.compare_digest(inside[0], self.digest(user, password)):
            return inside[1]
        proved = self._proved.get(user)
        if proved is None or not hmac.compare_digest(proved, self.digest(user, password)):
            return None
        return self._admit(user, is_loopback=is_loopback)

    def vouched(self, user: str, *, is_loopback: bool) -> User | None:
        """The user, whose identity was proved without a password; None: there is no such user, or not from there."""
        self.refresh()
        return self._admit(user, is_loopback=is_loopback) if user in self._accounts else None

    def stored_hash(self, user: str) -> str:
        """The hash to check this user's password against with `verify_password`, whether or not the user exists."""
        account = self._accounts.get(user)
        return account.password_hash if account is not None and account.password_hash else self._nobody

    def proof(self, user: str) -> str:
        """A value that changes with the user's password, and reveals nothing of it."""
        account = self._accounts.get(user)
        if account is None:
            return ""
        if account.password:
            return self.digest(user, account.password).hex()
        # A hash from elsewhere may be of another password.
        if user == GUEST and guest_hash.cache_info().currsize and account.password_hash == guest_hash():
            return self.digest(GUEST, GUEST).hex()
        return account.password_hash

    def proved(self, user: str, password: str, stored: str, *, is_loopback: bool) -> User | None:
        """Remember that the password matched this stored hash; returns the user, if the hash is still current."""
        account = self._accounts.get(user)
        if account is None or account.password_hash != stored:
            return None
        self._proved[user] = self.digest(user, password)
        return self._admit(user, is_loopback=is_loopback)

    def refuted(self, digest: bytes, stored: str) -> None:
        """Remember that a name and password with this digest did not match the stored hash."""
        self._refuted[digest] = stored
        self._refuted.move_to_end(digest)
        if len(self._refuted) > MOST_REFUTED:
            self._refuted.popitem(last=False)

    def is_refuted(self, digest: bytes, stored: str) -> bool:
        """Are a name and password with this digest known not to match the stored hash? Quick."""
        if self._refuted.get(digest) != stored:
            return False
        self._refuted.move_to_end(digest)
        return True

    def digest(self, user: str, password: str) -> bytes:
        """A name and a password as a keyed hash that means nothing outside this process."""
        name = user.encode("utf-8", "surrogatepass")
        message = len(name).to_bytes(8, "big") + name + password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, hashlib.sha256)

    def _admit(self, user: str, *, is_loopback: bool) -> User | None:
        # A well-known name may log in only from this machine, whatever its password.
        if user == GUEST and not is_loopback:
            return None
        return self._accounts[user].user

    def find(self, user: str) -> User | None:
        """The user of that name, with current rights; None: deleted."""
        account = self._accounts.get(user)
        if account is not None:
            return account.user
        inside = self._inside.get(user)
        return inside[1] if inside is not None else None

    def accounts(self) -> Mapping[str, Account]:
        """All users that may log in, by name."""
        return self._accounts

    def is_configured(self, user: str) -> bool:
        """Does the user of that name come from the configuration file, so that it is changed there alone?"""
        return user in self._configured

    def configured(self) -> Mapping[str, Account]:
        """The users of the configuration file, by name."""
        return self._configured

    def configure(self, configured: Mapping[str, Account], guest: Account | None) -> None:
        """Set the users of the configuration; other users are not affected."""
        self._configured = dict(configured)
        self._guest = guest
        try:
            users = self._file.load()
        except ConfigError as error:
            logger.error("%s; its users go", error)
            users = UserTable({}, guest_deleted=False)
        self._take(users)
        self._on_change()

    def refresh(self) -> None:
        """Read the file again if it has changed: changes by `batonmq users` take effect at once."""
        stamp = self._file.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            users = self._file.load()
        except ConfigError as error:
            logger.error("%s; the users that were known before stay", error)
            return
        if stamp is None and users.doubt:
            logger.error("%s; the users that were known before stay", users.doubt)
            return
        self._take(users)
        logger.info("%s has changed and was read again", self._file.path)
        self._on_change()

    def _take(self, users: UserTable) -> None:
        if users.doubt:
            logger.error("%s", users.doubt)
        accounts = {} if self._guest is None or users.guest_deleted else {GUEST: self._guest}
        accounts.update(accounts_of(users))
        accounts.update(self._configured)
        self._accounts = accounts
        # A password in the configuration file needs no scrypt: whoever can read the hash can read the password.
        self._proved = {
            name: self.digest(name, account.password) for name, account in accounts.items() if account.password
        }
