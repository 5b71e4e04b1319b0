"""Headers, SASL, open and close (part 2 §2.2, §2.4; part 5 §5.3)."""

from __future__ import annotations

import pytest

from batonmq.broker import Permission, User
from batonmq.protocols.amqp10.codec.constants import HEARTBEAT as HEARTBEAT_EVENT
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT, frame, sasl_frame
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Begin,
    Close,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Target,
)
from batonmq.protocols.amqp10.codec.values import Symbol, UInt, UShort
from batonmq.protocols.amqp10.containers import Containers
from batonmq.protocols.amqp10.settings import Amqp10Settings
from batonmq.protocols.sessions.standing import FINISHED, SUSPENDED
from tests.protocols.amqp10.client import AMQP_HEADER, SASL_HEADER, Client, condition_of, of, one
from tests.support.driven import EVERYTHING, Driven

PLAIN = SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0guest\0guest")


@pytest.fixture
def driven() -> Driven:
    return Driven()


def begin() -> Begin:
    return Begin(next_outgoing_id=UInt(0), incoming_window=UInt(10), outgoing_window=UInt(10))


def attach(size: int) -> Attach:
    """With properties of that many characters."""
    about = {Symbol("about"): "a" * size}
    return Attach(name="l", handle=0, role=False, initial_delivery_count=0, target=Target(), properties=about)


def condition(came: list[object]) -> str:
    return condition_of(one(came, Close))


def test_log_in(driven: Driven) -> None:
    client = Client(driven)
    header, mechanisms = client.feed(SASL_HEADER)
    assert header == SASL_HEADER
    assert isinstance(mechanisms, SaslMechanisms)
    assert mechanisms.sasl_server_mechanisms == ["PLAIN"]
    (outcome,) = client.feed(sasl_frame(PLAIN))
    assert isinstance(outcome, SaslOutcome)
    assert outcome.code == 0
    assert client.feed(AMQP_HEADER) == [AMQP_HEADER]
    opened = one(client.say(Open(container_id="c")), Open)
    assert opened.container_id
    assert opened.channel_max == 255
    assert opened.max_frame_size == 131_072
    assert opened.idle_time_out == 30_000
    assert "ANONYMOUS-RELAY" in (opened.offered_capabilities or ())


def test_the_broker_names_its_node(driven: Driven) -> None:
    """RabbitMQ's client for Java gives up a connection whose node it does not know."""
    client = Client(driven, Amqp10Settings(container_id="b1"))
    client.log_in()
    properties = one(client.say(Open(container_id="c")), Open).properties
    assert properties is not None
    assert properties[Symbol("node")] == "b1"


def test_all_at_once(driven: Driven) -> None:
    client = Client(driven)
    data = SASL_HEADER + sasl_frame(PLAIN) + AMQP_HEADER + frame(0, Open(container_id="c")) + frame(0, begin())
    came = client.feed(data)
    assert [each for each in came if isinstance(each, bytes)] == [SASL_HEADER, AMQP_HEADER]
    assert one(came, SaslOutcome).code == 0
    assert one(came, Begin).remote_channel == 0


def test_what_comes_before_our_open_may_be_larger_than_512_octets(driven: Driven) -> None:
    """As clients send it that tell much of themselves, and do not wait; but not as large as it pleases."""
    about = {Symbol("copyright"): "c" * 2000}
    opening = frame(0, Open(container_id="c", properties=about)) + frame(0, begin()) + frame(0, attach(3000))
    client = Client(driven)
    client.log_in()
    came = client.feed(opening)
    one(came, Open)
    one(came, Begin)
    one(came, Attach)
    client = Client(driven)
    client.log_in()
    assert condition(client.say(Open(container_id="c" * 9000))) == "amqp:connection:framing-error"


def test_all_at_once_while_the_password_is_checked(driven: Driven) -> None:
    client = Client(driven)
    client.host.waits = True
    data = SASL_HEADER + sasl_frame(PLAIN) + AMQP_HEADER + frame(0, Open(container_id="c")) + frame(0, begin())
    came = client.feed(data)
    assert not of(came, SaslOutcome)
    client.host.asked.pop()()
    came = client.read()
    assert one(came, SaslOutcome).code == 0
    one(came, Open)
    one(came, Begin)


def test_byte_by_byte(driven: Driven) -> None:
    client = Client(driven)
    data = SASL_HEADER + sasl_frame(PLAIN) + AMQP_HEADER + frame(0, Open(container_id="c")) + frame(0, begin())
    for octet in data:
        client.session.receive(bytes((octet,)))
    came = client.read()
    one(came, Begin)


