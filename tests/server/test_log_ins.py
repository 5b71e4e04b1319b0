"""Log-ins are checked off the loop, and refused ones wait without holding up others."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest
from tests.server.echo import until
from tests.support.driven import HandClock
from tests.support.waiting import in_time
from tests.support.wire import Address, Wire, connection_error

from batonmq.broker.model.access import BUSY, LogInAnswer, User
from batonmq.server import log_ins as module, password_threads
from batonmq.server.authenticator import MOST_REFUTED, Authenticator
from batonmq.server.broker_server import Server
from batonmq.server.config import AmqpConfig, Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig
from batonmq.server.fair_line import DOUBT, MOST_KNOWN, MOST_OF_ADDRESS, FairLine, FairLines, network
from batonmq.server.log_ins import PROMPT_MAX, LogIns
from batonmq.server.passwords import hash_password, verify_password
from batonmq.server.users import PermissionEntry, UserEntry, UserFile, guest_account

pytestmark = pytest.mark.usefixtures("at_full_cost")

Run = Callable[[Coroutine[object, object, None]], None]


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """The checks of one test have ended when the next one begins, and replaces what they call."""
    others = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - others:
        if thread.name == "batonmq-passwords":
            thread.join(30)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> UserFile:
    made = UserFile(tmp_path_factory.mktemp("users"))
    with made.change() as users:
        users["ann"] = UserEntry(password_hash=hash_password("secret"))
    return made


@pytest.fixture
def checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No check is begun again because a busy machine has left nothing for the first."""
    monkeypatch.setattr(password_threads, "run_last", lambda: None)
    monkeypatch.setattr(password_threads, "PATIENCE", 3600.0)


def log_ins(file: UserFile, refusal_seconds: float = 0.05) -> LogIns:
    return LogIns(Authenticator(file, {}, guest_account(["/"])), asyncio.get_running_loop(), refusal_seconds)


