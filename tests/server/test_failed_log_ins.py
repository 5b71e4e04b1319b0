"""Whoever tries password after password from one address is not listened to any more, for a while."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pika
import pytest
from pika.exceptions import ProbableAuthenticationError
from tests.interop.amqp10.raw_client import RawClient
from tests.server.echo import until
from tests.support.driven import HandClock
from tests.support.managed import ManagedServer, a_config
from tests.support.wire import Address

from batonmq.broker.model.access import LogInAnswer, User
from batonmq.server import failed_log_ins as module, password_threads
from batonmq.server.authenticator import Authenticator
from batonmq.server.config import LimitsConfig
from batonmq.server.failed_log_ins import FailedLogIns
from batonmq.server.log_in_counts import SOURCES_MAX, LogInCounts, Outcomes, Source
from batonmq.server.log_ins import LogIns
from batonmq.server.passwords import hash_password
from batonmq.server.users import UserEntry, UserFile, guest_account

pytestmark = pytest.mark.usefixtures("at_full_cost")

Run = Callable[[Coroutine[object, object, None]], None]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def file(tmp_path: Path) -> UserFile:
    made = UserFile(tmp_path)
    with made.change() as users:
        users["ann"] = UserEntry(password_hash=hash_password("secret"))
    return made


@pytest.fixture
def made(file: UserFile, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], LogIns]:
    monkeypatch.setattr(password_threads, "verify_password", lambda password, _: password == "secret")

    def make(most: int) -> LogIns:
        authenticator = Authenticator(file, {}, guest_account(["/"]))
        return LogIns(authenticator, asyncio.get_running_loop(), 0.0, clock, failures_max=most)

    return make


async def answer(log_ins: LogIns, password: str, peer: str = "10.0.0.1:5", user: str = "ann") -> LogInAnswer:
    answers: list[LogInAnswer] = []
    log_ins.authenticate(user, password, peer, answers.append, is_loopback=False, protocol="amqp091")
    await until(lambda: bool(answers))
    return answers[0]


def test_an_address_has_so_many_and_gets_them_back_over_a_minute(clock: HandClock) -> None:
    failures = FailedLogIns(clock, 6)
    assert [failures.failed("a") for _ in range(6)] == [False] * 5 + [True]
    assert (failures.is_blocked("a"), failures.is_blocked("b")) == (True, False)
    clock.now += 9.9
    assert failures.is_blocked("a")
    clock.now += 0.2
    assert not failures.is_blocked("a")
    assert failures.failed("a"), "one has come back, and no more"
    clock.now += 600
    assert [failures.failed("a") for _ in range(6)] == [False] * 5 + [True], "nobody saves up more"


def test_without_a_limit_nothing_is_counted(clock: HandClock) -> None:
    failures = FailedLogIns(clock, 0)
    assert not any(failures.failed("a") for _ in range(1_000))
    assert not failures.is_blocked("a")


def test_addresses_are_forgotten_when_they_have_all_again_or_are_too_many(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ADDRESSES_MAX", 100)
    failures = FailedLogIns(clock, 1)
    for number in range(1_000):
        failures.failed(str(number))
    assert len(failures._left) == 100
    assert (failures.is_blocked("899"), failures.is_blocked("900")) == (False, True)
    clock.now += 61
    failures.look()
    assert not failures._left


def test_even_the_right_password_is_refused_from_where_too_many_failed(
    run: Run, made: Callable[[int], LogIns], clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        log_ins = made(3)
        assert isinstance(await answer(log_ins, "secret"), User)
        for _ in range(3):
            assert await answer(log_ins, "wrong") is None
        for _ in range(5):
            assert await answer(log_ins, "secret") is None
        assert isinstance(await answer(log_ins, "secret", "10.0.0.2:5"), User), "others are let in"
        clock.now += 20
        assert isinstance(await answer(log_ins, "secret"), User), "what was not looked at has cost nothing"
        log_ins.stop()
        ((protocol, outcomes),) = log_ins.counts.by_protocol()
        assert (protocol, outcomes) == ("amqp091", Outcomes(succeeded=3, failed=3, blocked=5))

    with caplog.at_level(logging.WARNING):
        run(main())
    said = [record.getMessage() for record in caplog.records if "too many" in record.getMessage()]
    (line,) = said
    assert line.startswith("10.0.0.1: too many log-ins have failed: the next are refused without a look")
    assert len(caplog.records) == 4, "the ones that were not looked at are in the numbers alone"


def test_an_address_of_ipv6_is_the_network_of_one_customer(run: Run, made: Callable[[int], LogIns]) -> None:
    async def main() -> None:
        log_ins = made(2)
        for number in range(2):
            assert await answer(log_ins, "wrong", f"[2001:db8::{number}]:5") is None
        assert await answer(log_ins, "secret", "[2001:db8::99]:5") is None
        assert isinstance(await answer(log_ins, "secret", "[2001:db8:0:1::1]:5"), User)
        log_ins.stop()

    run(main())


def test_a_certificate_is_looked_at_however_many_passwords_were_wrong(run: Run, made: Callable[[int], LogIns]) -> None:
    async def main() -> None:
        log_ins = made(1)
        assert await answer(log_ins, "wrong") is None
        answers: list[LogInAnswer] = []
        for name in ("ann", "eve"):
            log_ins.vouched(name, "10.0.0.1:5", answers.append, is_loopback=False, protocol="stomp")
        await until(lambda: len(answers) == 2)
        assert [user.name if isinstance(user, User) else user for user in answers] == ["ann", None]
        assert dict(log_ins.counts.by_protocol())["stomp"] == Outcomes(succeeded=1, failed=1)
        log_ins.stop()

    run(main())


def test_who_tried_is_counted_too_and_not_for_ever() -> None:
    counts = LogInCounts()
    for number in range(SOURCES_MAX + 10):
        for outcomes in counts.of("http", "10.0.0.1", f"user {number}" + "x" * 1_000):
            outcomes.fail()
    sources = counts.by_source()
    assert len(sources) == SOURCES_MAX
    source, outcomes = sources[-1]
    assert (len(source.user), source.protocol, outcomes.refused) == (255, "http", 1)
    assert dict(counts.by_protocol())["http"].attempts == SOURCES_MAX + 10
    counts.clear_sources()
    assert counts.by_source() == []
    assert dict(counts.by_protocol())["http"].attempts == SOURCES_MAX + 10
    counts.clear()
    assert list(counts.by_protocol()) == []


def test_who_goes_on_trying_is_remembered_longest() -> None:
    counts = LogInCounts()
    counts.of("http", "10.0.0.1", "ann")
    for number in range(SOURCES_MAX - 1):
        counts.of("http", "10.0.0.1", str(number))
        counts.of("http", "10.0.0.1", "ann")
    counts.of("http", "10.0.0.1", "one more")
    assert Source("10.0.0.1", "ann", "http") in dict(counts.by_source())


# ---------------------------------------------------------------------- a real server


def by_amqp(server: ManagedServer, password: str) -> object:
    credentials = pika.PlainCredentials("guest", password)
    parameters = pika.ConnectionParameters("127.0.0.1", server.port, credentials=credentials, socket_timeout=30)
    with pytest.raises(ProbableAuthenticationError) as refused:
        pika.BlockingConnection(parameters)
    return refused.value


def by_amqp10(server: ManagedServer, password: str) -> object:
    with RawClient(Address("127.0.0.1", server.port, "guest", password)) as client:
        with pytest.raises(AssertionError) as refused:
            client.open()
        return refused.value


def by_stomp(server: ManagedServer, password: str) -> object:
    with socket.create_connection(("127.0.0.1", server.ports["stomp"]), timeout=30) as opened:
        opened.sendall(f"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:{password}\n\n\0".encode())
        said = opened.recv(4096)
    assert said.startswith(b"ERROR\nmessage:Bad CONNECT\n")
    return said


def by_http(server: ManagedServer, password: str) -> object:
    answer = server.http("guest", password)("GET", "/api/connections")
    assert answer.status == 401
    return answer.body


def test_all_protocols_count_together_and_refuse_as_they_do_a_wrong_password(tmp_path: Path) -> None:
    ways = (by_amqp, by_amqp10, by_stomp, by_http)
    with ManagedServer(tmp_path, a_config(limits=LimitsConfig(failed_log_ins=len(ways)))) as server:
        wrong = [str(way(server, "wrong")) for way in ways]
        assert [str(way(server, "guest")) for way in ways] == wrong
        counts = dict(server.management.context.parts.log_ins.counts.by_protocol())
        assert counts == {
            protocol: Outcomes(failed=1, blocked=1) for protocol in ("amqp091", "amqp10", "stomp", "http")
        }
