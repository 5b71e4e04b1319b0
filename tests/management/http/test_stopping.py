"""Requests that are under way when the server stops."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.support.managed import Answer, Http, ManagedServer
from tests.support.waiting import until

QUEUES = 2_000
DEFINITIONS = {
    "queues": [
        {"vhost": "/", "name": f"q{number}", "durable": True, "auto_delete": False, "arguments": {}}
        for number in range(QUEUES)
    ]
}


def stopped_meanwhile(server: ManagedServer) -> Answer:
    """What who brings definitions is told when the server is stopped in the middle of that."""
    answers: list[Answer] = []

    def bring() -> None:
        with Http(server.http_port) as http:
            answers.append(http("POST", "/api/definitions", DEFINITIONS))

    server.start()
    bringing = threading.Thread(target=bring)
    bringing.start()
    until(lambda: "q0" in server.server.broker.vhosts["/"].queues)
    server.stop()
    bringing.join()
    return answers[0]


def test_a_change_that_is_under_way_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batonmq.management.service.FINISH_SECONDS", 40.0)
    assert stopped_meanwhile(ManagedServer(tmp_path)).status == 204
    with ManagedServer(tmp_path) as again:
        assert len(again.http().get("/api/definitions")["queues"]) == QUEUES


def test_a_change_for_which_there_is_no_time_is_not_said_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.management.service.FINISH_SECONDS", 0.0)
    answer = stopped_meanwhile(ManagedServer(tmp_path))
    assert (answer.status, answer.json["reason"]) == (503, "the broker is stopping")