@pytest.mark.usefixtures("checked_once")
def test_many_connections_of_one_user_share_one_check(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def verify(password: str, stored: str) -> bool:
        threads.append(threading.get_ident())
        return password == "secret"

    monkeypatch.setattr(password_threads, "verify_password", verify)

    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []
        for _ in range(100):
            made.authenticate("ann", "secret", "peer", answers.append, is_loopback=False, protocol="amqp091")
        assert answers == [], "the callback is never called at once"
        await until(lambda: len(answers) == 100)
        assert all(isinstance(user, User) and user.name == "ann" for user in answers)
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()
        made.stop()

    run(main())


@pytest.mark.usefixtures("checked_once")
def test_a_wrong_password_is_checked_once_however_often_and_from_wherever_it_comes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = UserFile(tmp_path)
    with users.change() as table:
        table["ann"] = UserEntry(password_hash=hash_password("secret"))
    checked: list[str] = []

    def verify(password: str, stored: str) -> bool:
        checked.append(password)
        return verify_password(password, stored)

    monkeypatch.setattr(password_threads, "verify_password", verify)

    async def main() -> None:
        made = log_ins(users)
        answers: list[LogInAnswer] = []

        def try_it(user: str, password: str, peer: str) -> None:
            made.authenticate(user, password, peer, answers.append, is_loopback=False, protocol="amqp091")

        for peer in ("10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"):
            try_it("ann", "old", peer)
        await until(lambda: len(answers) == 5)
        # Two checks run at a time, so two may have begun before either ended.
        assert 1 <= len(checked) <= 2
        began = len(checked)
        try_it("ann", "old", "10.0.0.9:1")
        try_it("nobody", "old", "10.0.0.9:1")
        assert len(answers) == 5, "a refusal takes its time, whether or not anything is looked at"
        await until(lambda: len(answers) == 7)
        assert answers == [None] * 7
        assert len(checked) == began + 1, "of another name it is another password"
        with users.change() as table:
            table["ann"] = UserEntry(password_hash=hash_password("old"))
        try_it("ann", "old", "10.0.0.9:1")
        await until(lambda: len(answers) == 8)
        assert isinstance(answers[-1], User), "what was wrong of the password before may be right of the next"
        made.stop()

    run(main())


@pytest.mark.usefixtures("checked_once")
def test_a_password_that_could_not_be_checked_is_not_taken_for_a_wrong_one(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [MemoryError()]

    def verify(password: str, stored: str) -> bool:
        if failures:
            raise failures.pop()
        return password == "secret"

    monkeypatch.setattr(password_threads, "verify_password", verify)

    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []
        for done in (1, 2):
            made.authenticate("ann", "secret", "peer:1", answers.append, is_loopback=False, protocol="stomp")
            await until(lambda done=done: len(answers) == done)  # type: ignore[misc]
        assert answers[0] is None
        assert isinstance(answers[1], User)
        made.stop()

    run(main())


def test_only_so_many_wrong_passwords_are_remembered(file: UserFile) -> None:
    authenticator = Authenticator(file, {}, None)
    stored = authenticator.stored_hash("ann")
    wrong = [authenticator.digest("ann", f"wrong{i}") for i in range(MOST_REFUTED + 1)]
    for digest in wrong[:-1]:
        authenticator.refuted(digest, stored)
    assert authenticator.is_refuted(wrong[0], stored)
    authenticator.refuted(wrong[-1], stored)
    assert authenticator.is_refuted(wrong[0], stored), "what somebody has tried since is kept"
    assert not authenticator.is_refuted(wrong[1], stored)


def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords in the order in which their turns come: of two threads either may be the later to begin."""
    checked: list[str] = []
    check = password_threads.PasswordThreads.check

    def noted(
        threads: password_threads.PasswordThreads, password: str, stored: str, done: Callable[[bool | None], None]
    ) -> None:
        checked.append(password)
        check(threads, password, stored, done)

    monkeypatch.setattr(password_threads.PasswordThreads, "check", noted)
    monkeypatch.setattr(password_threads, "verify_password", lambda password, _: password == "secret")
    return checked


@pytest.mark.usefixtures("checked_once")
def test_strangers_however_many_do_not_hold_up_an_address_that_is_known(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = turns(monkeypatch)

    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []

        def come(peer: str, password: str) -> None:
            made.authenticate("ann", password, peer, answers.append, is_loopback=False, protocol="amqp091")

        come("10.0.0.1:1", "secret")
        await until(lambda: len(answers) == 1)
        for number in range(200):
            come(f"10.0.1.{number}:1", f"guessed {number}")
        come("10.0.0.1:2", "another")
        await until(lambda: len(answers) == 202)
        # Two are under way, and one stranger may have his turn before.
        assert checked.index("another") <= 4, checked[:10]
        made.stop()

    run(main())


def test_not_all_addresses_are_known_for_ever() -> None:
    lines: FairLines[int] = FairLines(HandClock())
    lines.know("10.0.0.1")
    for number in range(MOST_KNOWN):
        lines.know(f"10.{number >> 8}.{number & 255}.9")
    for number in range(3):
        lines.join(number, f"10.9.9.{number}", "")
    lines.join(9, "10.0.0.1", "")
    assert [lines.next() for _ in range(4)] == [0, 1, 2, 9]


@pytest.mark.usefixtures("checked_once")
def test_who_guesses_from_an_address_that_is_known_waits_among_strangers(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = turns(monkeypatch)

    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []

        def come(peer: str, password: str) -> None:
            made.authenticate("ann", password, peer, answers.append, is_loopback=False, protocol="amqp091")

        come("10.0.0.1:1", "secret")
        come("10.0.0.2:1", "secret")
        await until(lambda: len(answers) == 2)
        come("10.0.0.1:2", "guessed")
        await until(lambda: len(answers) == 3)
        for number in range(20):
            come(f"10.0.1.{number}:1", f"strange {number}")
        come("10.0.0.1:3", "guessed again")
        come("10.0.0.2:2", "mistyped")
        await until(lambda: len(answers) == 25)
        made.stop()
        assert checked.index("mistyped") < 8, checked
        assert checked.index("guessed again") > 18, checked

    run(main())


def test_an_address_that_guesses_is_a_stranger_for_a_minute_whoever_logs_in_from_it() -> None:
    clock = HandClock()
    lines: FairLines[str] = FairLines(clock)

    def order() -> list[str | None]:
        """Who is served when ten strangers wait, and then these two come."""
        for number in range(10):
            lines.join(f"stranger {number}", f"10.9.9.{number}", "")
        lines.join("guesser", "10.0.0.1", "")
        lines.join("regular", "10.0.0.2", "")
        served = [lines.next() for _ in range(12)]
        return [each for each in served if each in {"guesser", "regular"}]

    for address in "10.0.0.1", "10.0.0.2":
        lines.know(address)
    lines.doubt("10.0.0.1")
    lines.know("10.0.0.1")
    assert order() == ["regular", "guesser"]
    clock.now += DOUBT
    lines.know("10.0.0.1")
    assert order() == ["guesser", "regular"]


def test_the_process_ends_though_a_check_does_not(tmp_path: Path) -> None:
    script = (
        "import asyncio, threading, batonmq.server.password_threads as module\n"
        "begun = threading.Event()\n"
        "module.verify_password = lambda *_: begun.set() or threading.Event().wait()\n"
        "async def main():\n"
        "    threads = module.PasswordThreads(asyncio.get_running_loop())\n"
        "    for _ in range(5):\n"
        "        threads.check('secret', 'hash', print)\n"
        "    begun.wait()\n"
        "    threads.stop()\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_checks_have_what_the_processors_have_left_and_a_share_if_that_is_nothing(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    last = os.SCHED_IDLE, own
    stepped_back = os.SCHED_OTHER, min(19, own + password_threads.STEP_BACK)
    found: list[tuple[int, int]] = []
    goes_on = threading.Event()

    def verify(password: str, stored: str) -> bool:
        thread = threading.get_native_id()
        found.append((os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)))
        if found[-1] == last:
            # As on a machine on which other programs take every processor.
            goes_on.wait(30)
        return True

    monkeypatch.setattr(password_threads, "verify_password", verify)

    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []

        async def asks() -> None:
            asked = len(answers)
            made.authenticate("ann", f"secret {asked}", "peer", answers.append, is_loopback=False, protocol="amqp091")
            await until(lambda: len(answers) > asked)

        patience = 0.01
        while last not in found and patience < 20:
            # Where they really are all taken, the first check has not even begun when its time is over.
            monkeypatch.setattr(password_threads, "PATIENCE", patience)
            await asks()
            patience *= 2
        assert stepped_back in found
        goes_on.set()
        await asks()
        made.stop()

    run(main())
    assert set(found) == {last, stepped_back}


def test_the_first_refusals_of_an_address_are_prompt(run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_threads, "verify_password", lambda password, _: password == "secret")

    async def main() -> None:
        clock = HandClock()
        authenticator = Authenticator(file, {}, guest_account(["/"]))
        made = LogIns(authenticator, asyncio.get_running_loop(), 3600.0, clock)
        answers: list[LogInAnswer] = []

        def try_it(password: str, peer: str) -> None:
            made.authenticate("ann", password, peer, answers.append, is_loopback=False, protocol="stomp")

        for number in range(PROMPT_MAX):
            # A password that was not checked, and one of which it is known that it is wrong, are answered alike.
            try_it("wrong", f"10.0.0.1:{number}")
            assert len(answers) == number, "the callback is never called at once"
            await until(lambda number=number: len(answers) == number + 1)  # type: ignore[misc]
        try_it("wrong", "10.0.0.1:99")
        try_it("wrong", "10.0.0.2:1")
        await until(lambda: len(answers) == PROMPT_MAX + 1)
        assert answers == [None] * (PROMPT_MAX + 1)
        try_it("secret", "10.0.0.1:100")
        await until(lambda: len(answers) == PROMPT_MAX + 2)
        assert isinstance(answers[-1], User), "others of that address do not wait for it"
        clock.now += 60 / PROMPT_MAX
        try_it("wrong", "10.0.0.1:101")
        await until(lambda: len(answers) == PROMPT_MAX + 3)
        made.stop()

    run(main())


def test_a_refusal_takes_its_time_and_holds_up_nobody(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_threads, "PATIENCE", 0.01)

    async def main(refusal_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        made = log_ins(file, refusal_seconds)
        first: list[LogInAnswer] = []
        for _ in range(PROMPT_MAX):
            made.authenticate("ann", "wrong", "peer", first.append, is_loopback=False, protocol="amqp091")
        await until(lambda: len(first) == PROMPT_MAX)
        answers: list[tuple[str, float]] = []
        start = loop.time()

        def note(name: str) -> Callable[[LogInAnswer], None]:
            return lambda user: answers.append((name if user else f"not {name}", loop.time() - start))

        made.authenticate("ann", "wrong", "peer", note("ann"), is_loopback=False, protocol="amqp091")
        made.authenticate("guest", "guest", "peer", note("guest"), is_loopback=True, protocol="amqp091")
        await until(lambda: len(answers) == 2)
        assert [name for name, _ in answers] == ["guest", "not ann"]
        assert answers[1][1] >= 0.97 * refusal_seconds
        made.stop()

    in_time(lambda milliseconds: run(main(milliseconds / 1000)), 300, 10_000)


class Gate:
    """In the place of the check: lets checks begin one by one, and notes the passwords in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.may_begin = threading.Semaphore(0)
        monkeypatch.setattr(module, "THREADS", 1)
        monkeypatch.setattr(password_threads, "verify_password", self.verify)
        # However long one stands before the gate, it is not begun again.
        monkeypatch.setattr(password_threads, "PATIENCE", 3600.0)

    def verify(self, password: str, stored: str) -> bool:
        assert self.may_begin.acquire(timeout=30)
        self.begun.append(password)
        return password == "secret"

    def open(self) -> None:
        self.may_begin.release(100_000)


def test_who_finds_no_place_is_told_to_try_again(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(monkeypatch)

    async def main() -> None:
        made = log_ins(file, refusal_seconds=0.001)
        answers: list[LogInAnswer] = []
        for number in range(1 + MOST_OF_ADDRESS + 15):
            made.authenticate(
                "ann", f"wrong{number}", "10.0.0.1:5", answers.append, is_loopback=False, protocol="amqp091"
            )
        await until(lambda: len(answers) == 15)
        assert answers == [BUSY] * 15
        gate.open()
        await until(lambda: len(answers) == 1 + MOST_OF_ADDRESS + 15)
        assert answers[15:] == [None] * (1 + MOST_OF_ADDRESS)
        made.stop()

    with caplog.at_level(logging.WARNING):
        run(main())
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == (
        "10.0.0.1:5: log-in of user 'ann' not looked at: too many log-ins wait from there, and it was told to try again"
    )
    assert len(told) == 10, "the log does not flood"


@pytest.mark.parametrize("peer", ["10.9.9.9:1", "10.0.0.1:1"], ids=["from elsewhere", "from the same address"])
def test_a_flood_of_log_ins_keeps_nobody_from_his_turn(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    gate = Gate(monkeypatch)

    async def main() -> None:
        made = log_ins(file, refusal_seconds=0.001)
        answers: list[LogInAnswer] = []
        for number in range(500):
            made.authenticate(
                f"x{number}", f"wrong{number}", "10.0.0.1:5", lambda _: None, is_loopback=False, protocol="amqp091"
            )
        made.authenticate("ann", "secret", peer, answers.append, is_loopback=False, protocol="amqp091")
        gate.open()
        await until(lambda: answers)
        assert isinstance(answers[0], User)
        assert gate.begun.index("secret") <= 2
        made.stop()

    run(main())


def test_who_leaves_takes_no_place(run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)

    async def main() -> None:
        made = log_ins(file, refusal_seconds=0.001)
        answers: list[LogInAnswer] = []
        made.authenticate("x", "first", "10.0.0.1:5", answers.append, is_loopback=False, protocol="amqp091")
        for number in range(300):
            attempt = made.authenticate(
                "ann", f"wrong{number}", "10.0.0.1:5", answers.append, is_loopback=False, protocol="amqp091"
            )
            assert attempt is not None
            made.withdraw(attempt)
        made.authenticate("ann", "secret", "10.0.0.1:5", answers.append, is_loopback=False, protocol="amqp091")
        gate.open()
        await until(lambda: len(answers) == 2)
        assert gate.begun == ["first", "secret"]
        made.stop()

    run(main())


def test_addresses_are_served_in_turn_and_so_are_the_names_of_each() -> None:
    line: FairLine[str] = FairLine()
    for item, address, name in (
        ("a1", "a", ""),
        ("a2", "a", ""),
        ("a3", "a", "ann"),
        ("b1", "b", ""),
        ("a4", "a", ""),
        ("b2", "b", ""),
    ):
        assert line.join(item, address, name) is None
    line.leave("b2")
    assert [line.next() for _ in range(6)] == ["a1", "b1", "a3", "a2", "a4", None]
    assert not len(line)


def test_what_counts_as_one_address() -> None:
    assert network("10.1.2.3:4") == "10.1.2.3"
    assert network("[2001:db8:1:2:3:4:5:6]:7") == network("[2001:db8:1:2::9]:8") == "2001:db8:1:2::/64"
    assert network("unknown") == "unknown"


def test_a_flood_over_real_sockets_keeps_nobody_out(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with UserFile(data).change() as users:
        users["ann"] = UserEntry(hash_password("secret"), (), {"/": PermissionEntry(".*", ".*", ".*")})
    config = Config(
        server=ServerConfig(data=str(data)),
        listener=(ListenerConfig(port=0),),
        # On a busy machine those who flood wait longer in line than a log-in may take.
        stomp=StompConfig(port=0, handshake_timeout=120.0),
        amqp=AmqpConfig(handshake_timeout=120.0),
        websocket=WebSocketConfig(port="off"),
    )

    answers: list[str] = []

    async def flood(port: int, number: int, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            password = len(answers)
            writer.write(f"CONNECT\nhost:/\nlogin:x{number}\npasscode:{password}\n\n\0".encode())
            answers.append((await reader.read()).decode())
            writer.close()
            await writer.wait_closed()

    async def main() -> None:
        async with Server(config, refusal_seconds=0.01) as server, asyncio.TaskGroup() as floods:
            amqp, stomp = server.ports
            is_over = asyncio.Event()
            for number in range(100):
                floods.create_task(flood(stomp, number, is_over))
            # Until the places are used up, and some are told so.
            await until(lambda: any("try again later" in answer for answer in answers), 30)
            opened = Wire(Address("127.0.0.1", amqp, user="ann", password="secret"), timeout=30)
            await asyncio.to_thread(opened.open)
            opened.abort()
            is_over.set()

    run(main())
    assert all("try again later" in answer or "Access refused" in answer for answer in answers)


def test_amqp_is_told_to_try_again(run: Run, file: UserFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(
        server=ServerConfig(data=str(tmp_path / "data")),
        listener=(ListenerConfig(port=0),),
        stomp=StompConfig(port="off"),
        websocket=WebSocketConfig(port="off"),
    )

    def busy(self: LogIns, _user: str, _password: str, _peer: str, callback: module.Callback, **_: bool) -> None:
        self._loop.call_soon(callback, BUSY)

    monkeypatch.setattr(LogIns, "authenticate", busy)

    async def main() -> None:
        async with Server(config) as server:

            def refused() -> None:
                opened = Wire(Address("127.0.0.1", server.ports[0]), timeout=30)
                with connection_error(320, "CONNECTION_FORCED - too many log-ins at once, try again later"):
                    opened.open()
                opened.abort()

            await asyncio.to_thread(refused)

    run(main())


def test_a_refusal_is_logged_with_the_peer_and_never_with_the_password(
    run: Run, file: UserFile, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        made = log_ins(file)
        answers: list[LogInAnswer] = []
        made.authenticate("a\r\nnn", "hunter2", "10.1.2.3:4", answers.append, is_loopback=False, protocol="amqp091")
        made.authenticate("guest", "guest", "10.1.2.3:5", answers.append, is_loopback=False, protocol="amqp091")
        await until(lambda: answers == [None, None])
        made.stop()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert sorted(record.getMessage() for record in caplog.records) == [
        "10.1.2.3:4: log-in refused for user 'a\\r\\nnn'",
        "10.1.2.3:5: log-in refused for user 'guest': it may log in from this machine only",
    ]
