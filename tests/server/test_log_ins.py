"""Log-ins are checked off the loop, and refused ones wait without holding up others."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine

import pytest
from tests.server.echo import until

from batonmq.broker.access import User
from batonmq.server import log_ins as module
from batonmq.server.authenticator import Authenticator
from batonmq.server.log_ins import MOST_CHECKS, LogIns
from batonmq.server.passwords import hash_password
from batonmq.server.users import UserEntry, UserFile, guest_account

Run = Callable[[Coroutine[object, object, None]], None]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> UserFile:
    made = UserFile(tmp_path_factory.mktemp("users"))
    with made.change() as users:
        users["ann"] = UserEntry(password_hash=hash_password("secret"))
    return made


def log_ins(file: UserFile, refusal_seconds: float = 0.05) -> LogIns:
    return LogIns(Authenticator(file, {}, guest_account(["/"])), asyncio.get_running_loop(), refusal_seconds)


def test_many_connections_of_one_user_share_one_check(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def verify(password: str, stored: str) -> bool:
        threads.append(threading.get_ident())
        return password == "secret"

    monkeypatch.setattr(module, "verify_password", verify)

    async def main() -> None:
        made = log_ins(file)
        answers: list[User | None] = []
        for _ in range(100):
            made.authenticate("ann", "secret", "peer", answers.append, is_loopback=False)
        assert answers == [], "the callback is never called at once"
        await until(lambda: len(answers) == 100)
        assert all(user is not None and user.name == "ann" for user in answers)
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()
        made.stop()

    run(main())


def test_a_refusal_takes_its_time_and_holds_up_nobody(run: Run, file: UserFile) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        made = log_ins(file, refusal_seconds=0.3)
        answers: list[tuple[str, float]] = []
        start = loop.time()

        def note(name: str) -> Callable[[User | None], None]:
            return lambda user: answers.append((name if user else f"not {name}", loop.time() - start))

        made.authenticate("ann", "wrong", "peer", note("ann"), is_loopback=False)
        made.authenticate("guest", "guest", "peer", note("guest"), is_loopback=True)
        await until(lambda: len(answers) == 2)
        assert [name for name, _ in answers] == ["guest", "not ann"]
        assert answers[0][1] < 0.25
        assert answers[1][1] >= 0.29
        made.stop()

    run(main())


def test_there_are_only_so_many_checks_at_a_time(
    run: Run, file: UserFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def verify(password: str, stored: str) -> bool:
        return not release.wait(30)

    monkeypatch.setattr(module, "verify_password", verify)

    async def main() -> None:
        made = log_ins(file, refusal_seconds=0.001)
        answers: list[User | None] = []
        for number in range(MOST_CHECKS + 5):
            made.authenticate("ann", f"wrong{number}", "peer", answers.append, is_loopback=False)
        await until(lambda: len(answers) == 5)
        release.set()
        await until(lambda: len(answers) == MOST_CHECKS + 5)
        assert answers == [None] * (MOST_CHECKS + 5)
        made.stop()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert caplog.text.count("too many passwords are being checked") == 5


def test_a_refusal_is_logged_with_the_peer_and_never_with_the_password(
    run: Run, file: UserFile, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        made = log_ins(file)
        answers: list[User | None] = []
        made.authenticate("a\r\nnn", "hunter2", "10.1.2.3:4", answers.append, is_loopback=False)
        made.authenticate("guest", "guest", "10.1.2.3:5", answers.append, is_loopback=False)
        await until(lambda: answers == [None, None])
        made.stop()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert sorted(record.getMessage() for record in caplog.records) == [
        "10.1.2.3:4: log-in refused for user 'a\\r\\nnn'",
        "10.1.2.3:5: log-in refused for user 'guest': it may log in from this machine only",
    ]
