"""Whom the owner of a file serves, whom it does not, and what a guest cannot do to it."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import batonmq
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.ownership import InUse, Ownership
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, serving, socket_path, wire
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.opening import SILENCE_SECONDS, dial, reach
from batonmq.engines.shared.registry import own_file
from batonmq.engines.values import QueueOptions
from batonmq.errors import EngineError
from batonmq.store.claim import CLAIMED_BYTE, FLOCK
from tests.engines.shared.conftest import Connect

SOON = 30.0


def test_the_socket_is_this_users_alone_and_goes_with_the_owner(path: str, owner: EmbeddedEngine) -> None:
    beside = Path(f"{path}-socket")
    assert beside.stat().st_mode & 0o777 == 0o600
    assert Path(f"{path}-lock").read_text() == f"{os.getpid()}\nqueues.db-socket\n"
    owner.close()
    assert not beside.exists()


def test_a_socket_that_a_dead_owner_has_left_is_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{path}-socket")
    with batonmq.connect(path):
        link = dial(f"{path}-socket")
        assert link is not None
        link.close()
        link.release()


def test_where_no_socket_can_be_made_one_process_has_the_file_and_others_are_told(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(f"{path}-socket").write_text("somebody's own file")
    with caplog.at_level(logging.WARNING), batonmq.connect(path) as mq:
        mq.declare("orders")
        assert "other processes cannot share" in caplog.text
        with pytest.raises(InUse, match=f"in use by another process \\({os.getpid()}\\)"):
            Ownership(path)
    assert Path(f"{path}-socket").read_text() == "somebody's own file"


def test_an_owner_that_says_nowhere_where_it_listens_refuses(path: str) -> None:
    alone = Ownership(path)
    with pytest.raises(batonmq.StoreError, match="in use by another process"):
        batonmq.connect(path)
    alone.release()


def test_an_owner_that_does_not_answer_is_not_waited_for_for_ever(path: str) -> None:
    silent = Ownership(path, "queues.db-socket")
    with pytest.raises(InUse, match="does not answer"):
        reach(path, 0.05)
    silent.release()


def test_whoever_waits_for_a_file_that_is_let_go_of_gets_it(path: str) -> None:
    starting = Ownership(path, ".")
    tried: list[bool] = []

    def is_wanted() -> bool:
        tried.append(True)
        if len(tried) == 3:
            starting.release()
        return True

    reached = reach(path, SOON, is_wanted)
    assert reached.own is not None
    reached.link.close()
    reached.link.release()
    reached.own.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the file itself locked")
def test_whoever_is_killed_is_waited_for_until_all_its_locks_are_gone(path: str) -> None:
    """The lock file is free at once, the file some time later."""
    own_file(path).close()
    ending = os.open(path, os.O_RDWR)
    fcntl.fcntl(ending, fcntl.F_OFD_SETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, CLAIMED_BYTE, 1, 0))
    begin = time.monotonic()
    is_held = True

    def is_wanted() -> bool:
        nonlocal is_held
        # Longer than one that says nothing is waited for.
        if is_held and time.monotonic() > begin + 2 * SILENCE_SECONDS:
            is_held = False
            os.close(ending)
        return True

    reached = reach(path, SOON, is_wanted)
    assert not is_held
    assert reached.own is not None
    reached.link.close()
    reached.link.release()
    reached.own.close()


def test_a_process_of_another_version_is_told(path: str) -> None:
    here, there = socket.socketpair()
    there.sendall(wire.frame(answers.Hello(0, wire.VERSION + 1, 4711, 1)))
    with pytest.raises(batonmq.StoreError, match="process 4711 has the file, and another version"):
        Link(here).greet()
    there.close()


def test_a_guest_that_cannot_be_understood_is_thrown_out_and_the_owner_goes_on(
    path: str, owner: EmbeddedEngine, guest: Connect
) -> None:
    owner.declare("orders", QueueOptions()).get()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(f"{path}-socket")
        peer.settimeout(SOON)
        peer.sendall(b"\0\0\0\4GET ")
        stream = FrameStream(peer)
        assert isinstance(wire.read_answer(stream), answers.Hello)
        assert wire.read_answer(stream) is None
    guest().send("orders", b"1")
    assert owner.count("orders").get() == 1


def test_a_guest_that_is_gone_gives_back_what_it_held(path: str, owner: EmbeddedEngine, guest: Connect) -> None:
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(b"1")]).get()
    link = dial(f"{path}-socket")
    assert link is not None
    link.send(commands.Resume(0, 4711, os.getpid(), [], [], [], []))
    link.send(commands.Subscribe(1, 1, "orders", 1, None))
    link.send(commands.Receive(2, 1, 1))
    assert isinstance(link.read(), answers.Resumed)
    assert isinstance(link.read(), answers.Done)
    assert isinstance(link.read(), answers.Arrived)
    link.close()
    link.release()
    with guest().receiver("orders") as receiver:
        (again,) = receiver.receive(wait=SOON)
        assert (again.body, again.delivery_count) == (b"1", 2)


def test_a_guest_that_reads_nothing_does_not_keep_the_owner(
    path: str, owner: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.05)
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(bytes(1 << 20))]).get()
    link = dial(f"{path}-socket")
    assert link is not None
    link.send(commands.Resume(0, 4711, os.getpid(), [], [], [], []))
    for number in range(1, 5):
        link.send(commands.Peek(number, "orders", 1))
    owner.close()
    own_file(path).close()
    link.release()


def test_a_message_larger_than_the_sockets_buffers_passes_both_ways(owner: EmbeddedEngine, guest: Connect) -> None:
    mq = guest()
    mq.declare("orders")
    bodies = [bytes([number]) * (3 << 20) for number in range(3)]
    mq.send_many("orders", [batonmq.Message(body) for body in bodies])
    for body in bodies:
        mq.send("orders", body)
    assert [one.body for one in mq.peek("orders", 9)] == bodies * 2


def test_everything_that_is_said_of_a_message_passes(owner: EmbeddedEngine, guest: Connect) -> None:
    mq = guest()
    mq.declare("orders")
    sent = batonmq.Message(
        b"1", id="m-1", headers={"a": [1, None, {"b": b"c"}]}, ttl=60.0, priority=3, reply_to="r", type="t"
    )
    mq.send("orders", sent)
    with mq.receiver("orders") as receiver:
        (delivery,) = receiver.receive(wait=SOON)
        assert delivery.message == sent


AIO = """
import asyncio, sys
import batonmq
from batonmq import aio

