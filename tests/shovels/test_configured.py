"""Shovels that the configuration tells: they run with the broker, and change when it is read again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.support.broker import Broker
from tests.support.waiting import until

import batonmq
from batonmq.server.config_tables import ShovelConfig
from batonmq.shovels.configured import read_configured

TABLE = """
[[shovel]]
name = "onward"
from_queue = "{queue}"
to_queue = "orders"
to_url_file = "{secret}"
reconnect_delay = 0.1
"""


def test_it_runs_with_the_broker_and_changes_with_its_configuration(tmp_path: Path) -> None:
    target, secret = str(tmp_path / "far.db"), tmp_path / "secret"
    secret.write_text(f"{target}\n")
    broker = Broker(tmp_path, TABLE.format(queue="one", secret=secret))
    url = broker.start().url
    try:
        with batonmq.connect(url) as mq, batonmq.connect(target) as far:
            mq.declare("one")
            mq.send("one", b"1")
            far.declare("orders")
            until(lambda: far.count("orders") == 1)
            broker.config.write_text(TABLE.format(queue="two", secret=secret))
            assert broker.process is not None
            broker.process.send_signal(signal.SIGHUP)
            mq.declare("two")
            mq.send("two", b"2")
            until(lambda: far.count("orders") == 2)
            mq.send("one", b"stays")
            # The shovel of before may have it in its hands, and gives it back as it ends.
            until(lambda: mq.count("one") == 1)
        assert broker.terminate() == 0
        broker.start()
        with batonmq.connect(broker.address.url) as mq:
            mq.send("two", b"3")
            with batonmq.connect(target) as far:
                until(lambda: far.count("orders") == 3)
                assert [message.body for message in far.peek("orders", 3)] == [b"1", b"2", b"3"]
    finally:
        broker.kill()
    assert "Traceback" not in broker.output()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"to_url": "gopher://host"}, "to_url: no engine for 'gopher'"),
        ({"to_url": "amqp://"}, "to_url names no host; without to_url it is this broker"),
        ({"to_url": "memory:x"}, "to_url: queues in memory are those of one program"),
        ({"to_url": "amqp://ann:secret@host:port/"}, "to_url: "),
        ({"to_url_file": "nowhere/at/all"}, "to_url_file: nowhere/at/all cannot be read"),
        ({}, "from_queue and to_queue are the same queue"),
    ],
)
def test_what_cannot_be_used_is_named_without_its_password(table: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match="^" + said) as raised:
        read_configured(ShovelConfig(name="s", from_queue="q", to_queue="q", **table))  # type: ignore[arg-type]
    assert "secret@" not in str(raised.value)


def test_a_broker_does_not_start_with_a_shovel_that_cannot_be(tmp_path: Path) -> None:
    broker = Broker(tmp_path, '[[shovel]]\nname = "s"\nfrom_queue = "q"\nto_queue = "q"\n')
    with pytest.raises(RuntimeError, match="shovel 's': from_queue and to_queue are the same queue"):
        broker.start()
