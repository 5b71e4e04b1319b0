"""The engine over TLS: whom it trusts, whom it shows itself as, and what it says when that fails."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest

import batonmq
from batonmq.engines.amqp.parameters import amqp_parameters
from tests.engines.tls_proxy import TlsProxy
from tests.support.authorities import Certificates
from tests.support.wire import Address

SOON = 30.0

Serve = Callable[..., TlsProxy]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of a CA that nobody trusts."""
    return Certificates(tmp_path_factory.mktemp("tls") / "others")


@pytest.fixture
def serve(amqp: Address) -> Iterator[Serve]:
    """The broker behind TLS."""
    with contextlib.ExitStack() as opened:

        def serve(context: ssl.SSLContext, port: int = amqp.port) -> TlsProxy:
            proxy = TlsProxy(port, context)
            opened.callback(proxy.close)
            return proxy

        yield serve


@pytest.fixture
def proxy(serve: Serve, certificates: Certificates) -> TlsProxy:
    return serve(certificates.context("localhost", "127.0.0.1", verify=ssl.CERT_OPTIONAL))


def url_of(proxy: TlsProxy, query: str = "", host: str = "localhost") -> str:
    return f"amqps://guest:guest@{host}:{proxy.port}/?{query}"


def refusal(url: str) -> str:
    """What `connect` says when it does not trust, or is not trusted."""
    with pytest.raises(batonmq.ConnectionLost) as raised:
        batonmq.connect(url)
    return str(raised.value)


def test_messages_go_over_tls_to_a_broker_whose_ca_is_known(
    proxy: TlsProxy, certificates: Certificates, name: str
) -> None:
    with batonmq.connect(url_of(proxy, certificates.query())) as mq:
        mq.declare(name)
        mq.send(name, b"secret")
        assert mq.count(name) == 1
        mq.delete(name)
    assert proxy.names == ["localhost"]
    assert proxy.shown == [None]


def test_the_same_with_await(proxy: TlsProxy, certificates: Certificates, name: str) -> None:
    async def count() -> int:
        async with batonmq.aio.connect(url_of(proxy, certificates.query())) as mq:
            await mq.declare(name)
            found = await mq.count(name)
            await mq.delete(name)
            return found

    assert asyncio.run(count()) == 0


def test_a_worker_works_over_tls(proxy: TlsProxy, certificates: Certificates, name: str) -> None:
    url = url_of(proxy, certificates.query())
    app = batonmq.Worker(url)
    done: list[bytes] = []
    stop = threading.Event()

    @app.handler(name)
    def handle(delivery: batonmq.Delivery) -> None:
        done.append(delivery.body)
        stop.set()

    with batonmq.connect(url) as mq:
        mq.declare(name)
        mq.send(name, b"work")
        app.run(stop=stop)
        mq.delete(name)
    assert done == [b"work"]


def test_an_address_in_the_certificate_is_a_name(proxy: TlsProxy, certificates: Certificates) -> None:
    batonmq.connect(url_of(proxy, certificates.query(), "127.0.0.1")).close()


def test_a_lost_connection_is_opened_again_with_the_same_certificates(
    proxy: TlsProxy, certificates: Certificates, amqp: Address, name: str
) -> None:
    client = certificates.client("ann")
    with (
        batonmq.connect(url_of(proxy, certificates.query(client))) as mq,
        batonmq.connect(f"amqp://guest:guest@127.0.0.1:{amqp.port}/") as other,
    ):
        mq.declare(name)
        with mq.receiver(name) as receiver:
            proxy.cut()
            other.send(name, b"after")
            (delivery,) = receiver.receive(wait=SOON)
            delivery.accept()
        mq.delete(name)
    assert len(proxy.shown) == 2
    assert None not in proxy.shown
    assert proxy.shown[0] == proxy.shown[1]