@pytest.mark.parametrize(
    "init",
    [
        SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0guest\0wrong"),
        SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"guest"),
        SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0\xff\0guest"),
        SaslInit(mechanism=Symbol("PLAIN")),
        SaslInit(mechanism=Symbol("ANONYMOUS")),
        SaslInit(mechanism=Symbol("EXTERNAL"), initial_response=b""),
        SaslInit(mechanism=Symbol("SCRAM-SHA-256"), initial_response=b"n,,n=guest,r=abc"),
    ],
)
def test_refused_log_in(driven: Driven, init: SaslInit) -> None:
    client = Client(driven)
    client.feed(SASL_HEADER)
    (outcome,) = client.feed(sasl_frame(init))
    assert isinstance(outcome, SaslOutcome)
    assert outcome.code == 1
    assert client.session.standing() & FINISHED
    assert client.feed(AMQP_HEADER + frame(0, Open(container_id="c"))) == []


def test_anonymous(driven: Driven) -> None:
    settings = Amqp10Settings(anonymous_login="guest", anonymous_passcode="guest")
    client = Client(driven, settings)
    _, mechanisms = client.feed(SASL_HEADER)
    assert isinstance(mechanisms, SaslMechanisms)
    assert mechanisms.sasl_server_mechanisms == ["PLAIN", "ANONYMOUS"]
    (outcome,) = client.feed(sasl_frame(SaslInit(mechanism=Symbol("ANONYMOUS"))))
    assert isinstance(outcome, SaslOutcome)
    assert outcome.code == 0


def test_without_sasl(driven: Driven) -> None:
    settings = Amqp10Settings(anonymous_login="guest", anonymous_passcode="guest")
    client = Client(driven, settings)
    came = client.feed(AMQP_HEADER + frame(0, Open(container_id="c")))
    assert came[0] == AMQP_HEADER
    one(came, Open)


def test_without_sasl_where_a_log_in_is_needed(driven: Driven) -> None:
    client = Client(driven)
    assert client.feed(AMQP_HEADER + frame(0, Open(container_id="c"))) == [SASL_HEADER]
    assert client.session.standing() & FINISHED


@pytest.mark.parametrize("header", [b"AMQP\x00\x02\x00\x00", b"AMQP\x02\x01\x00\x00", b"GET / HT"])
def test_other_headers_are_answered_with_the_right_one(driven: Driven, header: bytes) -> None:
    client = Client(driven)
    assert client.feed(header) == [SASL_HEADER]
    assert client.session.standing() & FINISHED


