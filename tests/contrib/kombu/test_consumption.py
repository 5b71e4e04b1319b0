"""What the application of kombu has settled is settled, or it is logged that it was not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from batonmq import points
from batonmq.contrib.kombu.consumption import Consumption
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, wire
from tests.engines.shared.conftest import Owner, departing, path  # noqa: F401  (fixtures)
from tests.support.waiting import until

SOON = 30.0


def test_an_ack_that_the_next_owner_of_the_file_cannot_do_is_logged(
    departing: Owner,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(Consumption, departing.engine, "orders", None, None, lambda _: None, no_ack=False)
        departing.say(answers.Done(departing.hear().number))
        consumption = begun.result(SOON)
    consumption.ask(1)
    number = departing.hear().number
    departing.say(answers.Arrived(number, [(wire.message_to(Message(b"1")), 1, False, 7, 1 << 46, "", "orders")]))

    def has_come() -> bool:
        consumption.arrive()
        return bool(consumption.ready)

    until(has_come)
    unnoticed = threading.Event()
    points.arm("owner.lost", lambda: unnoticed.wait(SOON))
    try:
        departing.go()
        consumption.settle(consumption.ready.popleft(), "accept")
    finally:
        points.disarm()
        unnoticed.set()
    until(lambda: "a message of queue 'orders' comes again" in caplog.text)
