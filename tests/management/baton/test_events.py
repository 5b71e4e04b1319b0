"""The stream of events: what comes, to whom, how it lives, and how a client that does not read is let go."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until

from batonmq.broker.model.events import LISTENERS_MAX
from batonmq.management.baton import events
from batonmq.server.authenticator import Authenticator


class Listener:
    """A client of server-sent events."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def next(self) -> dict[str, str]:
        """The fields of what comes next; a comment is the field of no name."""
        fields: dict[str, str] = {}
        while line := self._response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def event(self, kind: str) -> tuple[dict[str, str], Any]:
        """The next one of that kind, and what it says."""
        for _ in range(1_000):
            fields = self.next()
            if fields.get("event") == kind:
                return fields, json.loads(fields["data"])
        raise AssertionError(f"no {kind}")


@contextmanager
def listening(server: ManagedServer, query: str = "", user: str = "guest", **headers: str) -> Iterator[Listener]:
    client = Http(server.http_port, user, "guest" if user == "guest" else "sesame")
    client.connection.request("GET", f"/api/baton/events{query}", None, {**client.headers, **headers})
    response = client.connection.getresponse()
    assert (response.status, response.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
    listener = Listener(response)
    assert "retry" in listener.next()
    try:
        yield listener
    finally:
        client.close()


def test_what_happens_to_a_queue_comes_as_it_happens(
    managed: ManagedServer, http: Http, channel: BlockingChannel, unique_name: str
) -> None:
    with listening(managed, "?kinds=queue,messages.done") as listener:
        channel.queue_declare(unique_name, durable=True)
        fields, declared = listener.event("queue.declared")
        assert (declared["queue"], declared["vhost"], declared["kind"]) == (unique_name, "/", "queue.declared")
        where = f"/api/baton/queues/%2F/{quote(unique_name, safe='')}"
        http("POST", f"{where}/pause")
        number, paused = listener.event("queue.paused")
        assert int(number["id"]) > int(fields["id"])
        assert (paused["queue"], paused["user"]) == (unique_name, "guest")
        http("POST", f"{where}/purge")
        assert listener.event("messages.done")[1]["operation"] == "purge"
        channel.queue_delete(unique_name)
        listener.event("queue.deleted")


def test_after_a_break_it_goes_on_where_it_was(
    managed: ManagedServer, channel: BlockingChannel, unique_name: str
) -> None:
    with listening(managed, "?kinds=queue.declared") as listener:
        channel.queue_declare(unique_name, exclusive=True)
        number = listener.event("queue.declared")[0]["id"]
    for end in "ab":
        channel.queue_declare(unique_name + end, exclusive=True)
    with listening(managed, "?kinds=queue.declared", **{"Last-Event-ID": number}) as listener:
        assert [listener.next()["event"] for _ in range(2)] == ["queue.declared"] * 2
    with listening(managed, "?kinds=queue.declared", **{"Last-Event-ID": "1"}) as listener:
        assert listener.next()["event"] == "missed"
    for nonsense in ("x", "9" * 40, "²"):
        with listening(managed, f"?kinds=queue.declared&last_event_id={quote(nonsense)}") as listener:
            channel.queue_declare(unique_name + "c", exclusive=True)
            channel.queue_delete(unique_name + "c")
            listener.event("queue.declared")


def test_only_who_monitors_sees_what_is_of_others(
    managed: ManagedServer, channel: BlockingChannel, unique_name: str
) -> None:
    with (
        listening(managed, "?kinds=queue,users,connection,policy", "a-management") as limited,
        listening(managed, "?kinds=queue,users,connection,policy", "a-monitoring") as monitor,
    ):
        managed.loop.call_soon_threadsafe(
            lambda: managed.server.broker.add_vhost("other").scheduler.events.tell(
                "queue.declared", vhost="other", queue="secret"
            )
        )
        managed.loop.call_soon_threadsafe(managed.server.broker.rights_changed)
        assert monitor.event("queue.declared")[1]["queue"] == "secret"
        monitor.event("users.changed")
        channel.queue_declare(unique_name, exclusive=True)
        assert monitor.event("queue.declared")[1]["queue"] == unique_name
        first = limited.next()
        assert (first["event"], json.loads(first["data"])["queue"]) == ("queue.declared", unique_name)


def test_lines_of_the_log_come_to_who_may_see_them(managed: ManagedServer, unique_name: str) -> None:
    with listening(managed, "?kinds=log", "a-monitoring") as listener:
        logging.getLogger("batonmq.test").warning("%s token=sesame", unique_name)
        fields, line = listener.event("log")
        while unique_name not in line["message"]:
            fields, line = listener.event("log")
        assert (line["level"], line["message"]) == ("warning", f"{unique_name} token=***")
        assert "id" not in fields
    with Http(managed.http_port, "a-management", "sesame") as user:
        assert user("GET", "/api/baton/events?kinds=log").status == 401


def test_a_stream_in_which_nothing_happens_says_that_it_lives(
    managed: ManagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)
    with listening(managed, "?kinds=alarm") as listener:
        assert "" in listener.next()


def test_who_does_not_read_is_let_go_and_told_so(managed: ManagedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WAITING_MAX", 5)

    def tell() -> None:
        for _ in range(6):
            managed.server.broker.events.tell("alarm.raised", alarm="none")

    with listening(managed, "?kinds=alarm") as listener:
        managed.loop.call_soon_threadsafe(tell)
        assert "waiting" in listener.event("dropped")[1]["reason"]
        assert listener.next() == {}


def test_a_user_who_is_deleted_hears_no_more(managed: ManagedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(managed, user="a-management") as listener:
        monkeypatch.setattr(Authenticator, "find", lambda *_: None)
        managed.loop.call_soon_threadsafe(managed.server.broker.rights_changed)
        listener.event("closed")
        assert listener.next() == {}


@pytest.mark.parametrize("kinds", ["nothing", "queue,nothing", ",", "queue.paused.x"])
def test_kinds_that_there_are_not_are_refused(http: Http, kinds: str) -> None:
    answer = http("GET", f"/api/baton/events?kinds={kinds}")
    assert (answer.status, answer.json["error"]) == (400, "bad_request")


def test_only_so_many_listen_and_those_who_leave_make_room(
    managed: ManagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.broker.model.events.LISTENERS_MAX", 3)
    assert LISTENERS_MAX > 3

    with listening(managed), listening(managed), listening(managed), Http(managed.http_port) as late:
        answer = late("GET", "/api/baton/events")
        assert (answer.status, answer.json["error"]) == (503, "too_many_listeners")
    until(lambda: len(managed.server.broker.events._listeners) == 0)
    with listening(managed):
        pass


def test_head_tells_what_it_is_and_nothing_more(managed: ManagedServer) -> None:
    with managed.http() as http:
        answer = http("HEAD", "/api/baton/events")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        # On the same connection.
        assert http.get("/api/whoami")["name"] == "guest"
