"""The interface of all kinds of links to their session (part 2 §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.performatives import Attach, Flow
    from batonmq.protocols.amqp10.failures import Failure


class SessionLink(Protocol):
    """One link."""

    @property
    def name(self) -> str:
        """The client's name for it."""

    @property
    def client_sends(self) -> bool:
        """Does the client send over it?"""

    @property
    def can_be_stolen(self) -> bool:
        """Does another link of this name in the client's container, on any connection, replace it?"""

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""

    def answer(self) -> Attach:
        """Our attach."""

    def attached(self) -> None:
        """Our attach was sent."""

    def flowed(self, flow: Flow) -> None:
        """The client's flow for the link. Raises Failure."""

    def take(self, events: list[Event], at: int) -> int:
        """Handle transfers of the client from ``at`` on: some, or one.

        Returns where they end. Raises Failure, BrokerError.
        """

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """It ends: give back its messages.

        ``closed``: for good, so that its subscription or node ends, too. ``by_client``: the client detached it.
        """

    def stolen(self) -> None:
        """Its container has attached a link of this name elsewhere (part 2 §2.6.1)."""

    def offer(self) -> None:
        """There is room for deliveries again."""

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""


class Detaching(Protocol):
    """Ends a link from our side."""

    def detach(self, link: SessionLink, failure: Failure) -> None:
        """Detach it with an error; frames for it before the client's detach are dropped."""

    def offer(self) -> None:
        """There is room for deliveries again."""
