"""batonmq status and batonmq health: on a broker, and on a file."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path

from tests.cli.conftest import Batonmq, Served
from tests.support.wire import Address, Wire

import batonmq as api
from batonmq import __version__


def test_the_status_tells_what_a_broker_has_and_where_it_is(
    served: Served, batonmq: Batonmq, served_folder: Path
) -> None:
    batonmq("--url", served.url, "send", "hello", "hi")
    rows = dict(line.split("  ", 1) for line in batonmq("--url", served.url, "status").stdout.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["at"] == served.url.replace("guest:guest", "guest:***")
    assert rows["version"] == f"BatonMQ {__version__}"
    assert rows["data"] == str(served_folder / "data")
    assert rows["listens"] == f"amqp://127.0.0.1:{served.port}"
    assert rows["messages"] == "1 ready, 0 unsettled, 0 delayed"
    assert rows["connections"] == "1, with 1 channel"
    assert rows["alarms"] == "none"
    found = json.loads(batonmq("status", "--json", "--url", served.url).stdout)
    assert (found["queues"], found["ready"], found["store"]["fault"]) == (1, 1, None)
    assert found["process"] == served.process.pid
    assert 0 <= found["memory"]["used"] < found["memory"]["limit"]


def test_a_user_without_a_tag_sees_its_own_part(own_served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", own_served.url, "send", "hello", "hi")
    for command in (["add", "ann", "--password-stdin"], ["permit", "ann", "--read", "", "--write", "batonmq|default"]):
        assert batonmq("users", *command, "--data", "data", stdin="secret\n").returncode == 0
    url = own_served.url.replace("guest:guest", "ann:secret")
    done = batonmq("--url", url, "status", "--json")
    found = json.loads(done.stdout)
    assert not {"data", "addresses", "process"} & set(found)
    assert (found["connections"], found["vhosts"]) == (1, 1)
    assert batonmq("--url", url, "health").returncode == 0


def test_a_file_has_a_status_too(batonmq: Batonmq) -> None:
    batonmq("--url", "orders.db", "send", "hello", "--count", "1500", "hi")
    rows = batonmq("--url", "orders.db", "status").stdout
    assert "1,500 ready" in rows
    assert "version" not in rows
    assert batonmq("--url", "orders.db", "health").stdout == "ok: orders.db\n"


def test_a_broker_that_is_well_says_so_in_one_line(served: Served, batonmq: Batonmq) -> None:
    done = batonmq("--url", served.url, "health")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ok: 127.0.0.1:{served.port}\n", "")
    assert batonmq("--url", served.url, "ping").returncode == 0


def test_a_broker_that_is_gone_or_refuses_is_not_well(served: Served, batonmq: Batonmq) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"amqp://127.0.0.1:{port}/", served.url.replace("guest:guest", "guest:wrong"), served.url + "none"):
        done = batonmq("--url", url, "health")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1


def test_a_broker_that_hangs_is_not_waited_for_beyond_the_time(batonmq: Batonmq) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = batonmq("--url", f"amqp://127.0.0.1:{silent.getsockname()[1]}/", "health", "--timeout", "0.3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no answer within 0.3 s" in done.stderr


def test_exchanges_bindings_channels_and_consumers_are_listed(served: Served, batonmq: Batonmq) -> None:
    with api.connect(served.url) as mq:
        mq.declare("hello")
        with mq.receiver("hello", prefetch=7) as receiver:
            threading.Event().wait(0)
            receiver.receive(wait=0)
            assert receiver.queue == "hello"
            consumers = json.loads(batonmq("--url", served.url, "consumers", "--json").stdout)
            channels = json.loads(batonmq("--url", served.url, "channels", "--json").stdout)
            (row,) = batonmq("--url", served.url, "consumers").stdout.splitlines()[1:]
    (consumer,) = consumers
    assert (consumer["queue"], consumer["prefetch"], consumer["acknowledges"]) == ("hello", 7, True)
    assert consumer["connection"] in {channel["connection"] for channel in channels}
    assert any(channel["consumers"] == 1 for channel in channels)
    assert row.split()[0] == "hello"
    assert " amq.topic " in " ".join(batonmq("--url", served.url, "exchanges").stdout.split())
    head, *rows = batonmq("--url", served.url, "bindings").stdout.splitlines()
    assert (head.split()[0], rows) == ("EXCHANGE", [])


def test_connections_are_closed_by_their_name_their_user_or_all(served: Served, batonmq: Batonmq) -> None:
    for arguments in (["{name}"], ["{peer}"], ["--user", "guest"], ["--all", "--reason", "for the night"]):
        # Not by the API, which would connect again.
        wire = Wire(Address("127.0.0.1", served.port)).open()
        with contextlib.closing(wire):
            port = str(wire.socket.getsockname()[1])
            (found,) = (
                one
                for one in json.loads(batonmq("--url", served.url, "connections", "--json").stdout)
                if one["peer"].rpartition(":")[2] == port
            )
            filled = [part.format(name=found["connection"], peer=found["peer"]) for part in arguments]
            done = batonmq("--url", served.url, "close-connection", *filled)
            assert done.returncode == 0, done.stderr
            left = json.loads(batonmq("--url", served.url, "connections", "--json").stdout)
            # Its client has not answered yet.
            assert found["connection"] not in [one["connection"] for one in left if one["state"] != "closing"]
    refused = batonmq("--url", served.url, "close-connection", "nobody")
    assert (refused.returncode, refused.stderr) == (1, "batonmq: no connection 'nobody'\n")
    assert batonmq("--url", served.url, "close-connection").returncode == 2
    assert batonmq("--url", served.url, "close-connection", "x", "--all").returncode == 2