@pytest.mark.parametrize(
    "data",
    [
        frame(0, Open(container_id="c")),
        frame(0, begin()),
        sasl_frame(SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")])),
        SASL_HEADER,
        AMQP_HEADER,
    ],
)
def test_out_of_turn_before_the_log_in(driven: Driven, data: bytes) -> None:
    client = Client(driven)
    client.feed(SASL_HEADER)
    client.feed(data)
    assert client.session.standing() & FINISHED
    assert not client.session.standing() & SUSPENDED


def test_virtual_host(driven: Driven) -> None:
    client = Client(driven)
    client.log_in()
    came = client.say(Open(container_id="c", hostname="vhost:nowhere"))
    opened = one(came, Open)
    assert dict(opened.properties or {})[Symbol("amqp:connection-establishment-failed")] is True
    assert condition(came) == "amqp:not-found"


def test_virtual_host_that_is_closed_to_the_user(driven: Driven) -> None:
    users = {"guest": ("guest", User("guest", frozenset(), {"elsewhere": Permission()}))}
    client = Client(driven, users=users)
    client.log_in()
    assert condition(client.say(Open(container_id="c"))) == "amqp:unauthorized-access"


def test_container_that_wants_to_be_the_only_one(driven: Driven) -> None:
    containers = Containers()
    wanted = Open(container_id="c", desired_capabilities=[Symbol("sole-connection-for-container")])
    first, second, third = (Client(driven, containers=containers) for _ in range(3))
    first.log_in()
    one(first.say(wanted), Open)
    second.log_in()
    came = second.say(wanted)
    assert condition(came) == "amqp:invalid-field"
    error = one(came, Close).error
    assert error is not None
    assert error.info == {"invalid-field": "container-id"}
    first.lose()
    third.log_in()
    assert not of(third.say(wanted), Close)


@pytest.mark.parametrize(("size", "fits"), [(511, False), (512, True)])
def test_max_frame_size(driven: Driven, size: int, fits: bool) -> None:
    client = Client(driven)
    client.log_in()
    came = client.say(Open(container_id="c", max_frame_size=UInt(size)))
    assert bool(of(came, Close)) is not fits


def test_close_is_answered(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    assert one(client.say(Close()), Close).error is None
    assert client.session.standing() & FINISHED


def test_second_open(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    assert condition(client.say(Open(container_id="c"))) == "amqp:illegal-state"
    assert not client.session.standing() & FINISHED
    client.say(Close())
    assert client.session.standing() & FINISHED


def test_after_our_close_all_else_is_dropped(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    client.say(Open(container_id="c"))
    assert client.say(begin()) == []


def test_idle_client_is_given_up(driven: Driven) -> None:
    client = Client(driven, Amqp10Settings(idle_time_out=10))
    client.open()
    for _ in range(39):
        driven.wait(0.25)
        client.session.tick(driven.clock.monotonic())
    assert not of(client.read(), Close)
    driven.wait(1)
    client.session.tick(driven.clock.monotonic())
    assert condition(client.read()) == "amqp:resource-limit-exceeded"
    assert client.session.standing() & FINISHED


def test_empty_frames_keep_it_alive(driven: Driven) -> None:
    client = Client(driven, Amqp10Settings(idle_time_out=10))
    client.open()
    for _ in range(10):
        driven.wait(5)
        assert client.feed(HEARTBEAT) == []
        client.session.tick(driven.clock.monotonic())
    assert not client.session.standing() & FINISHED


def test_we_keep_alive_a_client_that_wants_it(driven: Driven) -> None:
    client = Client(driven)
    client.log_in()
    client.say(Open(container_id="c", idle_time_out=UInt(2000)))
    beats = 0
    for _ in range(16):
        driven.wait(0.25)
        client.session.tick(driven.clock.monotonic())
        beats += client.read().count((HEARTBEAT_EVENT,))
    assert beats >= 3


def test_idle_time_out_that_is_too_short(driven: Driven) -> None:
    client = Client(driven)
    client.log_in()
    assert condition(client.say(Open(container_id="c", idle_time_out=UInt(10)))) == "amqp:not-allowed"


def test_slow_handshake(driven: Driven) -> None:
    client = Client(driven)
    client.feed(SASL_HEADER)
    driven.wait(11)
    client.session.tick(driven.clock.monotonic())
    assert client.session.standing() & FINISHED


def test_shutdown(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    client.session.shutdown("the broker stops")
    assert condition(client.read()) == "amqp:connection:forced"


def test_deleted_user(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    client.session.users_changed(lambda _: None)
    assert condition(client.read()) == "amqp:unauthorized-access"


def test_user_who_is_still_there(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    client.session.users_changed(lambda _: EVERYTHING)
    assert client.read() == []


def test_garbage_in_a_frame(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    assert condition(client.feed(b"\x00\x00\x00\x0a\x02\x00\x00\x00\xff\xff")).startswith("amqp:")
    assert client.session.standing() & FINISHED


def test_frame_that_is_too_large(driven: Driven) -> None:
    client = Client(driven)
    client.open()
    came = client.feed(b"\x7f\x00\x00\x00\x02\x00\x00\x00")
    assert condition(came) == "amqp:connection:framing-error"


def test_channel_beyond_the_maximum(driven: Driven) -> None:
    client = Client(driven)
    client.log_in()
    client.say(Open(container_id="c", channel_max=UShort(3)))
    assert condition(client.say(begin(), channel=4)) == "amqp:connection:framing-error"


@pytest.mark.parametrize(
    "out_of_turn", [sasl_frame(PLAIN), sasl_frame(SaslOutcome(code=0)), SASL_HEADER, AMQP_HEADER], ids=repr
)
def test_what_belongs_to_a_log_in_ends_an_open_connection(driven: Driven, out_of_turn: bytes) -> None:
    driven.queue("q")
    for number in range(3):
        driven.publish(f"{number}")
    client = Client(driven).start()
    client.receiver("/queues/q", 2)
    client.read()
    assert driven.operations.find_queue("q").unsettled == 2
    assert condition(client.feed(out_of_turn)) == "amqp:illegal-state"
    driven.settle()
    queue = driven.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count, len(queue.consumers)) == (0, 3, 0)
    client.say(Close())
    assert client.session.standing() & FINISHED
    client.lose()