@pytest.mark.parametrize("trusts", ["others", "system"])
def test_a_ca_that_is_not_trusted_is_named(
    proxy: TlsProxy, others: Certificates, certificates: Certificates, trusts: str
) -> None:
    said = refusal(url_of(proxy, others.query() if trusts == "others" else ""))
    assert said.startswith(f"cannot connect to localhost:{proxy.port}: its certificate cannot be trusted")
    assert (repr(str(others.ca)) if trusts == "others" else "the CAs that the system trusts") in said
    assert "cacertfile" in said
    assert proxy.accepted == 0


def test_another_hosts_certificate_is_refused(serve: Serve, certificates: Certificates) -> None:
    proxy = serve(certificates.context("broker.example"))
    said = refusal(url_of(proxy, certificates.query()))
    assert "its certificate is not for 'localhost'" in said
    assert "server_name_indication" in said
    assert "its certificate is not for '127.0.0.1'" in refusal(url_of(proxy, certificates.query(), "127.0.0.1"))


def test_the_name_to_ask_for_can_be_given(serve: Serve, certificates: Certificates) -> None:
    proxy = serve(certificates.context("broker.example"))
    batonmq.connect(url_of(proxy, certificates.query(server_name_indication="broker.example"))).close()
    assert proxy.names == ["broker.example"]


def test_an_expired_certificate_is_refused(serve: Serve, tmp_path: Path) -> None:
    old = Certificates(tmp_path / "old", days_ago=30)
    assert "its certificate has expired" in refusal(url_of(serve(old.context("localhost")), old.query()))


def test_a_certificate_of_the_future_is_refused(serve: Serve, tmp_path: Path) -> None:
    new = Certificates(tmp_path / "new", days_ago=-30)
    assert "is not valid yet" in refusal(url_of(serve(new.context("localhost")), new.query()))


