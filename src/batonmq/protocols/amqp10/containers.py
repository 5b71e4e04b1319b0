"""The containers that are connected to a broker: whose link names and identities are theirs alone (part 2 §2.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import TypeAlias

    Terminus: TypeAlias = tuple[str, bool]
    """A link's name, and whether the client sends over it."""
    Identity: TypeAlias = tuple[str, str, str]
    """Virtual host, user and container-id."""


class Attached(Protocol):
    """A link that may be taken over."""

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere (part 2 §2.6.1)."""


class Containers:
    """All containers that are connected to one broker, by virtual host, user and container-id."""

    __slots__ = ("_links", "_sole")

    def __init__(self) -> None:
        self._links: dict[Identity, dict[Terminus, Attached]] = {}
        self._sole: set[Identity] = set()

    def claim(self, identity: Identity) -> bool:
        """A connection wants to be the only one of its container that does; False: another is (sole-conn-v1.0 §4)."""
        if identity in self._sole:
            return False
        self._sole.add(identity)
        return True

    def give_up(self, identity: Identity) -> None:
        """The connection that has claimed it is gone."""
        self._sole.discard(identity)

    def attach(self, identity: Identity, terminus: Terminus, link: Attached) -> None:
        """A link is attached; if the container has one of that name already, that one is detached."""
        links = self._links.setdefault(identity, {})
        before = links.get(terminus)
        links[terminus] = link
        if before is not None and before is not link:
            before.stolen()

    def detach(self, identity: Identity, terminus: Terminus, link: Attached) -> None:
        """A link is gone."""
        links = self._links.get(identity)
        if links is not None and links.get(terminus) is link:
            del links[terminus]
            if not links:
                del self._links[identity]
