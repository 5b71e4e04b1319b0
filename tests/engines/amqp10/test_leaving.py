"""Closing over AMQP 1.0 when the broker does not answer any more."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

import batonmq
from batonmq.engines.amqp10 import leaving, uplink
from batonmq.testing.contract import take
from tests.engines.proxy import Proxy
from tests.support.waiting import until
from tests.support.wire import Address

# Far less than what is waited for in vain, on a busy machine.
AT_ONCE = 30.0
IN_VAIN = 2 * AT_ONCE


def test_a_broker_that_is_mute_keeps_nobody(amqp: Address, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "TO_DETACH", 0.3)
    monkeypatch.setattr(uplink, "GOODBYE", 0.3)
    monkeypatch.setattr(uplink, "GIVE_BACK", IN_VAIN)
    with (
        batonmq.connect(f"amqp://guest:guest@127.0.0.1:{amqp.port}/") as other,
        closing(Proxy(amqp.port)) as proxy,
        batonmq.connect(f"amqp10://guest:guest@127.0.0.1:{proxy.port}/") as mq,
    ):
        other.declare(name)
        other.send_many(name, [b"0", b"1"])
        receiver = mq.receiver(name, prefetch=1)
        still_open = mq.receiver(name, prefetch=1)
        take(receiver, 1)
        take(still_open, 1)
        proxy.hold(b"")
        began = time.monotonic()
        receiver.close()
        assert time.monotonic() - began < AT_ONCE
        began = time.monotonic()
        mq.close()
        assert time.monotonic() - began < AT_ONCE
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "batonmq-amqp10"])
        proxy.cut()
        with other.receiver(name) as again:
            for delivery in take(again, 2):
                delivery.accept()
        other.delete(name)
