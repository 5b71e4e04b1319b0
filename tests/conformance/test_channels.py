"""AMQP 0-9-1 section 1.5: channels; errors close the channel, or the connection where the specification says so."""

from __future__ import annotations

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.marks import differs_from
from tests.support.wire import Channel, ChannelClosed, Wire, channel_error, connection_error


def test_a_method_on_a_channel_never_opened_is_a_channel_error(wire: Wire) -> None:
    with connection_error(504, "CHANNEL_ERROR - expected 'channel.open'", spec.Queue.Declare):
        Channel(wire, 7).queue("x")


def test_a_second_open_is_a_channel_error(ch: Channel) -> None:
    with connection_error(504, "CHANNEL_ERROR - second 'channel.open' seen", spec.Channel.Open):
        ch.call(spec.Channel.Open())


def test_channel_max_counts_channels_not_their_numbers(wire: Wire) -> None:
    wire.channel(65535).barrier()


def test_channels_past_the_negotiated_count_are_refused(connect: Connect) -> None:
    wire = connect(channel_max=4)
    for number in (1, 2, 3, 4):
        wire.channel(number)
    text = "NOT_ALLOWED - number of channels opened (4) has reached the negotiated channel_max (4)"
    with connection_error(530, text):
        wire.channel(5)


def test_a_closed_channel_makes_room_for_another(connect: Connect) -> None:
    wire = connect(channel_max=1)
    for number in (1, 2, 3):
        wire.channel(number).close()


def test_a_channel_number_is_free_after_close_ok(wire: Wire) -> None:
    for _ in range(50):
        wire.channel(1).close()


def test_an_error_closes_its_channel_only(wire: Wire, name: str) -> None:
    failing, bystander = wire.channel(1), wire.channel(2)
    with channel_error(404):
        failing.queue(name, passive=True)
    bystander.barrier()


def test_a_channel_number_is_free_after_an_error(wire: Wire, name: str) -> None:
    for _ in range(50):
        with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", spec.Queue.Declare):
            wire.channel(1).queue(name, passive=True)
    wire.channel(1)


def test_a_close_names_the_method_that_failed(ch: Channel, name: str) -> None:
    with channel_error(404, method=spec.Basic.Get):
        ch.get(name)


def test_what_follows_an_error_is_discarded_until_close_ok(wire: Wire, name: str) -> None:
    ch = wire.channel()
    ch.queue(name)
    wire.answers_close = False
    ch.send(spec.Queue.Declare(0, name + "-missing", passive=True))
    ch.publish(name, b"lost")
    ch.send(spec.Queue.Declare(0, name + "-never"))
    ch.send(spec.Basic.Qos(0, 1))
    with channel_error(404):
        ch.next()
    ch.publish(name, b"lost too")
    ch.send(spec.Channel.CloseOk())
    again = wire.channel(1)
    assert again.count(name) == 0
    with channel_error(404):
        again.queue(name + "-never", passive=True)


def test_both_sides_may_close_a_channel_at_once(wire: Wire, name: str) -> None:
    ch = wire.channel()
    wire.answers_close = False
    ch.send(spec.Queue.Declare(0, name, passive=True))
    ch.send(spec.Channel.Close(200, "bye", 0, 0))
    seen = set()
    for _ in range(2):
        event = wire.next(1)
        seen.add(type(event))
    assert seen == {ChannelClosed, spec.Channel.CloseOk}
    ch.send(spec.Channel.CloseOk())
    wire.channel(2)
    wire.channel(1)


@differs_from("rabbitmq 3.10", why="it answers with 504 once it has forgotten the channel")
def test_close_ok_for_a_channel_that_is_not_open_is_ignored(wire: Wire) -> None:
    wire.channel(1).close()
    wire.send(spec.Channel.CloseOk(), 1)
    wire.channel(2)


def test_close_of_a_channel_that_is_not_open_is_a_channel_error(wire: Wire) -> None:
    with connection_error(504, "CHANNEL_ERROR - expected 'channel.open'", spec.Channel.Close):
        Channel(wire, 9).close()


def test_flow_on_is_answered(ch: Channel) -> None:
    assert ch.ask(spec.Channel.Flow(True), spec.Channel.FlowOk).active is True


def test_flow_off_is_not_implemented(ch: Channel) -> None:
    """As in RabbitMQ: the Go client's suite takes any other answer for a fault."""
    with connection_error(540, "NOT_IMPLEMENTED - active=false", spec.Channel.Flow):
        ch.call(spec.Channel.Flow(False))


@pytest.mark.parametrize(
    "method", [spec.Channel.OpenOk(), spec.Queue.DeclareOk("q", 0, 0), spec.Basic.QosOk()], ids=lambda m: m.name
)
def test_a_servers_method_is_not_a_clients(ch: Channel, method: spec.Channel.OpenOk) -> None:
    with connection_error(503):
        ch.send(method)
        ch.next()


def test_a_thousand_channels_live_side_by_side(wire: Wire) -> None:
    channels = [wire.channel(number) for number in range(1, 1001)]
    channels[0].barrier()
    channels[-1].barrier()
