"""``batonmqs://``: the broker's certificate is verified, its name too, unless the application says otherwise."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import kombu
import pytest
from kombu.exceptions import OperationalError

import batonmq.contrib.kombu as registered
from tests.support.authorities import Certificates
from tests.support.broker import Broker

CONFIG = """
[tls]
certificate = "{server.certificate}"
key = "{server.key}"
amqps_port = 0
[management]
tls_port = "off"
[stomp]
tls_port = "off"
[websocket]
tls_port = "off"
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="module")
def port(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a broker that is called localhost, and not 127.0.0.1."""
    assert registered.SERIALIZER
    broker = Broker(tmp_path_factory.mktemp("broker"), CONFIG.format(server=certificates.server("localhost")))
    broker.start()
    yield broker.ports["amqps"]
    broker.terminate()


def round_trip(port: int, host: str = "localhost", **tls: object) -> object:
    options = {"ssl": tls or None, "transport_options": {"max_retries": 0}}
    with kombu.Connection(f"batonmqs://guest:guest@{host}:{port}//", **options) as connection:
        queue = kombu.Queue("over-tls")(connection.default_channel)
        queue.declare()
        connection.Producer().publish({"n": 17}, routing_key=queue.name)
        message = queue.get(no_ack=True)
        queue.delete()
        return message.payload


def test_tasks_go_over_tls(certificates: Certificates, port: int) -> None:
    assert round_trip(port, ca_certs=str(certificates.ca)) == {"n": 17}
    assert round_trip(port, ca_certs=str(certificates.ca), cert_reqs=ssl.CERT_REQUIRED) == {"n": 17}


def test_a_certificate_of_an_unknown_authority_is_refused(port: int) -> None:
    with pytest.raises(OperationalError, match=r"certificate verify failed: (self-signed|unable to get local issuer)"):
        round_trip(port)


def test_a_certificate_of_another_name_is_refused(certificates: Certificates, port: int) -> None:
    with pytest.raises(OperationalError, match=r"not valid for '127\.0\.0\.1'"):
        round_trip(port, "127.0.0.1", ca_certs=str(certificates.ca))
    assert round_trip(port, "127.0.0.1", ca_certs=str(certificates.ca), server_hostname="localhost") == {"n": 17}


def test_an_application_may_ask_for_no_verification(port: int) -> None:
    assert round_trip(port, "127.0.0.1", cert_reqs=ssl.CERT_NONE) == {"n": 17}
