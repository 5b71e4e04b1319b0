"""The broker tab of Celery's Flower: its own code, unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.managed import ManagedServer

broker = pytest.importorskip("flower.utils.broker", reason="flower is not installed")


@pytest.mark.parametrize("vhost", ["/", "of-flower"])
def test_the_broker_tab_shows_queues(tmp_path: Path, vhost: str) -> None:
    with ManagedServer(tmp_path) as server:
        http = server.http()
        if vhost != "/":
            http("PUT", f"/api/vhosts/{vhost}", {})
        name = quote(vhost, safe="")
        for queue in ("celery", "other"):
            http("PUT", f"/api/queues/{name}/{queue}", {"durable": True})
        message = {"properties": {}, "routing_key": "celery", "payload": "x", "payload_encoding": "string"}
        assert http("POST", f"/api/exchanges/{name}/amq.default/publish", message).json == {"routed": True}
        api = f"http://guest:guest@127.0.0.1:{server.http_port}/api/"
        # Where it has "/" from the address of its broker, it asks for queues//.
        tab = broker.RabbitMQ(f"amqp://guest:guest@127.0.0.1:{server.port}/{vhost}", api)
        (queue,) = asyncio.run(tab.queues(["celery"]))
    # What its page has columns for.
    shown = {key: queue[key] for key in ("name", "messages", "messages_unacknowledged", "messages_ready", "consumers")}
    assert shown == {
        "name": "celery",
        "messages": 1,
        "messages_unacknowledged": 0,
        "messages_ready": 1,
        "consumers": 0,
    }
