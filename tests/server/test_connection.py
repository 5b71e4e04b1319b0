"""A client's socket and its session: bytes in any pieces, answers in order, and holding up whoever is too fast."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from tests.server.echo import EchoServer, closed, config, echo_server, until

from batonmq.server.addresses import address
from batonmq.server.outgoing import UNSENT_HIGH, UNSENT_LIMIT

Run = Callable[[Coroutine[object, object, None]], None]


def test_bytes_come_in_any_pieces_and_go_back_in_order(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            sent = b""
            for size in (1, 2, 7, 300_000, 1, 70_000):
                piece = bytes([size % 251]) * size
                sent += piece
                writer.write(piece)
                await writer.drain()
                assert await reader.readexactly(size) == piece
            assert served.sessions[0].received == len(sent)
            writer.close()
            await until(lambda: served.sessions[0].is_lost)

    run(main())


def test_connections_that_read_at_once_do_not_mix_their_bytes(run: Run, tmp_path: Path) -> None:
    """All connections share one buffer."""

    async def talk(served: EchoServer, number: int) -> None:
        reader, writer = await served.connect()
        payload = bytes([number]) * 50_000
        for _ in range(10):
            writer.write(payload)
            assert await reader.readexactly(len(payload)) == payload
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with echo_server(tmp_path) as served:
            await asyncio.gather(*(talk(served, number) for number in range(1, 21)))

    run(main())


def test_what_one_turn_brings_is_sent_in_one_write(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            session = served.sessions[0]
            turns = session.turns_ended
            for word in (b"a", b"b", b"c"):
                session.output.append(word)
                session.host.wake()
            assert await reader.readexactly(3) == b"abc"
            assert session.turns_ended == turns + 1
            assert session.output == []
            writer.close()

    run(main())


def test_nagle_is_off_and_keepalive_on(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"x")
            await reader.readexactly(1)
            (connection,) = served.server.connections._open
            accepted = connection._transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            writer.close()

    run(main())


def test_a_finished_session_says_its_last_words_before_the_socket_closes(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            # More than is read in one go comes after the word that ends the conversation.
            writer.write(b"finish" + bytes(2_000_000))
            assert await reader.read() == b"goodbye"
            writer.close()
            await until(lambda: served.sessions[0].is_lost)

    run(main())


@pytest.mark.parametrize(("leaving", "is_open"), [(60.0, True), (0.05, False)])
def test_a_client_that_has_asked_for_the_end_may_close_first(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaving: float, is_open: bool
) -> None:
    monkeypatch.setattr("batonmq.server.outgoing.LEAVING_SECONDS", leaving)
    monkeypatch.setattr("batonmq.server.outgoing.LINGER_SECONDS", 120.0)

    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"leave")
            assert await reader.readexactly(7) == b"goodbye"
            if is_open:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.2)
            else:
                assert await reader.read() == b""
            writer.close()
            await until(lambda: served.sessions[0].is_lost)

    run(main())


def test_a_client_that_does_not_close_after_the_end_is_cut(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.server.outgoing.LINGER_SECONDS", 0.05)

    async def main() -> None:
        async with echo_server(tmp_path) as served:
            client = socket.create_connection(("127.0.0.1", served.port))
            client.sendall(b"finish")
            await until(lambda: served.sessions and served.sessions[0].is_lost)
            client.close()

    run(main())


def test_a_fault_in_a_session_closes_that_connection_and_no_other(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            other_reader, other_writer = await served.connect()
            reader, writer = await served.connect()
            writer.write(b"fail")
            await closed(reader)
            other_writer.write(b"still here")
            assert await other_reader.readexactly(10) == b"still here"
            writer.close()
            other_writer.close()

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "taking what the client sent failed" in caplog.text
    assert "told to fail" in caplog.text


def test_a_client_that_does_not_read_is_told_to_the_session_and_then_no_longer_read_from(
    run: Run, tmp_path: Path
) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"hello")
            await reader.readexactly(5)
            session = served.sessions[0]
            # The system's own buffers take some megabytes before the broker's fill.
            sent = 0
            while session.is_writable:
                session.output.append(bytes(UNSENT_HIGH))
                session.host.wake()
                sent += UNSENT_HIGH
                await until(lambda: not session.output)
            (connection,) = served.server.connections._open
            while connection._transport.is_reading():
                session.output.append(bytes(UNSENT_HIGH))
                session.host.wake()
                sent += UNSENT_HIGH
                await until(lambda: not session.output)
            assert connection._transport.get_write_buffer_size() < UNSENT_LIMIT + 2 * UNSENT_HIGH
            # What is said from now on stays in the session, which sees by that how much there is.
            session.output.append(bytes(UNSENT_HIGH))
            session.host.wake()
            sent += UNSENT_HIGH
            turns = served.broker.turns
            await until(lambda: served.broker.turns > turns)
            assert session.output
            received = 0
            while received < sent:
                received += len(await reader.read(1_000_000))
            await until(lambda: session.is_writable and connection._transport.is_reading())
            writer.write(b"again")
            assert await reader.readexactly(5) == b"again"
            writer.close()

    run(main())


def test_a_suspended_session_is_not_read_from_until_the_store_has_committed(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            served.store.may_commit.clear()
            reader, writer = await served.connect()
            writer.write(b"suspend")
            await until(lambda: served.sessions and served.sessions[0].suspended)
            (connection,) = served.server.connections._open
            assert not connection._transport.is_reading()
            writer.write(b"more")
            served.store.may_commit.set()
            assert await reader.readexactly(11) == b"resumedmore"
            writer.close()

    run(main())


def test_a_publisher_that_outruns_the_store_waits_for_the_next_commit(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path, config(store_pending=64 * 1024)) as served:
            served.store.may_commit.clear()
            _, writer = await served.connect()
            writer.write(b"store")
            await until(lambda: served.store.busy)
            # The first commit is under way, so these wait.
            (connection,) = served.server.connections._open
            while connection._transport.is_reading():
                writer.write(b"store" + bytes(50_000))
                await asyncio.sleep(0)
            assert served.store.pending_bytes > 64 * 1024
            assert served.store.pending_bytes < 64 * 1024 + 512 * 1024
            other_reader, other_writer = await served.connect()
            other_writer.write(b"hello")
            assert await other_reader.readexactly(5) == b"hello"
            served.store.may_commit.set()
            await until(connection._transport.is_reading)
            await until(lambda: served.store.pending_bytes == 0)
            writer.close()
            other_writer.close()

    run(main())


def test_a_publisher_under_flow_control_is_read_a_little_later(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"one")
            await reader.readexactly(3)
            served.sessions[0].flow_at.add(2)
            writer.write(b"two")
            assert await reader.readexactly(3) == b"two"
            (connection,) = served.server.connections._open
            await until(connection._transport.is_reading)
            writer.write(b"three")
            assert await reader.readexactly(5) == b"three"

    run(main())


def test_a_client_that_says_nothing_is_closed(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path, config(handshake_timeout=0.05)) as served:
            reader, writer = await served.connect()
            await closed(reader)
            writer.close()
            assert served.sessions == []

    run(main())


def test_the_protocol_is_told_by_the_first_bytes_however_they_are_cut(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            for piece in (b"O", b"TH", b"ER"):
                assert served.sessions == []
                writer.write(piece)
                await asyncio.sleep(0.01)
            await closed(reader)
            writer.close()
            reader, writer = await served.connect()
            writer.write(b"OT")
            await asyncio.sleep(0.01)
            writer.write(b"TO")
            assert await reader.readexactly(4) == b"OTTO"
            writer.close()

    run(main())


def test_a_log_in_is_answered_on_the_loop(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"login guest guest")
            assert await reader.readexactly(7) == b"welcome"
            writer.write(b"login guest wrong")
            assert await reader.readexactly(7) == b"refused"
            writer.close()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert "log-in refused for user 'guest'" in caplog.text
    assert "127.0.0.1:" in caplog.text
    assert "wrong" not in caplog.text


def test_sessions_are_ticked_about_four_times_a_second(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with echo_server(tmp_path) as served:
            reader, writer = await served.connect()
            writer.write(b"x")
            await reader.readexactly(1)
            start = asyncio.get_running_loop().time()
            # A busy machine may have been so slow that there were some before.
            before = served.sessions[0].ticks
            await until(lambda: served.sessions[0].ticks >= before + 3)
            assert 0.4 < asyncio.get_running_loop().time() - start < 20
            writer.close()

    run(main())


@pytest.mark.parametrize(
    ("peername", "shown", "is_loopback"),
    [
        (("127.0.0.1", 5), "127.0.0.1:5", True),
        (("127.8.9.1", 5), "127.8.9.1:5", True),
        (("10.0.0.1", 5), "10.0.0.1:5", False),
        (("::1", 5, 0, 0), "[::1]:5", True),
        (("::ffff:127.0.0.1", 5, 0, 0), "127.0.0.1:5", True),
        (("::ffff:10.0.0.1", 5, 0, 0), "10.0.0.1:5", False),
        (("fe80::1%eth0", 5, 0, 2), "[fe80::1%eth0]:5", False),
        (None, "unknown", False),
    ],
)
def test_an_address_tells_whether_it_is_this_machine(peername: object, shown: str, *, is_loopback: bool) -> None:
    assert address(peername) == (shown, is_loopback)
