"""A link: how it is attached, refused and ended, whichever way its messages go (§2.6).

attaching --(attach)--> attached --(we close)--> closing --(detach)--> gone
attaching --(attach without the terminus)--> refused --(detach)--> gone
anything --(a fault of the broker's on this link alone)--> ended --(detach)--> gone
anything --(detach, the session or the connection ends)--> gone
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from batonmq.engines.amqp10.client.failures import PeerFault, error_of
from batonmq.errors import ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import Attach, Detach, Error
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.conditions import ILLEGAL_STATE

if TYPE_CHECKING:
    from batonmq.engines.amqp10.client.channel import Channel
    from batonmq.errors import BatonError
    from batonmq.protocols.amqp10.codec.performatives import Flow, Transfer

__all__ = ["Link", "LinkUser"]

ATTACHING: Final = "attaching"
ATTACHED: Final = "attached"
REFUSED: Final = "refused"
CLOSING: Final = "closing"
ENDED: Final = "ended"
GONE: Final = "gone"


class LinkUser(ABC):
    """The user of a link, told of its events."""

    __slots__ = ()

    @abstractmethod
    def attached(self, attach: Attach) -> None:
        """The broker has attached the link, with these termini, capabilities and properties."""

    @abstractmethod
    def detached(self, error: BatonError | None) -> None:
        """The link is gone, or was refused. None: it was closed from here. Called once; nothing follows."""


class Link(ABC):
    """One link of a session; ``open`` attaches it."""

    __slots__ = ("_channel", "_handle", "_state", "_user", "name", "remote_handle")

    def __init__(self, name: str, user: LinkUser) -> None:
        self.name = name
        self._user = user
        self._channel: Channel | None = None
        self._handle = -1
        self._state = GONE
        self.remote_handle: int | None = None
        """The broker's number for it."""

    @property
    def is_attached(self) -> bool:
        """Can messages be sent over the link?"""
        return self._state == ATTACHED

    @property
    def is_gone(self) -> bool:
        """Has the link ended?"""
        return self._state in (ENDED, GONE)

    def open(self, channel: Channel, handle: int) -> None:
        """Send the attach, under that handle. Called by the session. Raises EncodeError."""
        self._channel = channel
        self._handle = handle
        self._state = ATTACHING
        channel.say(self._attach(handle))

    @abstractmethod
    def _attach(self, handle: int) -> Attach:
        """The attach to send."""

    @abstractmethod
    def _is_refusal(self, attach: Attach) -> bool:
        """Does the broker's attach lack the terminus that was asked for (§2.6.3)?"""

    @abstractmethod
    def _begin(self, attach: Attach) -> None:
        """The link is attached."""

    @abstractmethod
    def _end(self) -> None:
        """The link is gone, with its unsettled deliveries."""

    @abstractmethod
    def flowed(self, flow: Flow) -> None:
        """The broker's flow for this link."""

    @abstractmethod
    def room_changed(self) -> None:
        """The session may have room for more transfers."""

    @abstractmethod
    def take(self, shape: Transfer, delivery_id: int | None, payload: bytes) -> None:
        """A transfer came. Raises PeerFault."""

    def attach_came(self, attach: Attach) -> None:
        """The broker's answer. Raises PeerFault."""
        if self._state not in (ATTACHING, CLOSING):
            raise PeerFault(ILLEGAL_STATE, f"link '{self.name}' was attached twice")
        self.remote_handle = attach.handle
        if self._state == CLOSING:
            return
        if self._is_refusal(attach):
            self._state = REFUSED
            return
        self._state = ATTACHED
        self._begin(attach)
        self._user.attached(attach)

    def detach_came(self, detach: Detach) -> None:
        """The broker ends the link, or answers our detach. A detached link is not resumed."""
        was, self._state = self._state, GONE
        if was == ENDED:
            return
        if was != CLOSING:
            self._say(Detach(handle=self._handle, closed=True))
        self._end()
        if was == CLOSING:
            self._user.detached(None)
        else:
            self._user.detached(error_of(detach.error, f"the broker ended the link '{self.name}' without a reason"))

    def close(self) -> None:
        """End the link; the user is told when the broker has, too. A second call does nothing."""
        if self._state in (CLOSING, ENDED, GONE):
            return
        self._state = CLOSING
        self._say(Detach(handle=self._handle, closed=True))

    def _break(self, condition: str, text: str) -> None:
        """End the link because of an error of the broker's, and tell the user without waiting for the detach."""
        error = Error(condition=Symbol(condition), description=text)
        was, self._state = self._state, ENDED
        self._say(Detach(handle=self._handle, closed=True, error=error))
        self._end()
        if was != CLOSING:
            self._user.detached(error_of(error, text))

    def lost(self, error: BatonError) -> None:
        """Its session is gone."""
        was, self._state = self._state, GONE
        if was in (ENDED, GONE):
            return
        self._end()
        self._user.detached(None if was == CLOSING else error)

    def _say(self, detach: Detach) -> None:
        self._session.say(detach)

    @property
    def _session(self) -> Channel:
        """Raises ConnectionLost for a link that was never opened."""
        if self._channel is None:
            raise ConnectionLost(f"the link '{self.name}' was not opened")
        return self._channel
