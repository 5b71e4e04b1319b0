"""An ActiveMQ Classic of the tests' own: TLS with a certificate of today, a wrong log-in, kill -9 under load."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificates

import batonmq
from batonmq.testing.contract import SOON, bodies, take
from tests.peers.activemq import ActiveMQ
from tests.peers.catalogue import wanted
from tests.support.certificates import Certificates
from tests.support.waiting import until

COUNT = 200


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def activemq(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[ActiveMQ]:
    folder = tmp_path_factory.mktemp("activemq")
    with wanted(ActiveMQ(folder / "broker", keystore=store_of(certificates, folder / "server.p12"))) as peer:
        assert isinstance(peer, ActiveMQ)
        yield peer


def store_of(certificates: Certificates, path: Path) -> Path:
    """The server's key and certificate as Java reads them."""
    key = load_pem_private_key(certificates.key.read_bytes(), None)
    own, *chain = load_pem_x509_certificates(certificates.certificate.read_bytes())
    secret = BestAvailableEncryption(ActiveMQ.password.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"server", key, own, chain, secret))  # type: ignore[arg-type]
    return path


@pytest.fixture
def url(activemq: ActiveMQ, certificates: Certificates) -> str:
    return f"{activemq.url}&{urlencode({'cacertfile': str(certificates.ca_file)})}"


def test_over_tls(activemq: ActiveMQ, url: str, certificates: Certificates, name: str) -> None:
    with batonmq.connect(url) as mq:
        mq.declare(name)
        mq.send(name, b"secret")
        with mq.receiver(name) as receiver:
            assert bodies(take(receiver, 1)) == [b"secret"]
    with batonmq.connect(activemq.url, ssl_context=certificates.context()) as mq:
        assert mq.count(name) == 1
        mq.delete(name)
    with pytest.raises(batonmq.ConnectionLost, match="certificate"):
        batonmq.connect(activemq.url)
    with pytest.raises(batonmq.AccessRefused):
        batonmq.connect(activemq.url_of("admin", "wrong"), ssl_context=certificates.context())


HOLDER = """
import os, sys
import batonmq
mq = batonmq.connect(sys.argv[1])
receiver = mq.receiver(sys.argv[2], prefetch=10)
held = []
while len(held) < 10:
    held += receiver.receive(10, wait=30)
os.write(1, b"held\\n")
sys.stdin.read()
"""


def test_what_a_killed_consumer_held_is_counted_and_lost_to_nobody(activemq: ActiveMQ, url: str, name: str) -> None:
    dead = f"{name}-dead"
    with batonmq.connect(url) as mq:
        mq.declare(name, max_deliveries=2, dead_letter=dead)
        mq.send_many(name, [b"%d" % number for number in range(20)])
        for _ in range(2):
            command = [sys.executable, "-c", HOLDER, url, name]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"held\n"
                holder.kill()
        with mq.receiver(name) as receiver, mq.receiver(dead) as undertaker:
            assert bodies(take(undertaker, 10)) == [b"%d" % number for number in range(10)]
            rest = take(receiver, 10)
            assert bodies(rest) == [b"%d" % number for number in range(10, 20)]
            assert {delivery.delivery_count for delivery in rest} == {1}
            for delivery in (*rest, *take(undertaker, 0)):
                delivery.accept()


@pytest.mark.timeout(400)  # a broker starts three times as slowly on a busy machine
def test_what_was_confirmed_is_there_after_kill_9_and_what_was_held_comes_again(
    activemq: ActiveMQ, url: str, name: str
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
                # A copy takes longer than a message.
                until(lambda: len(confirmed) - len(accepted) < 50 or stop.is_set())

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
                            delivery.release(delay=0.05 if number % 2 else None)
                        elif number % 10 == 1:
                            delivery.reject(reason="why")
                            accepted.append(number)
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
                activemq.kill()
                before = len(confirmed)
                activemq.start()
                until(lambda: len(confirmed) > before + COUNT // 3, 4 * SOON)
            finally:
                stop.set()
                sender.join(2 * SOON)
                # A rejection that did not arrive comes to the worker again.
                rejected = {number for number in confirmed if number % 10 == 1}
                until(lambda: rejected <= {int(letter.body) for letter in mq.peek(dead, 2 * len(rejected) + 20)}, SOON)
                # Only now the worker knows what the last one is.
                all_is_sent.set()
                worker.join(2 * SOON)
            with pytest.raises(batonmq.LeaseLost):
                held.accept()
            (again,) = take(holder, 1)
            assert again.body == b"held"
            again.accept()
        assert set(confirmed) - set(accepted) == set()
        assert not sender.is_alive()
        assert not worker.is_alive()
        assert mq.count(name) == 0
