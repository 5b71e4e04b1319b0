"""Parameters of shovels: what RabbitMQ 4.3 answered to the same values, and what is read out of them."""

from __future__ import annotations

from typing import Any

import pytest

from batonmq.errors import PreconditionFailed
from batonmq.shovels.rabbitmq.parameters import read_parameters, without_secrets
from batonmq.shovels.settings import ShovelSettings
from batonmq.shovels.uris import fault_of, without_credentials

ENDS = {"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"}
ADDRESSES = {
    "src-protocol": "amqp10",
    "src-uri": "amqp://",
    "src-address": "/queues/a",
    "dest-protocol": "amqp10",
    "dest-uri": "amqp://",
    "dest-address": "/queues/b",
}
DELETE_AFTER = (
    'src-delete-after should be a number greater than or equal to 0, "never" or "queue-length", actually was '
)

# A value, and the lines of RabbitMQ's refusal.
REFUSED: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    (
        {},
        (
            "Must specify 'src-exchange' or 'src-queue'",
            'Key "dest-uri" not found in p',
            'Key "src-uri" not found in p',
        ),
    ),
    ({**ENDS, "src-exchange": "e"}, ("Cannot specify 'src-exchange' and 'src-queue'",)),
    ({**ENDS, "dest-exchange": "e"}, ("Cannot specify 'dest-exchange' and 'dest-queue'",)),
    ({**ENDS, "src-uri": "http://x"}, ('"http://x" not a valid URI: {{unexpected_uri_scheme,"http"},"http://x"}',)),
    (
        {**ENDS, "dest-uri": "nonsense"},
        ('"nonsense" not a valid URI: {{unable_to_parse_uri,no_scheme},"nonsense"}',),
    ),
    (
        {**ENDS, "src-uri": "amqp://h:99999"},
        ('"amqp://h:99999" not a valid URI: {{port_out_of_range,99999},"amqp://h:99999"}',),
    ),
    (
        {**ENDS, "src-uri": "amqp://h/a/b"},
        ('"amqp://h/a/b" not a valid URI: {{invalid_vhost,"a/b"},"amqp://h/a/b"}',),
    ),
    ({**ENDS, "dest-uri": 5}, ("dest-uri should be list, actually was 5",)),
    ({**ENDS, "dest-uri": [5]}, ("dest-uri should be list, actually was 5",)),
    ({**ENDS, "dest-uri": None}, ("dest-uri should be list, actually was null",)),
    ({**ENDS, "foo": 1, "bar": "x"}, ('Unrecognised terms [{<<"bar">>,<<"x">>},{<<"foo">>,1}] in p',)),
    ({**ENDS, "src-prefetch-count": "x"}, ('src-prefetch-count should be a number, actually was <<"x">>',)),
    (
        {**ENDS, "ack-mode": "x"},
        ('ack-mode should be one of [<<"no-ack">>,<<"on-publish">>,<<"on-confirm">>], actually was <<"x">>',),
    ),
    ({**ENDS, "ack-mode": 1}, ("ack-mode should be binary, actually was 1",)),
    ({**ENDS, "reconnect-delay": "x"}, ('reconnect-delay should be a number, actually was <<"x">>',)),
    ({**ENDS, "src-delete-after": "x"}, (DELETE_AFTER + '<<"x">>',)),
    ({**ENDS, "src-delete-after": -1}, (DELETE_AFTER + "-1",)),
    (
        {**ENDS, "src-delete-after": 5, "ack-mode": "no-ack"},
        ("Cannot specify 'no-ack' and numerical 'delete-after'",),
    ),
    (
        {**ENDS, "dest-add-forward-headers": "x"},
        ('dest-add-forward-headers should be boolean, actually was <<"x">>',),
    ),
    (
        {**ENDS, "src-protocol": "x"},
        ('src-protocol should be one of [<<"local">>,<<"amqp091">>,<<"amqp10">>], actually was <<"x">>',),
    ),
    (
        {**ENDS, "src-protocol": "amqp10"},
        ('Unrecognised terms [{<<"src-queue">>,<<"a">>}] in p', 'Key "src-address" not found in p'),
    ),
    (
        {**ENDS, "dest-publish-properties": {"foo": 1, "delivery_mode": "x"}},
        (
            'Unrecognised terms [{<<"foo">>,1}] in dest-publish-properties',
            'delivery_mode should be a number, actually was <<"x">>',
        ),
    ),
    (
        {**ENDS, "foo": 1, "ack-mode": 1, "src-queue": 5, "dest-queue": 7, "reconnect-delay": "x"},
        (
            'Unrecognised terms [{<<"foo">>,1}] in p',
            "dest-queue should be binary, actually was 7",
            "src-queue should be binary, actually was 5",
            "ack-mode should be binary, actually was 1",
            'reconnect-delay should be a number, actually was <<"x">>',
        ),
    ),
)


