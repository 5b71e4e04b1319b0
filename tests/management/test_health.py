"""Health checks: what they ask of the broker, and what they answer when it is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.authorities import Certificates
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.errors import StoreError
from batonmq.server.certificate_dates import expires_at, not_after
from batonmq.server.config import TlsConfig

CHECKS = "/api/health/checks"


@pytest.mark.parametrize(
    "check",
    [
        "alarms",
        "local-alarms",
        "certificate-expiration/1/months",
        "virtual-hosts",
        "node-is-mirror-sync-critical",
        "node-is-quorum-critical",
        "is-in-service",
        "ready-to-serve-clients",
        "below-node-connection-limit",
        "metadata-store/initialized",
        "metadata-store/initialized/with-data",
        "quorum-queues-without-elected-leaders/all-vhosts/pattern/.*",
        "quorum-queues-without-elected-leaders/vhost/%2F/pattern/.*",
        "protocol-listener/amqp",
        "protocol-listener/amqp091,stomp",
        "protocol-listener/http",
    ],
)
def test_all_is_well(http: Http, check: str) -> None:
    assert http.get(f"{CHECKS}/{check}")["status"] == "ok"


def test_ports_and_protocols(http: Http, managed: ManagedServer) -> None:
    assert http.get(f"{CHECKS}/port-listener/{managed.port}") == {"status": "ok", "port": managed.port}
    answer = http("GET", f"{CHECKS}/port-listener/1")
    assert (answer.status, answer.json["missing"]) == (503, 1)
    assert managed.http_port in answer.json["ports"]
    assert http("GET", f"{CHECKS}/port-listener/x").status == 400
    answer = http("GET", f"{CHECKS}/protocol-listener/amqp,mqtt")
    assert (answer.status, answer.json["missing"]) == (503, ["mqtt"])


def test_wrong_times(http: Http) -> None:
    for path in ("x/days", "1/eons", "-1/days", f"{'9' * 50}/days"):
        assert http("GET", f"{CHECKS}/certificate-expiration/{path}").status == 400


def test_a_store_that_cannot_write_is_an_alarm(
    http: Http, managed: ManagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = StoreError("/secret/file: disk full", "the disk is full")
    monkeypatch.setattr(managed.server.broker.store, "error", error)
    for check in ("alarms", "local-alarms"):
        answer = http("GET", f"{CHECKS}/{check}")
        assert (answer.status, answer.json["status"]) == (503, "failed")
        assert answer.json["alarms"][0]["reason"] == "the disk is full"
        assert b"/secret" not in answer.body


def test_aliveness(http: Http, managed: ManagedServer) -> None:
    for _ in range(2):
        assert http.get("/api/aliveness-test/%2F") == {"status": "ok"}
    assert managed.server.broker.vhosts["/"].queues["aliveness-test"].ready_count == 0
    assert http("GET", "/api/aliveness-test/nope").status == 404
    assert managed.http("a-management", "sesame")("GET", "/api/aliveness-test/other").status == 401


# ---------------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """A server whose certificate is good for ten days."""
    folder = tmp_path_factory.mktemp("secure")
    files = Certificates(folder / "certificates").server("localhost")
    tls = TlsConfig(certificate=str(files.certificate), key=str(files.key), amqps_port=0)
    with ManagedServer(folder, a_config(tls=tls)) as server:
        yield server


def test_a_certificate_that_ends_soon(secure: ManagedServer) -> None:
    http = secure.http()
    assert http.get(f"{CHECKS}/certificate-expiration/1/weeks") == {"status": "ok"}
    answer = http("GET", f"{CHECKS}/certificate-expiration/2/weeks")
    assert (answer.status, answer.json["reason"]) == (503, "Certificates expiring")
    assert {one["protocol"] for one in answer.json["expired"]} >= {"amqp/ssl"}


def test_until_when_a_certificate_is_good(tmp_path: Path) -> None:
    files = Certificates(tmp_path / "certificates").server("localhost")
    left = expires_at(files.certificate) - datetime.now(UTC)
    assert timedelta(days=9) < left <= timedelta(days=11)
    with pytest.raises(ValueError, match="no certificate in it"):
        expires_at(files.key)


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff", b"x" * 100])
def test_what_is_no_certificate(octets: bytes) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        not_after(octets)
