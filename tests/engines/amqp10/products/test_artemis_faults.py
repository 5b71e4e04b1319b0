"""An Artemis of the tests' own: TLS with a certificate of today, a user who may not manage, kill -9 under load."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

import batonmq
from batonmq.testing.contract import SOON, bodies, take
from tests.peers.artemis import Artemis
from tests.peers.catalogue import wanted
from tests.support.certificates import Certificates
from tests.support.waiting import until

COUNT = 300


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def artemis(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Artemis]:
    folder = tmp_path_factory.mktemp("artemis")
    both = folder / "server.pem"
    both.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    artemis = Artemis(folder / "broker", certificate=both)
    with wanted(artemis):
        yield artemis


@pytest.fixture
def query(certificates: Certificates) -> str:
    return "?" + urlencode({"cacertfile": str(certificates.ca_file)})


@pytest.fixture
def url(artemis: Artemis, query: str) -> str:
    return artemis.url + query


def test_over_tls(artemis: Artemis, url: str, certificates: Certificates, name: str) -> None:
    with batonmq.connect(url) as mq:
        mq.declare(name)
        mq.send(name, b"secret")
        with mq.receiver(name) as receiver:
            assert bodies(take(receiver, 1)) == [b"secret"]
    with batonmq.connect(artemis.url, ssl_context=certificates.context()) as mq:
        assert mq.count(name) == 1
    with pytest.raises(batonmq.ConnectionLost, match="certificate"):
        batonmq.connect(artemis.url)
    with pytest.raises(batonmq.AccessRefused):
        batonmq.connect(artemis.url_of("admin", "wrong") + f"?{urlencode({'cacertfile': str(certificates.ca_file)})}")


def test_who_may_not_manage_is_told_so(artemis: Artemis, url: str, query: str, name: str) -> None:
    with batonmq.connect(url) as mq, batonmq.connect(artemis.url_of(*artemis.limited) + query) as limited:
        mq.declare(name)
        calls: list[Callable[[], object]] = [
            lambda: limited.declare(name),
            lambda: limited.count(name),
            lambda: limited.receiver(name).receive(wait=0),
            lambda: limited.send(name, b""),
            lambda: limited.delete(name),
        ]
        for call in calls:
            with pytest.raises(batonmq.AccessRefused, match="permission 'manage'"):
                call()
        mq.send(name, b"")
        assert mq.count(name) == 1


@pytest.mark.timeout(400)  # a broker starts three times as slowly on a busy machine
def test_what_was_confirmed_is_there_after_kill_9_and_what_was_held_comes_again(
    artemis: Artemis, url: str, name: str
) -> None:
    dead = f"{name}-dead"
    confirmed: list[int] = []
    accepted: list[int] = []
    stop, all_is_sent = threading.Event(), threading.Event()

    def send() -> None:
        with batonmq.connect(url) as mq:
            number = 0
            while not stop.is_set():
                try:
                    mq.send(name, b"%d" % number)
                except batonmq.ConnectionLost:
                    continue
                confirmed.append(number)
                number += 1

    def work() -> None:
        while not (all_is_sent.is_set() and set(confirmed) <= set(accepted)):
            with contextlib.suppress(
                batonmq.ConnectionLost
            ):  # the broker may take longer to come than the engine waits
                receive()

    def receive() -> None:
        with batonmq.connect(url) as mq, mq.receiver(name, prefetch=10, wait=0.5) as receiver:
            while not (all_is_sent.is_set() and set(confirmed) <= set(accepted)):
                for delivery in receiver.receive(10, wait=0.5):
                    number = int(delivery.body)
                    try:
                        if number % 3 == 0 and delivery.delivery_count == 1:
                            delivery.release(delay=0.05)
                        else:
                            delivery.accept()
                            accepted.append(number)
                    except batonmq.LeaseLost:
                        pass  # it comes again

    with batonmq.connect(url) as mq:
        mq.declare(name, dead_letter=dead)
        mq.declare(f"{name}-held")
        mq.send(f"{name}-held", b"held")
        with mq.receiver(f"{name}-held") as holder:
            (held,) = take(holder, 1)
            sender, worker = threading.Thread(target=send), threading.Thread(target=work)
            try:
                sender.start()
                worker.start()
                until(lambda: len(accepted) > COUNT // 3)
                artemis.kill()
                before = len(confirmed)
                artemis.start()
                until(lambda: len(confirmed) > before + COUNT // 3, 4 * SOON)
            finally:
                stop.set()
                sender.join(2 * SOON)
                # Only now the worker knows what the last one is.
                all_is_sent.set()
                worker.join(2 * SOON)
            with pytest.raises(batonmq.LeaseLost):
                held.accept()
            (again,) = take(holder, 1)
            assert again.body == b"held"
            again.accept()
        assert not sender.is_alive()
        assert not worker.is_alive()
        assert set(confirmed) <= set(accepted)
        assert (mq.count(name), mq.count(dead)) == (0, 0)
