"""How a shovel reaches the broker that it runs in: through its own door, as a user that nobody else can be."""

from __future__ import annotations

import secrets
import ssl
from urllib.parse import quote

from batonmq.broker.model.access import Permission, User
from batonmq.errors import ConnectionLost
from batonmq.server.extensions import Parts
from batonmq.shovels.ends import Local
from batonmq.shovels.uris import vhost_of

__all__ = ["LocalDoor"]

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1", "*": "127.0.0.1"}  # noqa: S104


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
        """The URL to use instead of one without a host. Raises ConnectionLost where nothing listens for AMQP."""
        vhost = vhost_of(uri) or "/"
        found = {address.scheme: address for address in reversed(self._parts.addresses())}
        address = found.get("amqp") or found.get("amqps")
        if address is None or vhost not in self._passwords:
            raise ConnectionLost("this broker listens for no AMQP, through which its own queues are reached")
        user, password = self._passwords[vhost]
        host = ANY_HOST.get(address.host, address.host)
        host = f"[{host}]" if ":" in host else host
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        context = None
        if address.scheme == "amqps":
            # Who listens there is this process: there is no other to be told from it.
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return Local(f"{address.scheme}://{login}@{host}:{address.port}/{quote(vhost, safe='')}", context)