@pytest.mark.parametrize(("value", "lines"), REFUSED)
def test_what_rabbitmq_refuses_is_refused_in_its_words(value: dict[str, Any], lines: tuple[str, ...]) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        read_parameters("p", value)
    assert str(refused.value) == "Validation failed\n\n" + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    "value",
    [
        ENDS,
        ADDRESSES,
        {**ENDS, "dest-uri": ["amqp://one", "amqp://two"]},
        {"src-uri": "amqp://", "src-exchange": "e", "dest-uri": "amqp://"},
        {**ENDS, "prefetch-count": 10, "delete-after": "never", "add-forward-headers": True},
        {**ENDS, "src-protocol": "local", "dest-protocol": "local"},
        {**ENDS, "src-uri": "amqps://h?cacertfile=/x&heartbeat=5&nope=x"},
        {**ENDS, "src-consumer-args": [], "src-queue-args": {"x-max-length": 4}, "src-predeclared": True},
        {**ENDS, "dest-uri": "kafka://host:9092"},
    ],
)
def test_what_rabbitmq_takes_is_taken(value: dict[str, Any]) -> None:
    assert isinstance(read_parameters("p", value), ShovelSettings)


@pytest.mark.parametrize("value", [5, None, "x", [1], {**ENDS, "src-queue-args": 5}, {**ENDS, "src-uri": []}])
def test_what_rabbitmq_fails_over_is_refused(value: object) -> None:
    with pytest.raises(PreconditionFailed):
        read_parameters("p", value)


def test_no_file_of_the_server_is_read_or_written() -> None:
    for url in ("file:///etc/x.db", "memory://x", "/etc/x.db", "orders.db"):
        assert fault_of(url)


def test_defaults_and_numbers() -> None:
    found = read_parameters("p", ENDS)
    assert (found.prefetch, found.reconnect_delay, found.delete_after, found.ack_mode) == (
        1000,
        5,
        "never",
        "on-confirm",
    )
    found = read_parameters("p", {**ENDS, "src-prefetch-count": 0, "reconnect-delay": -1, "src-delete-after": 7})
    assert (found.prefetch, found.reconnect_delay, found.delete_after) == (1, 0, 7)
    found = read_parameters("p", ADDRESSES)
    assert (found.source.queue, found.destination.queue) == ("a", "b")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://ann:se%40cret@host:1/%2F", "amqp://host:1/%2F"),
        ("amqp://ann@host", "amqp://host"),
        ("amqp://", "amqp://"),
        ("amqps://host?certfile=x&password=secret&verify=no", "amqps://host?certfile=x&password=***&verify=no"),
        ("amqp://a:b@c@host/x", "amqp://host/x"),
        ("cannot reach amqp://ann:secret@host", "cannot reach amqp://host"),
    ],
)
def test_urls_are_shown_without_user_and_password(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    value = without_secrets({"src-uri": url, "dest-uri": [url, url]})
    assert value == {"src-uri": shown, "dest-uri": [shown, shown]}