async def main():
    async with aio.connect(sys.argv[1]) as mq, mq.receiver("orders") as receiver:
        (delivery,) = await receiver.receive()
        async with mq.transaction() as tx:
            tx.send("orders", b"2", delay=0.01)
            tx.accept(delivery)
        async for delivery in receiver:
            async with delivery:
                print(delivery.body.decode(), (await mq.request("prices", b"?")).text, await mq.count("orders"))
            break

asyncio.run(main())
"""


def test_programs_of_asyncio_share_a_file_as_well(path: str) -> None:
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.declare("prices")
        mq.send("orders", b"1")
        run = subprocess.Popen([sys.executable, "-c", AIO, path], stdout=subprocess.PIPE)
        with run, mq.receiver("prices") as receiver:
            (asked,) = receiver.receive(wait=SOON)
            with asked:
                mq.reply(asked, b"4.20")
            assert run.communicate(timeout=SOON)[0] == b"2 4.20 0\n"


def test_a_guest_says_why_it_rejects(owner: EmbeddedEngine, guest: Connect) -> None:
    mq = guest()
    mq.declare("orders", dead_letter="dead")
    mq.send("orders", b"1")
    with mq.receiver("orders") as receiver, mq.receiver("dead") as undertaker:
        receiver.receive(wait=SOON)[0].reject(reason="no such customer")
        assert undertaker.receive(wait=SOON)[0].message.headers["x-reject-reason"] == "no such customer"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (batonmq.NotFound("n"), batonmq.NotFound),
        (InUse("n"), batonmq.StoreError),
        (ValueError("n"), ValueError),
        (KeyError("n"), EngineError),
    ],
)
def test_an_error_is_told_by_the_nearest_class_that_users_know(raised: Exception, told: type[Exception]) -> None:
    assert type(wire.error_from(wire.error_to(1, raised))) is told


def test_a_lock_file_that_was_deleted_makes_no_second_writer(path: str) -> None:
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        for _ in range(2):
            Path(f"{path}-lock").unlink()
            subprocess.run([sys.executable, "-c", SEND, path], check=True, timeout=SOON)
        assert mq.count("orders") == 2


# ---------------------------------------------------------------------- where the socket is


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Short enough for sockets, which pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder


@pytest.mark.usefixtures("runtime_folder")
def test_a_path_too_long_for_a_socket_has_it_elsewhere_and_is_shared_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True)
    path = str(folder / "queues.db")
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        noted = Path(f"{path}-lock").read_text().splitlines()[1]
        assert Path(noted).is_socket()
        assert Path(noted).parent.stat().st_mode & 0o777 == 0o700
        subprocess.run([sys.executable, "-c", SEND, path], check=True, timeout=SOON)
        assert mq.count("orders") == 1
    assert not Path(noted).exists()


SEND = """
import sys, batonmq
with batonmq.connect(sys.argv[1]) as mq:
    mq.send("orders", b"1")
