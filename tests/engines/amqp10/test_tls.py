"""The engine over AMQP 1.0 with TLS: whom it trusts, whom it shows itself as, and what it says when that fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

import batonmq
from tests.engines.tls_proxy import TlsProxy
from tests.support.authorities import Certificates
from tests.support.wire import Address

SOON = 30.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def proxy(amqp: Address, certificates: Certificates) -> Iterator[TlsProxy]:
    """The broker behind TLS."""
    proxy = TlsProxy(amqp.port, certificates.context("localhost", "127.0.0.1", verify=ssl.CERT_OPTIONAL))
    yield proxy
    proxy.close()


def url_of(proxy: TlsProxy, query: str = "", host: str = "localhost") -> str:
    return f"amqp10s://guest:guest@{host}:{proxy.port}/?{query}"


def refusal(url: str) -> str:
    with pytest.raises(batonmq.ConnectionLost) as raised:
        batonmq.connect(url)
    return str(raised.value)


def test_messages_go_over_tls_and_a_lost_connection_is_made_anew(
    proxy: TlsProxy, certificates: Certificates, name: str
) -> None:
    body = bytes(range(256)) * 4000
    with batonmq.connect(url_of(proxy, certificates.query())) as mq:
        mq.declare(name)
        mq.send(name, body)
        with mq.receiver(name) as receiver:
            (held,) = receiver.receive(wait=SOON)
            assert held.body == body
            proxy.cut()
            (again,) = receiver.receive(wait=SOON)
            assert again.redelivered
            again.accept()
        mq.delete(name)
    assert proxy.accepted == 2
    assert proxy.names == ["localhost"] * 2


def test_a_context_of_ones_own_is_used(proxy: TlsProxy, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with batonmq.connect(url_of(proxy), ssl_context=context) as mq:
        assert mq.capabilities.engine == "amqp10"
    with pytest.raises(ValueError, match="an SSLContext needs amqp10s://"):
        batonmq.connect("amqp10://127.0.0.1/", ssl_context=context)


def test_a_broker_that_nobody_vouches_for_is_not_trusted(proxy: TlsProxy) -> None:
    assert "its certificate cannot be trusted" in refusal(url_of(proxy))


def test_a_broker_of_another_name_is_not_trusted(proxy: TlsProxy, certificates: Certificates) -> None:
    query = f"{certificates.query()}&server_name_indication=elsewhere"
    assert "its certificate is not for 'elsewhere'" in refusal(url_of(proxy, query))


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match=f"cacertfile '{missing}' cannot be read"):
        batonmq.connect(f"amqp10s://localhost/?cacertfile={missing}")
