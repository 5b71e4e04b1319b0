"""What a URL of Kafka says, and what is refused of it."""

from __future__ import annotations

import ssl

import pytest

import batonmq
from batonmq.engines.kafka.parameters import kafka_parameters


def test_brokers_and_options_are_read() -> None:
    found = kafka_parameters("kafka://a:1,b,[::1]:3?partitions=3&replication=2&lock=60&batch=10&timeout=5")
    assert found.servers == [("a", 1), ("b", 9092), ("::1", 3)]
    assert (found.partitions, found.replication, found.lock, found.batch, found.timeout) == (3, 2, 60, 10, 5)
    assert found.client()["bootstrap.servers"] == "a:1,b:9092,[::1]:3"
    assert found.client()["security.protocol"] == "PLAINTEXT"


def test_a_log_in_is_read_and_not_shown() -> None:
    found = kafka_parameters("kafka+ssl://u%40x:p%3Aw@a?auth_mechanism=scram-sha-512&verify=verify_none")
    assert (found.user, found.password, found.mechanism) == ("u@x", "p:w", "SCRAM-SHA-512")
    settings = found.client()
    assert settings["security.protocol"] == "SASL_SSL"
    assert settings["enable.ssl.certificate.verification"] is False
    assert "p:w" not in repr(found)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("kafka://a/topic", "no path"),
        ("kafka://a:0", "host:port"),
        ("kafka://a:b", "host:port"),
        ("kafka://a,,b", "host:port"),
        ("kafka://user@a", "user:password@"),
        ("kafka://a?partition=3", "there is no option 'partition'"),
        ("kafka://a?partitions=0", "partitions is 1 to"),
        ("kafka://a?lock=x", "lock is 1 to"),
        ("kafka://a?lock=5&lock=6", "twice"),
        ("kafka://a?cacertfile=x", "needs kafka\\+ssl://"),
        ("kafka://a?auth_mechanism=plain", "names no user"),
        ("kafka://u:p@a?auth_mechanism=gssapi", "auth_mechanism is one of"),
        ("kafka+ssl://a?server_name_indication=b", "there is no option"),
        ("kafka+ssl://a?cacertfile=/nowhere.pem", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        kafka_parameters(url)


def test_a_context_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no SSLContext"):
        kafka_parameters("kafka+ssl://a", ssl.create_default_context())


def test_nobody_listens() -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"cannot connect to 127\.0\.0\.1:1: is the broker running"):
        batonmq.connect("kafka://127.0.0.1:1")
