"""A socket is read while no reason holds it up."""

from __future__ import annotations

import asyncio

from batonmq.server.holds import BACKLOG, STORE_FULL, SUSPENDED, Holds


class Reading(asyncio.ReadTransport):
    def __init__(self) -> None:
        super().__init__()
        self.pauses = 0
        self._is_reading = True

    def pause_reading(self) -> None:
        self.pauses += 1
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    def is_reading(self) -> bool:
        return self._is_reading

    def is_closing(self) -> bool:
        return False


def test_it_is_read_again_when_the_last_reason_ends() -> None:
    transport, holds = Reading(), Holds()
    holds.begin(transport)
    holds.hold(SUSPENDED)
    holds.hold(STORE_FULL)
    holds.hold(STORE_FULL)
    assert transport.pauses == 1
    holds.release(STORE_FULL)
    assert not transport.is_reading()
    holds.release(SUSPENDED | BACKLOG)
    assert transport.is_reading()
    assert not holds.reasons


def test_a_socket_that_is_gone_is_left_alone() -> None:
    transport, holds = Reading(), Holds()
    holds.begin(transport)
    holds.hold(SUSPENDED)
    holds.end()
    holds.release(SUSPENDED)
    holds.hold(BACKLOG)
    assert transport.pauses == 1
    assert not transport.is_reading()
