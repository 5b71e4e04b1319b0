"""Code that uses stomp.py, tested against a real broker in the test's own process."""

from __future__ import annotations

from queue import SimpleQueue

import stomp
from stomp.utils import Frame

from batonmq.testing import MovableClock, RunningServer


class Inbox(stomp.ConnectionListener):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[Frame] = SimpleQueue()

    def on_message(self, frame: Frame) -> None:
        self.messages.put(frame)


def remind(connection: stomp.Connection12, user: str, text: str) -> None:
    """What is to be tested: a reminder comes after a day."""
    connection.send(f"/queue/reminders.{user}", text, headers={"x-delay": 86_400_000}, receipt="sent")


def test_a_reminder_comes_after_a_day(baton_server: RunningServer, baton_clock: MovableClock) -> None:
    connection = stomp.Connection12([(baton_server.host, baton_server.port)])
    inbox, receipts = Inbox(), stomp.WaitingListener("sent")
    connection.set_listener("inbox", inbox)
    connection.set_listener("receipts", receipts)
    connection.connect("guest", "guest", wait=True)
    connection.subscribe("/queue/reminders.ann", id="1")
    remind(connection, "ann", "water the plants")
    receipts.wait_on_receipt()
    assert inbox.messages.empty()
    baton_clock.advance(86_401)
    assert inbox.messages.get(timeout=10).body == "water the plants"
    connection.disconnect()
