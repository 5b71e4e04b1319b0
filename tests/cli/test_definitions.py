"""batonmq definitions: over the HTTP API, to which the AMQP URL leads as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Batonmq, Served, serving


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("managed"), "--management-port", "0") as served:
        yield served


def test_what_was_exported_is_made_again(managed: Served, batonmq: Batonmq, tmp_path: Path) -> None:
    batonmq("--url", managed.url, "send", "orders", "one")
    done = batonmq("--url", managed.url, "definitions", "export", "broker.json")
    assert (done.returncode, done.stdout) == (0, "definitions written to broker.json\n")
    assert (tmp_path / "broker.json").stat().st_mode & 0o777 == 0o600
    assert [queue["name"] for queue in json.loads((tmp_path / "broker.json").read_text())["queues"]] == ["orders"]
    batonmq("--url", managed.url, "queues", "delete", "orders", "--yes")
    http = next(word for word in managed.banner.split() if word.startswith("http:"))
    url = http.replace("http://", "http://guest:guest@")
    assert batonmq("--url", url, "definitions", "import", "broker.json").returncode == 0
    assert "orders" in batonmq("--url", managed.url, "queues").stdout
    assert "orders" in batonmq("--url", url, "export_definitions", "--vhost", "/").stdout


@pytest.mark.parametrize(("text", "code"), [("{", 2), ("[]", 2), ("[" * 100_000, 2), ('{"queues": 7}', 1)])
def test_a_file_that_holds_none_is_one_line(
    managed: Served, batonmq: Batonmq, tmp_path: Path, text: str, code: int
) -> None:
    (tmp_path / "broker.json").write_text(text)
    refused = batonmq("--url", managed.url, "definitions", "import", "broker.json")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (code, "", 1)


def test_who_may_not_is_told_so(managed: Served, batonmq: Batonmq) -> None:
    refused = batonmq("--url", managed.url.replace("guest:guest", "guest:no"), "definitions", "export")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    refused = batonmq("--url", "orders.db", "definitions", "export")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_what_is_left_out_is_said_line_by_line(managed: Served, batonmq: Batonmq, tmp_path: Path) -> None:
    arguments = {"x-queue-type": "stream"}
    stream = {"name": "clicks", "vhost": "/", "durable": True, "auto_delete": False, "arguments": arguments}
    (tmp_path / "broker.json").write_text(json.dumps({"rabbitmq_version": "4.3.0", "queues": [stream]}))
    done = batonmq("--url", managed.url, "definitions", "import", "broker.json")
    assert (done.returncode, done.stdout) == (0, "definitions of broker.json are in force\n")
    assert "clicks" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_url_that_is_not_that_of_the_http_api_is_one_line(managed: Served, batonmq: Batonmq) -> None:
    refused = batonmq("--url", f"http://guest:guest@127.0.0.1:{managed.port}", "definitions", "export")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "15672" in refused.stderr
    http = next(word for word in managed.banner.split() if word.startswith("http:"))
    refused = batonmq("--url", f"{http.replace('//', '//guest:guest@')}/index.html?", "definitions", "export")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
