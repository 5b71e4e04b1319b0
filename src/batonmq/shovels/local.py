"""Gives shovels access to the broker that they run in, as users that nobody else can log in as."""

from __future__ import annotations

import secrets
import socket
from urllib.parse import quote

from batonmq.broker.model.access import Permission, User
from batonmq.errors import ConnectionLost
from batonmq.server.extensions import Parts
from batonmq.shovels.ends import Local
from batonmq.shovels.uris import vhost_of

__all__ = ["LocalDoor"]


class LocalDoor:
    """The access for AMQP URLs without a host. ``find`` may be called in any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # A random part of the names, so that no user has or gets one of them.
        self._mark = secrets.token_hex(6)
        self._passwords: dict[str, tuple[str, str]] = {}

    def let_in(self, vhost: str) -> None:
        """Give shovels access to a virtual host from now on. On the server's loop."""
        if vhost not in self._passwords:
            user = User(f"batonmq shovel {self._mark} {len(self._passwords)}", permissions={vhost: Permission()})
            self._passwords[vhost] = user.name, self._parts.authenticator.add_inside(user)

    def find(self, uri: str) -> Local:
        """The access for a URL without a host. Raises ConnectionLost for a virtual host that was not let in."""
        vhost = vhost_of(uri) or "/"
        if vhost not in self._passwords:
            raise ConnectionLost(f"no shovel of this broker was let into virtual host '{vhost}'")
        user, password = self._passwords[vhost]
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return Local(f"amqp://{login}@localhost/{quote(vhost, safe='')}", self._dial)

    def _dial(self) -> socket.socket:
        """A connection of this process to itself: it needs no listener, and no listener's limits apply."""
        ours, theirs = socket.socketpair()
        try:
            self._parts.join(theirs)
        except OSError:
            ours.close()
            raise
        return ours
