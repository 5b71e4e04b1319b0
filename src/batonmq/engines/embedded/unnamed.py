"""What an embedded engine may do on the broker: everything, in the only virtual host there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker import Operations, Permission, User

if TYPE_CHECKING:
    from batonmq.broker.vhosts.vhost import VirtualHost

__all__ = ["VHOST", "Unnamed"]

VHOST = "/"
TAGS = frozenset({"administrator"})


class Unnamed(Operations):
    """The operations in a virtual host that nobody has named: no error speaks of it."""

    __slots__ = ()

    def __init__(self, vhost: VirtualHost, owner: object) -> None:
        super().__init__(vhost, User("embedded", TAGS, {VHOST: Permission()}), owner)

    def _described(self, kind: str, name: str) -> str:
        return f"{kind} '{name}'"