def test_without_verification_anybody_is_believed(serve: Serve, others: Certificates) -> None:
    batonmq.connect(url_of(serve(others.context("elsewhere")), "verify=verify_none")).close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_or_unknown_client_certificate_is_said_to_be_so(
    serve: Serve, certificates: Certificates, others: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.context("localhost", verify=ssl.CERT_REQUIRED)
    context.maximum_version = version
    proxy = serve(context)
    assert "wants a client certificate: give certfile and keyfile" in refusal(url_of(proxy, certificates.query()))
    stranger = others.client("guest")
    said = refusal(url_of(proxy, certificates.query(stranger)))
    assert f"does not trust the client certificate {str(stranger.certificate)!r}" in said
    batonmq.connect(url_of(proxy, certificates.query(certificates.client("guest")))).close()


@pytest.fixture
def alerting(certificates: Certificates) -> Iterator[int]:
    """The port of somebody who wants a client certificate, and says so with an alert of TLS 1.2."""
    context = certificates.context("localhost", verify=ssl.CERT_REQUIRED)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            for _ in range(2):
                with listener.accept()[0] as accepted, contextlib.suppress(OSError):
                    context.wrap_socket(accepted, server_side=True).close()

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(SOON)


def test_an_alert_is_told_in_words(alerting: int, certificates: Certificates, others: Certificates) -> None:
    url = f"amqps://localhost:{alerting}/?"
    assert refusal(url + certificates.query()).endswith(
        ": it wants a client certificate: give certfile and keyfile in the URL"
    )
    said = refusal(url + certificates.query(others.client("guest")))
    assert "the broker refuses the client certificate" in said
    assert said.endswith("it does not trust its CA")


def test_an_alert_about_versions_may_come_from_a_port_without_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as accepted:
                accepted.recv(65536)
                # RFC 8446, section 6: a fatal alert, protocol_version.
                accepted.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        said = refusal(f"amqps://localhost:{listener.getsockname()[1]}/")
        thread.join(SOON)
    assert "does not speak TLS, or no version of it that this client does" in said


def test_a_port_of_tls_without_tls_is_said_to_be_so(proxy: TlsProxy) -> None:
    said = refusal(f"amqp://guest:guest@localhost:{proxy.port}/")
    assert said.endswith("does not speak AMQP 0-9-1 without TLS; with TLS the URL begins with amqps://")


def test_a_passphrase_is_read_from_a_file_or_from_the_url(
    proxy: TlsProxy, certificates: Certificates, tmp_path: Path
) -> None:
    client = certificates.client("ann", "sesame & co")
    (tmp_path / "phrase").write_text("sesame & co\n")
    for more in ({"passphrase_file": tmp_path / "phrase"}, {"password": "sesame & co"}):
        batonmq.connect(url_of(proxy, certificates.query(client, **more))).close()
    assert len(proxy.shown) == 2
    assert None not in proxy.shown


def test_a_key_may_stand_with_its_certificate(proxy: TlsProxy, certificates: Certificates, tmp_path: Path) -> None:
    client = certificates.client("ann")
    both = tmp_path / "both.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())
    batonmq.connect(url_of(proxy, certificates.query(certfile=both))).close()
    assert proxy.shown != [None]


def test_an_ssl_context_is_used_as_it_is(proxy: TlsProxy, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    client = certificates.client("ann")
    context.load_cert_chain(client.certificate, client.key)
    batonmq.connect(url_of(proxy), ssl_context=context).close()
    assert proxy.shown != [None]

    async def connect() -> None:
        async with batonmq.aio.connect(url_of(proxy), ssl_context=context):
            pass

    asyncio.run(connect())
    assert len(proxy.shown) == 2


def test_an_ssl_context_that_does_not_trust_the_broker_is_named(proxy: TlsProxy) -> None:
    with pytest.raises(batonmq.ConnectionLost, match=r"none of the CAs of the SSLContext signed it"):
        batonmq.connect(url_of(proxy), ssl_context=ssl.create_default_context())


@pytest.mark.parametrize("url", ["memory:", "orders.db", "amqp://localhost/", "amqps://localhost/?cacertfile=ca.pem"])
def test_an_ssl_context_goes_with_amqps_only_and_with_no_files(url: str) -> None:
    with pytest.raises(ValueError, match=r"amqps|SSLContext"):
        batonmq.connect(url, ssl_context=ssl.create_default_context())


@pytest.fixture
def asked() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a broker that offers EXTERNAL, takes nobody, and notes what clients answer."""
    answers: list[bytes] = []
    start = pika.frame.Method(0, pika.spec.Connection.Start(server_properties={}, mechanisms="PLAIN EXTERNAL"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as accepted:
                accepted.recv(8, socket.MSG_WAITALL)
                accepted.sendall(start.marshal())
                answers.append(accepted.recv(65536))

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        yield listener.getsockname()[1], answers
        thread.join(SOON)


def test_external_is_asked_for_with_an_empty_answer(
    serve: Serve, certificates: Certificates, asked: tuple[int, list[bytes]]
) -> None:
    port, answers = asked
    proxy = serve(certificates.context("localhost", verify=ssl.CERT_REQUIRED), port)
    client = certificates.client("ann")
    with pytest.raises(batonmq.AccessRefused, match="refused to log in the user of the client certificate"):
        batonmq.connect(url_of(proxy, certificates.query(client, auth_mechanism="external")))
    assert [b"\x08EXTERNAL" + bytes(4) in answer for answer in answers] == [True]


def test_a_broker_that_has_no_external_is_said_to_have_none(
    proxy: TlsProxy, certificates: Certificates, amqp: Address
) -> None:
    query = certificates.query(certificates.client("ann"), auth_mechanism="EXTERNAL")
    with pytest.raises(batonmq.AccessRefused, match="does not offer the log-in EXTERNAL"):
        batonmq.connect(url_of(proxy, query))


def test_the_port_of_tls_is_5671() -> None:
    assert amqp_parameters("amqps://broker.example").port == 5671
    assert amqp_parameters("amqps://broker.example:5672/?verify=verify_none").port == 5672
    assert amqp_parameters("amqp://broker.example").port == 5672


def test_what_else_the_query_says_is_kept() -> None:
    parameters = amqp_parameters("amqps://broker.example/shop?heartbeat=7&verify=verify_none&auth_mechanism=plain")
    assert (parameters.heartbeat, parameters.virtual_host) == (7, "shop")
    assert parameters.ssl_options.context.verify_mode is ssl.CERT_NONE
    verified = amqp_parameters("amqps://broker.example/").ssl_options.context
    assert (verified.verify_mode, verified.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://h/?cacertfile=ca.pem", "cacertfile needs amqps://, not amqp://"),
        ("amqp://h/?auth_mechanism=external", "auth_mechanism=external needs amqps:// and a client certificate"),
        ("amqps://h/?auth_mechanism=external", "auth_mechanism=external needs amqps:// and a client certificate"),
        ("amqps://h/?auth_mechanism=gssapi", "auth_mechanism is plain or external, not 'gssapi'"),
        ("amqps://h/?verify=no", "verify is verify_peer or verify_none, not 'no'"),
        ("amqps://h/?verify=verify_none&verify=verify_peer", "verify stands there twice"),
        ("amqps://h/?keyfile=key.pem", "keyfile needs a certfile beside it"),
        ("amqps://h/?server_name_indication=", "server_name_indication names no host"),
        ("amqps://h/?cacertfile=", "cacertfile names no file"),
        ("amqps://h/?cacertfile=/nowhere/ca.pem", "cacertfile '/nowhere/ca.pem' cannot be read: No such file"),
        ("amqps://h/?certfile=/nowhere/c.pem", "certfile '/nowhere/c.pem' cannot be read: No such file"),
        ("amqps://h/?cacertfile=a%00b", "cacertfile 'a\\x00b' cannot be read: embedded null byte"),
        ("amqps://h/?verify=verify_none&ssl_options={}", "verify and ssl_options in one URL"),
        ("amqps://h/?cacert=ca.pem", "Unknown URL parameter: 'cacert'"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated")  # by pika before 1.4
def test_a_query_that_says_nonsense_is_refused(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_arguments, **_more: None)
    with pytest.raises(ValueError, match=re.escape(said)):
        batonmq.connect(url)


def test_files_of_no_use_are_named(certificates: Certificates, others: Certificates, tmp_path: Path) -> None:
    client, locked, other = (
        certificates.client("ann"),
        certificates.client("ann", "sesame"),
        others.client("ann"),
    )
    (text := tmp_path / "text.pem").write_text("no certificate\n")
    (octets := tmp_path / "octets").write_bytes(b"\xff\n")
    for options, said in (
        ({"cacertfile": text}, f"cacertfile {str(text)!r} holds no certificate in PEM"),
        ({"certfile": text}, f"certfile {str(text)!r} holds no certificate and key in PEM"),
        ({"certfile": client.certificate}, f"certfile {str(client.certificate)!r} holds no certificate and key"),
        ({"certfile": client.certificate, "keyfile": text}, f"or keyfile {str(text)!r} no key"),
        ({"certfile": client.certificate, "keyfile": other.key}, "is not that of the certificate in certfile"),
        ({"certfile": locked.certificate, "keyfile": locked.key}, "is encrypted: give passphrase_file, or password"),
        ({"certfile": locked.certificate, "keyfile": locked.key, "password": "open"}, "or the passphrase is wrong"),
        (
            {"certfile": locked.certificate, "keyfile": locked.key, "passphrase_file": octets},
            f"passphrase_file {str(octets)!r} is not UTF-8",
        ),
        (
            {"certfile": locked.certificate, "keyfile": locked.key, "passphrase_file": text, "password": "sesame"},
            "password and passphrase_file say the same twice",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            amqp_parameters("amqps://broker.example/?" + certificates.query(**options))