"""


def test_a_folder_for_sockets_that_others_can_write_to_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short enough for a socket's path, as those of pytest need not be.
    with TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        folder = Path(short) / f"batonmq-{os.getuid()}"
        folder.mkdir(mode=0o700)
        assert socket_path.choose_socket_path("/" + "x" * 200)[0].startswith(f"{folder}/")
        folder.chmod(0o777)
        with pytest.raises(OSError, match="not a folder of this user alone"):
            socket_path.choose_socket_path("/" + "x" * 200)


def test_a_lock_file_that_is_replaced_meanwhile_is_locked_anew(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path(f"{path}-lock")
    lock.touch()
    before = lock.stat().st_ino
    os_open = os.open
    opened: list[int] = []

    def open_and_replace(name: str, flags: int, mode: int = 0o777) -> int:
        handle = os_open(name, flags, mode)
        if not opened:
            opened.append(handle)
            (lock.parent / "other").touch()
            (lock.parent / "other").replace(lock)
        return handle

    monkeypatch.setattr(os, "open", open_and_replace)
    first = Ownership(path)
    assert lock.stat().st_ino != before
    with pytest.raises(InUse):
        Ownership(path)
    first.release()


# ---------------------------------------------------------------------- fork

FORKING = """
import os, signal, sys, warnings
import batonmq
from batonmq.engines.shared.opening import reach

def in_child(path, inherited):
    try:
        inherited.send("orders", b"through the parent's connection")
    except batonmq.Closed:
        pass
    inherited.close()
    with batonmq.connect(path) as mq:
        mq.send("orders", b"1")
        print("forked", flush=True)
        sys.stdin.readline()
        mq.send("orders", b"2")
    print("done", flush=True)
    sys.stdin.read()
    try:
        reach(path, 0.01)
    except batonmq.StoreError as error:
        print(error, flush=True)

warnings.simplefilter("ignore")
mq = batonmq.connect(sys.argv[1])
if os.fork():
    signal.pause()
try:
    in_child(sys.argv[1], mq)
finally:
    os._exit(0)
"""


def test_a_child_forked_from_the_owner_is_a_guest_of_whoever_has_the_file(path: str) -> None:
    with batonmq.connect(path) as mq:
        mq.declare("orders")
    with subprocess.Popen([sys.executable, "-c", FORKING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stdout.readline() == b"forked\n"
        with batonmq.connect(path) as mq, mq.receiver("orders") as receiver:
            # Neither the parent's lock nor its sockets live on in the child.
            run.kill()
            assert bodies(receiver.receive(wait=SOON)) == [b"1"]
            assert mq.native is not None
            run.stdin.write(b"go on\n")
            run.stdin.flush()
            assert run.stdout.readline() == b"done\n"
            assert bodies(receiver.receive(wait=SOON)) == [b"2"]
        run.stdin.close()
        assert b"was open when this process was forked" in run.stdout.readline()


FORKED_GUEST = """
import os, sys, warnings
import batonmq
warnings.simplefilter("ignore")
batonmq.connect(sys.argv[1]).count("orders")
if os.fork():
    os._exit(0)
with batonmq.connect(sys.argv[1]) as mq:
    print("forked", flush=True)
    sys.stdin.read()
    mq.send("orders", b"1")
    print(mq.native is not None, flush=True)
os._exit(0)
"""


def test_a_child_forked_from_a_guest_can_take_over(path: str) -> None:
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        run = subprocess.Popen(
            [sys.executable, "-c", FORKED_GUEST, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stdout.readline() == b"forked\n"
    with run:
        run.stdin.close()
        assert run.stdout.readline() == b"True\n"


def bodies(deliveries: list[batonmq.Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]
