"""RabbitMQ's access control: virtual hosts, and configure, write and read permissions by regular expression.

A foreign broker needs the users of tests/support/broker.py; where they cannot log in, the tests are skipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.broker import PASSWORD, VHOST
from tests.support.wire import Address, Channel, Closed, Dropped, Wire, channel_error, connection_error

Operation = Callable[[Channel], object]


@pytest.fixture(scope="module")
def limited(amqp: Address) -> Address:
    """A user who may configure mine-*, write mine-* and shared-*, and read mine-* and public-*."""
    address = dataclasses.replace(amqp, user="limited", password=PASSWORD)
    if amqp.foreign:
        wire = Wire(address)
        try:
            wire.open()
        except (Closed, Dropped):
            pytest.skip("this broker has no user 'limited'")
        wire.close()
    return address


@pytest.fixture
def theirs(connect: Connect, limited: Address) -> Channel:
    """A channel of the limited user."""
    return connect(to=limited).channel()


@pytest.fixture
def things(ch: Channel, name: str) -> str:
    """Queues and exchanges with the prefixes that the permissions tell apart."""
    for prefix in ("mine", "shared", "public", "closed"):
        ch.queue(f"{prefix}-q-{name}")
        ch.exchange(f"{prefix}-x-{name}")
        ch.bind(f"{prefix}-q-{name}", f"{prefix}-x-{name}", "k")
    return name


def publish(ch: Channel, exchange: str, key: str = "k") -> None:
    ch.publish(key, exchange=exchange)
    ch.barrier()


ALLOWED: dict[str, Callable[[str], Operation]] = {
    "declare a queue": lambda n: lambda ch: ch.queue(f"mine-new-{n}"),
    "declare an exchange": lambda n: lambda ch: ch.exchange(f"mine-new-{n}"),
    "delete a queue": lambda n: lambda ch: ch.delete(f"mine-q-{n}"),
    "delete an exchange": lambda n: lambda ch: ch.call(spec.Exchange.Delete(0, f"mine-x-{n}")),
    "look at a queue": lambda n: lambda ch: ch.queue(f"mine-q-{n}", passive=True),
    "look at an exchange": lambda n: lambda ch: ch.exchange(f"mine-x-{n}", passive=True),
    "publish": lambda n: lambda ch: publish(ch, f"shared-x-{n}"),
    "get": lambda n: lambda ch: ch.get(f"public-q-{n}"),
    "consume": lambda n: lambda ch: ch.consume(f"public-q-{n}"),
    "purge": lambda n: lambda ch: ch.call(spec.Queue.Purge(0, f"public-q-{n}")),
    "bind": lambda n: lambda ch: ch.bind(f"shared-q-{n}", f"public-x-{n}", "k"),
    "unbind": lambda n: lambda ch: ch.unbind(f"shared-q-{n}", f"public-x-{n}", "k"),
    "bind exchanges": lambda n: lambda ch: ch.bind_exchange(f"shared-x-{n}", f"public-x-{n}", "k"),
}
REFUSED: dict[str, tuple[str, Callable[[str], str], Callable[[str], Operation]]] = {
    "declare a queue": ("configure", lambda n: f"queue 'new-{n}'", lambda n: lambda ch: ch.queue(f"new-{n}")),
    # RabbitMQ 3 asks for no right, 4.3 for this one; here any right will do.
    "look at a queue": (
        "configure",
        lambda n: f"queue 'closed-q-{n}'",
        lambda n: lambda ch: ch.queue(f"closed-q-{n}", passive=True),
    ),
    "look at an exchange": (
        "configure",
        lambda n: f"exchange 'closed-x-{n}'",
        lambda n: lambda ch: ch.exchange(f"closed-x-{n}", passive=True),
    ),
    "look for a queue": (
        "configure",
        lambda n: f"queue 'nowhere-{n}'",
        lambda n: lambda ch: ch.queue(f"nowhere-{n}", passive=True),
    ),
    "get from no queue": ("read", lambda n: f"queue 'nowhere-{n}'", lambda n: lambda ch: ch.get(f"nowhere-{n}")),
    "bind no queue": (
        "write",
        lambda n: f"queue 'nowhere-{n}'",
        lambda n: lambda ch: ch.bind(f"nowhere-{n}", f"public-x-{n}"),
    ),
    "declare a queue again": (
        "configure",
        lambda n: f"queue 'shared-q-{n}'",
        lambda n: lambda ch: ch.queue(f"shared-q-{n}"),
    ),
    "declare an exchange": (
        "configure",
        lambda n: f"exchange 'new-{n}'",
        lambda n: lambda ch: ch.exchange(f"new-{n}"),
    ),
    "delete a queue": (
        "configure",
        lambda n: f"queue 'public-q-{n}'",
        lambda n: lambda ch: ch.delete(f"public-q-{n}"),
    ),
    "delete an exchange": (
        "configure",
        lambda n: f"exchange 'public-x-{n}'",
        lambda n: lambda ch: ch.call(spec.Exchange.Delete(0, f"public-x-{n}")),
    ),
    "publish": (
        "write",
        lambda n: f"exchange 'public-x-{n}'",
        lambda n: lambda ch: publish(ch, f"public-x-{n}"),
    ),
    "publish to the default exchange": (
        "write",
        lambda _: "exchange 'amq.default'",
        lambda n: lambda ch: publish(ch, "", f"mine-q-{n}"),
    ),
    "get": ("read", lambda n: f"queue 'shared-q-{n}'", lambda n: lambda ch: ch.get(f"shared-q-{n}")),
    "consume": ("read", lambda n: f"queue 'shared-q-{n}'", lambda n: lambda ch: ch.consume(f"shared-q-{n}")),
    "purge": (
        "read",
        lambda n: f"queue 'shared-q-{n}'",
        lambda n: lambda ch: ch.call(spec.Queue.Purge(0, f"shared-q-{n}")),
    ),
    "bind, queue": (
        "write",
        lambda n: f"queue 'public-q-{n}'",
        lambda n: lambda ch: ch.bind(f"public-q-{n}", f"public-x-{n}", "k"),
    ),
    "bind, exchange": (
        "read",
        lambda n: f"exchange 'shared-x-{n}'",
        lambda n: lambda ch: ch.bind(f"shared-q-{n}", f"shared-x-{n}", "k"),
    ),
    "unbind": (
        "write",
        lambda n: f"queue 'public-q-{n}'",
        lambda n: lambda ch: ch.unbind(f"public-q-{n}", f"public-x-{n}", "k"),
    ),
    "bind exchanges, destination": (
        "write",
        lambda n: f"exchange 'public-x-{n}'",
        lambda n: lambda ch: ch.bind_exchange(f"public-x-{n}", f"mine-x-{n}", "k"),
    ),
    "bind exchanges, source": (
        "read",
        lambda n: f"exchange 'shared-x-{n}'",
        lambda n: lambda ch: ch.bind_exchange(f"mine-x-{n}", f"shared-x-{n}", "k"),
    ),
    "dead-letter, read": (
        "write",
        lambda n: f"exchange 'public-x-{n}'",
        lambda n: lambda ch: ch.queue(f"mine-new-{n}", {"x-dead-letter-exchange": f"public-x-{n}"}),
    ),
    "alternate exchange": (
        "write",
        lambda n: f"exchange 'public-x-{n}'",
        lambda n: lambda ch: ch.exchange(f"mine-new-{n}", "direct", {"alternate-exchange": f"public-x-{n}"}),
    ),
}


@pytest.mark.parametrize("operation", ALLOWED)
def test_what_the_permissions_name_is_allowed(theirs: Channel, things: str, operation: str) -> None:
    ALLOWED[operation](things)(theirs)


@pytest.mark.parametrize("operation", REFUSED)
def test_what_the_permissions_do_not_name_is_refused(theirs: Channel, things: str, operation: str) -> None:
    access, resource, action = REFUSED[operation]
    access = "" if theirs.wire.amqp.announces("rabbitmq 3.10") else f"{access} "
    text = f"ACCESS_REFUSED - {access}access to {resource(things)} in vhost '/' refused for user 'limited'"
    with channel_error(403, text):
        action(things)(theirs)


NOTHING: dict[str, Callable[[Channel], object]] = {
    "declare": lambda ch: ch.queue("mine-or-not"),
    "have a name made": lambda ch: ch.queue("", exclusive=True),
    "delete what the broker has named": lambda ch: ch.delete("amq.gen-1"),
    "publish": lambda ch: publish(ch, "", "mine-or-not"),
    "publish to what is silent": lambda ch: publish(ch, "amq.rabbitmq.trace"),
    "publish to an address of replies": lambda ch: publish(ch, "", "amq.rabbitmq.reply-to.1"),
    "ask the broker": lambda ch: publish(ch, "batonmq.management"),
    "publish to nowhere": lambda ch: publish(ch, "nowhere"),
}


@pytest.mark.parametrize("operation", NOTHING)
def test_an_empty_expression_allows_nothing(connect: Connect, limited: Address, operation: str) -> None:
    ch = connect(to=dataclasses.replace(limited, user="nobody")).channel()
    with channel_error(403):
        NOTHING[operation](ch)


@pytest.mark.parametrize("said", ["shared-\nq-", "sha\rred-q-", "\nshared-q-"])
def test_line_ends_do_not_lead_past_a_permission(theirs: Channel, things: str, said: str) -> None:
    with channel_error(403):
        theirs.get(said + things)


def test_a_refused_publish_leaves_the_connection(theirs: Channel, things: str) -> None:
    with channel_error(403, method=spec.Basic.Publish):
        theirs.publish("k", exchange=f"closed-x-{things}")
        theirs.barrier()
    theirs.wire.channel(2)


def test_a_virtual_host_without_permission_is_refused(connect: Connect, limited: Address) -> None:
    text = f"NOT_ALLOWED - access to vhost '{VHOST}' refused for user 'limited'"
    with connection_error(530, text, spec.Connection.Open):
        connect(opened=False, to=limited).open(vhost=VHOST)


def test_virtual_hosts_are_worlds_apart(connect: Connect, limited: Address, ch: Channel, name: str) -> None:
    del limited
    there = connect(vhost=VHOST).channel()
    there.queue(name, exclusive=True)
    with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        ch.queue(name, passive=True)


def test_errors_name_the_virtual_host(connect: Connect, limited: Address, name: str) -> None:
    del limited
    with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '{VHOST}'"):
        connect(vhost=VHOST).channel().queue(name, passive=True)


def test_the_user_id_of_a_limited_user_is_checked(theirs: Channel, things: str) -> None:
    with channel_error(
        406, "PRECONDITION_FAILED - user_id property set to 'guest' but authenticated user was 'limited'"
    ):
        theirs.publish("k", exchange=f"shared-x-{things}", user_id="guest")
        theirs.barrier()
