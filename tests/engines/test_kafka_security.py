"""Kafka with log-ins, TLS and rules of access: each way in works, and each that does not says why, soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

import batonmq
from tests.peers.catalogue import wanted
from tests.peers.secured_kafka import PASSWORD, USER, SecuredKafka
from tests.support.waiting import until

SOON = 30.0
MECHANISMS = ("plain", "scram-sha-256", "scram-sha-512")


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    made = SecuredKafka(tmp_path_factory.mktemp("kafka"))
    with wanted(made):
        yield made


def url(peer: SecuredKafka, mechanism: str, *, tls: bool, password: str = PASSWORD) -> str:
    login = f"{USER}:{quote(password)}"
    if tls:
        where = f"kafka+ssl://{login}@127.0.0.1:{peer.tls_port}?cacertfile={peer.certificates.ca_file}&"
    else:
        where = f"kafka://{login}@127.0.0.1:{peer.sasl_port}?"
    return f"{where}auth_mechanism={mechanism}"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_message_goes_through(peer: SecuredKafka, mechanism: str, *, tls: bool) -> None:
    queue = f"t-{mechanism}-{tls}"
    with batonmq.connect(url(peer, mechanism, tls=tls)) as mq:
        mq.declare(queue)
        mq.send(queue, b"1")
        with mq.receiver(queue) as receiver:
            (delivery,) = receiver.receive(wait=SOON)
            delivery.accept()
        assert mq.count(queue) == 0
        mq.delete(queue)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused(peer: SecuredKafka, mechanism: str, *, tls: bool) -> None:
    with pytest.raises(batonmq.AccessRefused, match=f"refused to log in user '{USER}'"):
        batonmq.connect(url(peer, mechanism, tls=tls, password="other"))


def test_a_log_in_that_is_missing_is_told(peer: SecuredKafka) -> None:
    with pytest.raises(batonmq.AccessRefused, match="wants a log-in, and the URL names no user"):
        batonmq.connect(f"kafka://127.0.0.1:{peer.sasl_port}")


def test_a_broker_that_nobody_has_signed_is_not_trusted(peer: SecuredKafka) -> None:
    where = f"kafka+ssl://{USER}:{quote(PASSWORD)}@127.0.0.1:{peer.tls_port}"
    with pytest.raises(batonmq.ConnectionLost, match="certificate"):
        batonmq.connect(where)
    with batonmq.connect(f"{where}?verify=verify_none") as mq:
        mq.declare("t-unverified")
        mq.send("t-unverified", b"1")
        with mq.receiver("t-unverified") as receiver:
            receiver.receive(wait=SOON)[0].accept()
        mq.delete("t-unverified")


def test_tls_and_no_tls_are_told_apart(peer: SecuredKafka) -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"kafka\+ssl://"):
        batonmq.connect(f"kafka://{USER}:x@127.0.0.1:{peer.tls_port}")
    with pytest.raises(batonmq.ConnectionLost):
        batonmq.connect(f"kafka+ssl://{USER}:x@127.0.0.1:{peer.sasl_port}")


@pytest.mark.parametrize("kind", [ResourceType.TOPIC, ResourceType.GROUP], ids=["topic", "group"])
def test_who_waits_is_told_that_access_is_lost(peer: SecuredKafka, kind: ResourceType) -> None:
    queue = f"t-lost-{kind.name}".lower()
    found: list[BaseException] = []
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{peer.port}"})
    rule = AclBinding(
        kind, queue, ResourcePatternType.LITERAL, f"User:{USER}", "*", AclOperation.ALL, AclPermissionType.DENY
    )

    def wait() -> None:
        try:
            receiver.receive()
        except batonmq.BatonError as error:
            found.append(error)

    with batonmq.connect(url(peer, "plain", tls=False)) as mq:
        mq.declare(queue)
        with mq.receiver(queue) as receiver:
            assert receiver.receive(wait=0.5) == []
            waiting = threading.Thread(target=wait)
            waiting.start()
            admin.create_acls([rule])[rule].result(SOON)
            waiting.join(SOON)
            assert not waiting.is_alive(), "it waits for what it has no access to"
            assert isinstance(found[0], batonmq.AccessRefused)
            begun = time.monotonic()
        # To leave is refused, too, and takes no longer for that.
        assert time.monotonic() - begun < SOON
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("batonmq-kafka")])
