"""The links of one session, by the client's handles: attached, refused, stolen and detached (part 2 §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.errors import BrokerError, StoreError
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.composites import encode_composite
from batonmq.protocols.amqp10.codec.performatives import Attach, Detach, Flow
from batonmq.protocols.amqp10.codec.runs import transfers_of
from batonmq.protocols.amqp10.failures import (
    ConnectionFailure,
    Failure,
    LinkFailure,
    SessionFailure,
    as_failure,
)
from batonmq.protocols.amqp10.links.link_factory import make_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.links.link_state import SessionLink
    from batonmq.protocols.amqp10.links.session_parts import SessionParts

# Without a handle-max a peer accepts every handle (part 2 §2.7.2).
HANDLE_MAX: Final = 0xFFFF_FFFF
# The memory of a link in octets, besides its attach.
LINK_OCTETS: Final = 4_096


class Handle:
    """A handle of the client's, from its attach to its detach, and ours for the same link."""

    __slots__ = ("link", "ours", "size")

    def __init__(self, ours: int, size: int) -> None:
        self.ours = ours
        self.size = size
        """Its part of the connection's quota, in octets."""
        self.link: SessionLink | None = None
        """The link; None before it is answered, and after we have detached it."""

    def lead_to(self, link: SessionLink | None) -> None:
        """Set the link."""
        self.link = link


class Links:
    """The links of one session, which only the client attaches."""

    __slots__ = ("_by_handle", "_handle_max", "_ours", "_peer_handle_max")

    def __init__(self, handle_max: int, peer_handle_max: int | None) -> None:
        """``handle_max`` is the highest handle that the client may use, ``peer_handle_max`` that we may."""
        self._handle_max = handle_max
        self._peer_handle_max = HANDLE_MAX if peer_handle_max is None else peer_handle_max
        self._by_handle: dict[int, Handle] = {}
        self._ours: set[int] = set()

    def __iter__(self) -> Iterator[SessionLink]:
        # A copy: an error may end a link during a call to all.
        return iter([handle.link for handle in self._by_handle.values() if handle.link is not None])

    # ------------------------------------------------------------------ what the client says

    def attach(self, attach: Attach, parts: SessionParts) -> None:
        """Attach a link, or refuse it. Raises SessionFailure, ConnectionFailure."""
        number = attach.handle
        if number > self._handle_max:
            raise ConnectionFailure(conditions.FRAMING_ERROR, f"handle {number} is above {self._handle_max}")
        if number in self._by_handle:
            raise SessionFailure(conditions.HANDLE_IN_USE, f"handle {number} is in use")
        ours = next(free for free in range(len(self._ours) + 1) if free not in self._ours)
        if ours > self._peer_handle_max:
            raise SessionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, "there is no handle left for our side of the link")
        # A link keeps its attach, which may be as long as a frame, and is larger when decoded.
        size = LINK_OCTETS + 16 * len(encode_composite(attach))
        if not parts.connection.link_quota.take(size):
            text = "the links of the connection take too much memory together"
            raise SessionFailure(conditions.RESOURCE_LIMIT_EXCEEDED, text)
        self._ours.add(ours)
        handle = self._by_handle[number] = Handle(ours, size)
        barrier = parts.connection.link.barrier
        before = barrier.changes
        try:
            link = make_link(parts, ours, attach)
        except (LinkFailure, BrokerError, StoreError) as error:
            _refuse(parts, attach, ours, as_failure(error))
            return
        handle.lead_to(link)
        connection = parts.connection
        if link.can_be_stolen:
            connection.containers.attach(connection.identity, (link.name, link.client_sends), link)

        def done() -> None:
            if handle.link is link:
                parts.channel.say(link.answer())
                link.attached()

        def failed(reason: str) -> None:
            if handle.link is link:
                self._end(handle, link, parts)
                _refuse(parts, attach, ours, LinkFailure(conditions.RESOURCE_LIMIT_EXCEEDED, reason))

        # A queue declared for it is on the disk before the client is told.
        barrier.wait_for_change(before, done, failed)

    def flow(self, flow: Flow) -> None:
        """The client's flow for one link. Raises Failure."""
        assert flow.handle is not None
        link = self._find(flow.handle).link
        if link is not None:
            link.flowed(flow)

    def take(self, events: list[Event], at: int, number: int, parts: SessionParts) -> int:
        """Handle transfers over the link with that handle of the client's; returns where they end."""
        link = self._find(number).link
        if link is None:
            # The client did not know yet that the link has ended.
            parts.windows.received(transfers_of(events[at]))
            return at + 1
        return link.take(events, at)

    def detach(self, detach: Detach, parts: SessionParts) -> None:
        """The client's detach: it is answered, or answers ours. Raises SessionFailure."""
        handle = self._find(detach.handle)
        del self._by_handle[detach.handle]
        self._ours.discard(handle.ours)
        parts.connection.link_quota.give_back(handle.size)
        link = handle.link
        if link is not None:
            self._end(handle, link, parts, closed=bool(detach.closed), by_client=True)
            parts.channel.say(Detach(handle=handle.ours, closed=detach.closed))

    def _find(self, number: int) -> Handle:
        handle = self._by_handle.get(number)
        if handle is None:
            raise SessionFailure(conditions.UNATTACHED_HANDLE, f"no link is attached with handle {number}")
        return handle

    # ------------------------------------------------------------------ ended from our side

    def fail(self, number: int, failure: Failure, parts: SessionParts) -> None:
        """A frame from the client for the link with that handle was wrong: detach the link."""
        handle = self._by_handle.get(number)
        if handle is not None and handle.link is not None:
            self.end(handle.link, failure, parts)

    def end(self, link: SessionLink, failure: Failure, parts: SessionParts) -> None:
        """Detach a link with an error; frames for it before the client's detach are dropped."""
        for handle in self._by_handle.values():
            if handle.link is link:
                # Not closed: only the client may end the subscription behind it.
                self._end(handle, link, parts)
                # After the answer to the deletion of its queue: a client that deleted it itself expects that first.
                parts.channel.say_behind(Detach(handle=handle.ours, closed=True, error=failure.error()))
                return

    def _end(
        self, handle: Handle, link: SessionLink, parts: SessionParts, *, closed: bool = False, by_client: bool = False
    ) -> None:
        handle.lead_to(None)
        connection = parts.connection
        connection.containers.detach(connection.identity, (link.name, link.client_sends), link)
        link.detached(closed=closed, by_client=by_client)

    def release(self, parts: SessionParts) -> None:
        """The session ends, and all its links; they may be attached again."""
        for handle in list(self._by_handle.values()):
            if handle.link is not None:
                self._end(handle, handle.link, parts)
            parts.connection.link_quota.give_back(handle.size)
        self._by_handle.clear()
        self._ours.clear()


def _refuse(parts: SessionParts, attach: Attach, ours: int, failure: Failure) -> None:
    """Send an attach without the requested terminus, and a detach with the reason (part 2 §2.6.3)."""
    refusal = Attach(
        name=attach.name,
        handle=ours,
        role=not attach.role,
        snd_settle_mode=attach.snd_settle_mode,
        rcv_settle_mode=attach.rcv_settle_mode,
        source=None if attach.role else attach.source,
        target=attach.target if attach.role else None,
        initial_delivery_count=0 if attach.role else None,
    )
    parts.channel.say(refusal)
    parts.channel.say(Detach(handle=ours, closed=True, error=failure.error()))
