"""A session: begin, links by their handles, end (§2.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from batonmq.engines.amqp10.client.channel import WINDOW, Channel
from batonmq.engines.amqp10.client.failures import PeerFault, error_of
from batonmq.errors import ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import Attach, Begin, Detach, Disposition, End, Flow
from batonmq.protocols.amqp10.conditions import HANDLE_IN_USE, ILLEGAL_STATE, NOT_ALLOWED, UNATTACHED_HANDLE

if TYPE_CHECKING:
    from batonmq.engines.amqp10.client.link import Link
    from batonmq.engines.amqp10.client.output import Output
    from batonmq.errors import BatonError
    from batonmq.protocols.amqp10.codec.performatives import Performative, Transfer

__all__ = ["Session"]

HANDLE_MAX: Final = 65_535
BEGINNING: Final = "beginning"
BEGUN: Final = "begun"
ENDING: Final = "ending"
GONE: Final = "gone"


class Session:
    """One session of a connection. Links attached before the broker has answered are sent along with the begin."""

    __slots__ = (
        "_channel",
        "_ended",
        "_for_one",
        "_links",
        "_links_by_name",
        "_most",
        "_next_handle",
        "_remote",
        "_state",
    )

    def __init__(
        self,
        output: Output,
        number: int,
        max_frame_size: int,
        ended: Callable[[Session], None],
        *,
        for_one: bool = False,
    ) -> None:
        """``ended`` is called when it has ended on both sides. ``for_one``: it ends with the last of its links."""
        self._channel = Channel(output, number, max_frame_size)
        self._ended = ended
        self._for_one = for_one
        self._state = BEGINNING
        # Links by the broker's handles, by ours, and by role and name until both are known.
        self._remote: dict[int, Link] = {}
        self._links: dict[int, Link] = {}
        self._links_by_name: dict[tuple[bool, str], Link] = {}
        self._next_handle = 0
        self._most = HANDLE_MAX
        self._channel.say(
            Begin(next_outgoing_id=0, incoming_window=WINDOW, outgoing_window=WINDOW, handle_max=HANDLE_MAX)
        )

    @property
    def number(self) -> int:
        """Our number for it."""
        return self._channel.number

    @property
    def is_gone(self) -> bool:
        """Has the session ended?"""
        return self._state in (ENDING, GONE)

    # ------------------------------------------------------------------ from here

    def attach(self, link: Link, *, receives: bool) -> None:
        """Attach a link. Raises ConnectionLost if the session is over or has no handle left."""
        if self._state in (ENDING, GONE):
            raise ConnectionLost("the session is over")
        handle = self._next_handle
        for _ in range(self._most + 1):
            if handle not in self._links:
                break
            handle = (handle + 1) % (self._most + 1)
        else:
            raise ConnectionLost(f"the session has {self._most + 1} links, and the broker takes no more")
        self._next_handle = (handle + 1) % (self._most + 1)
        self._links[handle] = link
        self._links_by_name[receives, link.name] = link
        link.open(self._channel, handle)

    def end(self) -> None:
        """End it, and all its links."""
        if self._state in (ENDING, GONE):
            return
        self._state = ENDING
        self._channel.say(End())
        self._lose(ConnectionLost("the session was ended"))

    def flush(self) -> None:
        """Send pending dispositions."""
        self._channel.flush()

    def lost(self, error: BatonError) -> None:
        """The connection is gone."""
        if self._state == GONE:
            return
        self._state = GONE
        self._lose(error)

    def _lose(self, error: BatonError, others: BatonError | None = None) -> None:
        """All links are gone. ``others``: the error for attached links that did not cause it."""
        links = list(self._links.values())
        self._links.clear()
        self._remote.clear()
        self._links_by_name.clear()
        for link in links:
            link.lost(others if others is not None and link.is_attached else error)

    # ------------------------------------------------------------------ from the broker

    def begin_came(self, begin: Begin) -> None:
        """The broker has begun the session, too. Raises PeerFault."""
        if self._state == GONE or begin.remote_channel != self.number:
            raise PeerFault(ILLEGAL_STATE, "a session was begun that nobody asked for")
        if begin.handle_max is not None:
            self._most = min(HANDLE_MAX, begin.handle_max)
        if self._state == BEGINNING:
            self._state = BEGUN
            self._channel.begun(begin)

    def take(self, performative: Performative) -> None:
        """A performative of this session. Raises PeerFault."""
        kind = type(performative)
        if kind is End:
            self._end_came(cast("End", performative))
            return
        if self._state == ENDING:
            # It was in flight when we ended the session.
            return
        if kind is Disposition:
            self._channel.disposed(cast("Disposition", performative))
        elif kind is Flow:
            self._flow_came(cast("Flow", performative))
        elif kind is Attach:
            self._attach_came(cast("Attach", performative))
        elif kind is Detach:
            self._detach_came(cast("Detach", performative))
        else:
            raise PeerFault(ILLEGAL_STATE, f"{performative.NAME} does not belong into a session")

    def take_transfer(self, shape: Transfer, delivery_id: int | None, payload: bytes) -> None:
        """A transfer. Raises PeerFault."""
        if self._state == ENDING:
            return
        self._channel.came(1)
        link = self._remote.get(shape.handle)
        if link is None:
            raise PeerFault(UNATTACHED_HANDLE, f"a transfer came for the handle {shape.handle}")
        link.take(shape, delivery_id, payload)

    def _flow_came(self, flow: Flow) -> None:
        self._channel.flowed(flow)
        if flow.handle is not None:
            link = self._remote.get(flow.handle)
            if link is None:
                raise PeerFault(UNATTACHED_HANDLE, f"a flow came for the handle {flow.handle}")
            link.flowed(flow)
        elif flow.echo:
            self._channel.say_flow()
        # The window is shared by all links.
        for other in list(self._links.values()):
            other.room_changed()

    def _attach_came(self, attach: Attach) -> None:
        # The role is the broker's: its sending link is our receiving one.
        link = self._links_by_name.get((not attach.role, attach.name))
        if link is None:
            raise PeerFault(NOT_ALLOWED, f"the broker attached a link that nobody asked for: '{attach.name}'")
        if attach.handle in self._remote:
            raise PeerFault(HANDLE_IN_USE, f"the handle {attach.handle} is in use")
        self._remote[attach.handle] = link
        link.attach_came(attach)

    def _detach_came(self, detach: Detach) -> None:
        link = self._remote.pop(detach.handle, None)
        if link is None:
            raise PeerFault(UNATTACHED_HANDLE, f"a detach came for the handle {detach.handle}")
        for handle in [handle for handle, one in self._links.items() if one is link]:
            del self._links[handle]
        for key in [key for key, one in self._links_by_name.items() if one is link]:
            del self._links_by_name[key]
        link.detach_came(detach)
        if self._for_one and not self._links:
            self.end()

    def _end_came(self, end: End) -> None:
        was, self._state = self._state, GONE
        if was != ENDING:
            self._channel.say(End())
            error = error_of(end.error, "the broker ended the session without a reason")
            alone = len(self._links) == 1
            self._lose(error, None if alone else ConnectionLost(f"the broker ended the session: {error}"))
        self._ended(self)
