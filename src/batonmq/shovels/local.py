"""How a shovel reaches the broker that it runs in: through a door of its own, as a user that nobody else can be."""

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
    """The way in for AMQP URLs without a host. May be asked in any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # So that no user has that name, or ever gets it.
        self._mark = secrets.token_hex(6)
        self._passwords: dict[str, tuple[str, str]] = {}

    def let_in(self, vhost: str) -> None:
        """From now on a shovel may come into that virtual host. On the server's loop."""
        if vhost not in self._passwords:
            user = User(f"batonmq shovel {self._mark} {len(self._passwords)}", permissions={vhost: Permission()})
            self._passwords[vhost] = user.name, self._parts.authenticator.add_inside(user)

    def find(self, uri: str) -> Local:
        """How to come in with a URL without a host. Raises ConnectionLost where nobody was let in."""
        vhost = vhost_of(uri) or "/"
        if vhost not in self._passwords:
            raise ConnectionLost(f"no shovel of this broker was let into virtual host '{vhost}'")
        user, password = self._passwords[vhost]
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return Local(f"amqp://{login}@localhost/{quote(vhost, safe='')}", self._dial)

    def _dial(self) -> socket.socket:
        """A connection of this process with itself: no listener is needed, and none has a say in who comes."""
        ours, theirs = socket.socketpair()
        try:
            self._parts.join(theirs)
        except OSError:
            ours.close()
            raise
        return ours
