"""The nodes of one connection, without the connection: termini are opened and closed as its links would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from batonmq.broker import Consumer, ManagedOperations, Permission, Queue, User
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.amqp10.codec.performatives import Attach, Source, Target
from batonmq.protocols.amqp10.dialects import SPEC, Dialect
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.nodes import Nodes, OpenedSource, OpenedTarget
from batonmq.protocols.amqp10.settings import Amqp10Settings
from batonmq.protocols.amqp10.terms import Terms
from batonmq.queued import QueuedMessage
from tests.support.driven import EVERYTHING, Driven


class Linked:
    """One connection of a client with that container-id."""

    def __init__(
        self, driven: Driven, dialect: Dialect = SPEC, *, container_id: str = "me", user: User = EVERYTHING
    ) -> None:
        self.driven = driven
        self.vhost = driven.broker.vhosts["/"]
        self.operations = ManagedOperations(self.vhost, user, self)
        settings = Amqp10Settings(dialect=dialect)
        terms = Terms(settings, dialect, container_id, channel_max=10, max_frame_size=1 << 16, idle_time_out=0)
        self.nodes = Nodes(terms, self.operations)

    @property
    def queues(self) -> Mapping[str, Queue]:
        return self.vhost.queues

    def target(
        self, address: str | None = None, *capabilities: str, link: str = "link", **fields: object
    ) -> OpenedTarget:
        """A sender's target."""
        properties = cast("Mapping[str, object] | None", fields.pop("link_properties", None))
        target = Target(address=address, capabilities=list(capabilities) or None, **fields)  # type: ignore[arg-type]
        return self.nodes.open_target(Attach(name=link, handle=0, role=False, target=target, properties=properties))

    def source(
        self, address: str | None = None, *capabilities: str, link: str = "link", **fields: object
    ) -> OpenedSource:
        """A receiver's source."""
        properties = cast("Mapping[str, object] | None", fields.pop("link_properties", None))
        mode = cast("int | None", fields.pop("snd_settle_mode", None))
        source = Source(address=address, capabilities=list(capabilities) or None, **fields)  # type: ignore[arg-type]
        return self.nodes.open_source(
            Attach(name=link, handle=0, role=True, source=source, snd_settle_mode=mode, properties=properties)
        )

    def subscription(self, address: str, *capabilities: str, link: str = "sub", **fields: object) -> OpenedSource:
        """A durable one, as Qpid JMS asks for it."""
        return self.source(address, "topic", *capabilities, link=link, durable=2, expiry_policy="never", **fields)

    def look_up(self, link: str, *capabilities: str) -> OpenedSource:
        """A receiver without a source."""
        attach = Attach(name=link, handle=0, role=True, desired_capabilities=list(capabilities) or None)
        return self.nodes.open_source(attach)

    def close(self, opened: OpenedSource | OpenedTarget, *, closed: bool = True) -> None:
        """The link is detached."""
        self.nodes.close(opened, closed=closed)

    def lose(self) -> None:
        """The connection is gone."""
        self.nodes.release()
        self.operations.release_owned()

    def publish(self, body: str, exchange: str, key: str, **headers: str) -> int:
        """Tells how many queues got it."""
        route = self.operations.resolve(exchange, key)
        message = Message(exchange, key, Properties.make(headers=dict(headers) or None), body.encode())
        self.vhost.router.publish(message, route.targets)
        return len(route.targets)


class Idle(Consumer):
    """Takes nothing."""

    def deliver(self, queued: QueuedMessage) -> bool:
        return False

    def has_room(self) -> bool:
        return False

    def cancelled(self) -> None:
        """Nobody is told."""


def limited(configure: str = "", write: str = "", read: str = "") -> User:
    return User("limited", frozenset(), {"/": Permission(configure, write, read)})


def refused(condition: str, call: object, *arguments: object, **fields: object) -> str:
    """The text of the LinkFailure with that condition that a call raises."""
    assert callable(call)
    with pytest.raises(LinkFailure) as caught:
        call(*arguments, **fields)
    assert caught.value.condition == condition
    assert caught.value.description
    return caught.value.description
