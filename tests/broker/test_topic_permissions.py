"""Topic permissions: which routing keys of a topic exchange a user may publish and bind with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.driven import Driven

from batonmq.broker import ManagedOperations, Permission, User
from batonmq.broker.model.access import TopicPermission
from batonmq.errors import AccessRefused
from batonmq.fields import FieldValue

DELAYED: dict[str, FieldValue] = {"x-delayed-type": "topic"}


def operations(driven: Driven, name: str = "ann", vhost: str = "/", **topics: TopicPermission) -> ManagedOperations:
    """What a user may do whose topic permissions are by exchange, underscores for dots."""
    by_exchange = {exchange.replace("_", "."): permission for exchange, permission in topics.items()}
    user = User(name, permissions={vhost: Permission()}, topic_permissions={vhost: by_exchange})
    return ManagedOperations(driven.broker.vhosts[vhost], user, driven)


@pytest.mark.parametrize(
    ("pattern", "key", "may"),
    [
        ("^a", "a.b", True),
        ("^a", "b.a", False),
        ("a", "b.a", True),
        ("", "", True),
        ("", "a", False),
        ("^{username}\\.", "ann.x", True),
        ("^{username}\\.", "bob.x", False),
        ("^{vhost}$", "/", True),
        ("^{vhost}-{username}$", "/-ann", True),
        ("^{client_id}$", "{client_id}", True),
        ("^{client_id}$", "ann", False),
    ],
)
def test_keys_that_are_permitted(driven: Driven, pattern: str, key: str, may: bool) -> None:
    ann = operations(driven, amq_topic=TopicPermission(write=pattern, read=pattern))
    driven.queue("q")
    for ask in (lambda: ann.resolve("amq.topic", key), lambda: ann.bind_queue("q", "amq.topic", key, {})):
        if may:
            ask()
        else:
            with pytest.raises(AccessRefused, match=f"access to topic '{key}' in exchange 'amq.topic' in vhost '/'"):
                ask()


@pytest.mark.parametrize(("name", "key"), [(".*", "bob.x"), ("a|b", "b.x"), ("a.n", "ann.x")])
def test_a_name_is_no_pattern(driven: Driven, name: str, key: str) -> None:
    """Whoever may choose the name of a user must not choose its rights by that."""
    user = operations(driven, name, amq_topic=TopicPermission(write="^{username}\\."))
    user.resolve("amq.topic", f"{name}.x")
    with pytest.raises(AccessRefused):
        user.resolve("amq.topic", key)


def test_write_and_read_are_two(driven: Driven) -> None:
    ann = operations(driven, amq_topic=TopicPermission(write="^w", read="^r"))
    driven.queue("q")
    ann.resolve("amq.topic", "w")
    ann.bind_queue("q", "amq.topic", "r", {})
    with pytest.raises(AccessRefused, match="write access"):
        ann.resolve("amq.topic", "r")
    with pytest.raises(AccessRefused, match="read access"):
        ann.bind_queue("q", "amq.topic", "w", {})


def test_nothing_is_bound_or_unbound_where_it_is_refused(driven: Driven) -> None:
    queue = driven.queue("q")
    driven.operations.bind_queue("q", "amq.topic", "x", {})
    ann = operations(driven, amq_topic=TopicPermission(read="^r"))
    router = driven.operations.vhost.router
    asks: list[Callable[[], None]] = [
        lambda: ann.unbind_queue("q", "amq.topic", "x", {}),
        lambda: ann.bind_queue("q", "amq.topic", "y", {}),
        lambda: ann.bind_exchange("amq.fanout", "amq.topic", "y", {}),
        lambda: ann.unbind_exchange("amq.fanout", "amq.topic", "y", {}),
    ]
    for ask in asks:
        with pytest.raises(AccessRefused):
            ask()
    assert [binding.routing_key for binding in router.bindings_to(queue)] == ["x"]
    assert router.bindings_to(router.exchanges["amq.fanout"]) == []


def test_exchanges_of_other_types_and_without_an_entry_are_open(driven: Driven) -> None:
    ann = operations(driven, amq_topic=TopicPermission("^a", "^a"), amq_direct=TopicPermission("^a", "^a"))
    driven.operations.declare_exchange("other", "topic")
    ann.resolve("amq.direct", "b")
    ann.resolve("other", "b")
    driven.queue("q")
    ann.bind_queue("q", "amq.direct", "b", {})


def test_a_delayed_exchange_that_routes_by_topics_has_them(driven: Driven) -> None:
    driven.operations.declare_exchange("late", "x-delayed-message", arguments=DELAYED)
    ann = operations(driven, late=TopicPermission(write="^a"))
    with pytest.raises(AccessRefused):
        ann.resolve("late", "b")


def test_they_come_after_the_permission_for_the_exchange(driven: Driven) -> None:
    user = User(
        "ann", permissions={"/": Permission(write="^none$")}, topic_permissions={"/": {"amq.topic": TopicPermission()}}
    )
    with pytest.raises(AccessRefused, match=r"write access to exchange 'amq\.topic'"):
        ManagedOperations(driven.broker.vhosts["/"], user, driven).resolve("amq.topic", "a")


def test_they_hold_in_their_virtual_host_alone(driven: Driven) -> None:
    driven.broker.create_vhost("shop")
    rights = {"/": Permission(), "shop": Permission()}
    user = User("ann", permissions=rights, topic_permissions={"shop": {"amq.topic": TopicPermission("^a", "^a")}})
    ManagedOperations(driven.broker.vhosts["/"], user, driven).resolve("amq.topic", "b")
    with pytest.raises(AccessRefused):
        ManagedOperations(driven.broker.vhosts["shop"], user, driven).resolve("amq.topic", "b")


def test_a_link_whose_messages_say_the_key_is_open(driven: Driven) -> None:
    ann = operations(driven, amq_topic=TopicPermission(write="^a"))
    ann.resolve("amq.topic", None)
    route = ann.resolve("amq.topic", "a")
    ann.require_topics(route, ["a", "a.b"])
    with pytest.raises(AccessRefused):
        ann.require_topics(route, ["a", "b"])
