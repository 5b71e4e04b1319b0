"""Requests begin one after another: none waits for all that one client has asked for before it."""

from __future__ import annotations

import asyncio

from batonmq.management.http.request_line import RequestLine


async def passes(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_addresses_are_served_in_turn_and_one_request_in_a_pass_of_the_loop() -> None:
    begun: list[str] = []

    async def ask(line: RequestLine, name: str) -> None:
        await line.turn(name[0])
        begun.append(name)

    async def main() -> None:
        line = RequestLine()
        tasks = [asyncio.ensure_future(ask(line, name)) for name in ("a1", "a2", "a3", "b1", "a4")]
        counts = []
        while not all(task.done() for task in tasks):
            before = len(begun)
            await passes(1)
            counts.append(len(begun) - before)
        assert max(counts) == 1

    asyncio.run(main())
    assert begun == ["a1", "b1", "a2", "a3", "a4"]


def test_one_whose_client_has_gone_takes_no_turn() -> None:
    async def main() -> None:
        line = RequestLine()
        gone = asyncio.ensure_future(line.turn("a"))
        stays = asyncio.ensure_future(line.turn("b"))
        await passes(1)
        gone.cancel()
        await asyncio.wait_for(stays, 5)
        # And the line is not at an end.
        await asyncio.wait_for(line.turn("a"), 5)

    asyncio.run(main())
