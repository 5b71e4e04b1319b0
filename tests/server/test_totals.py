"""What exchanges, queues and the broker count of what clients do, whatever protocol they speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

from pamqp import commands as spec
from pamqp.common import FieldTable
from tests.server.echo import until
from tests.support.wire import Address, Wire

from batonmq.broker.model.churn import Churn
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.server.broker_server import Server
from batonmq.server.config import Config, ListenerConfig, ServerConfig, StompConfig, WebSocketConfig

Run = Callable[[Coroutine[object, object, None]], None]


def served(run: Run, tmp_path: Path, client: Callable[[int], None], look: Callable[[Server], None]) -> None:
    """A client does what it does and leaves; then ``look`` sees what was counted."""

    async def main() -> None:
        config = Config(
            server=ServerConfig(data=str(tmp_path)),
            listener=(ListenerConfig(port=0),),
            stomp=StompConfig(port="off"),
            websocket=WebSocketConfig(port="off"),
        )
        async with Server(config) as server:
            await asyncio.to_thread(client, server.ports[0])
            await until(lambda: not len(server.broker.clients))
            look(server)

    run(main())


def exchange(vhost: VirtualHost, name: str) -> tuple[int, int, int, int]:
    """What came, how many places in queues it got, what was returned, what was dropped."""
    counters = vhost.router.counters_of(name)
    return counters.published, counters.routed, counters.returned, counters.dropped


def test_what_comes_to_an_exchange_and_where_it_goes(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        with closing(Wire(Address("127.0.0.1", port), timeout=30).open()) as wire:
            channel = wire.channel()
            for name in ("a", "b"):
                channel.queue(name)
                channel.bind(name, "amq.fanout")
            channel.exchange("late", "fanout")
            channel.bind("a", "late")
            channel.bind_exchange("late", "amq.topic", "#")
            channel.select()
            for _ in range(5):
                channel.publish("a", b"to one queue")
            for _ in range(3):
                channel.publish("", b"to both", exchange="amq.fanout")
            channel.publish("nowhere", b"dropped")
            channel.publish("nowhere", b"returned", mandatory=True)
            channel.publish("k", b"over another exchange", exchange="amq.topic")
            channel.publish("", b"to one that is deleted", exchange="late")
            channel.call(spec.Exchange.Delete(exchange="late"))

    def look(server: Server) -> None:
        vhost = server.broker.vhosts["/"]
        assert exchange(vhost, "") == (7, 5, 1, 1)
        assert exchange(vhost, "amq.fanout") == (3, 6, 0, 0)
        assert exchange(vhost, "amq.topic") == (1, 1, 0, 0)
        assert exchange(vhost, "late") == (1, 1, 0, 0)
        assert vhost.queues["a"].counts().enqueued == 5 + 3 + 1 + 1
        assert server.broker.clients.counts_of_gone("/")["confirmed"] == 12

    served(run, tmp_path, client, look)


def test_a_transaction_counts_where_its_messages_were_published(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        with closing(Wire(Address("127.0.0.1", port), timeout=30).open()) as wire:
            channel = wire.channel()
            channel.queue("q")
            channel.call(spec.Tx.Select())
            channel.publish("q", b"x")
            channel.publish("nowhere", b"x")
            channel.call(spec.Tx.Commit())

    served(run, tmp_path, client, lambda server: _is(exchange(server.broker.vhosts["/"], ""), (2, 1, 0, 1)))


def test_how_a_queue_gave_its_messages_out(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        with closing(Wire(Address("127.0.0.1", port), timeout=30).open()) as wire:
            channel = wire.channel()
            # A priority has the messages take the path of the features.
            featured: FieldTable = {"x-max-priority": 3}
            for name, arguments in (("plain", None), ("featured", featured)):
                channel.queue(name, arguments=arguments)
                assert channel.get(name) is None
                for _ in range(4):
                    channel.publish(name, b"x")
                channel.ack(channel.get_one(name).tag)
                channel.get_one(name, no_ack=True)
                tag = channel.consume(name, no_ack=True)
                for _ in range(2):
                    channel.message()
                channel.cancel(tag)
                channel.publish(name, b"x")
                channel.consume(name)
                channel.ack(channel.message().tag)

    def look(server: Server) -> None:
        for name in ("plain", "featured"):
            counters = server.broker.vhosts["/"].queues[name].counts()
            assert (counters.enqueued, counters.delivered, counters.delivered_no_ack) == (5, 5, 2)
            assert (counters.fetched, counters.fetched_no_ack, counters.fetched_empty) == (2, 1, 1)
            assert counters.accepted == 5

    served(run, tmp_path, client, look)


def test_what_comes_and_goes(run: Run, tmp_path: Path) -> None:
    def client(port: int) -> None:
        with closing(Wire(Address("127.0.0.1", port), timeout=30).open()) as wire:
            first, second = wire.channel(), wire.channel(2)
            first.queue("q")
            second.queue("q")
            second.queue("mine", exclusive=True)
            first.close()

    def look(server: Server) -> None:
        churn: Churn = server.broker.clients.churn
        assert (churn.connections_opened, churn.connections_closed) == (1, 1)
        assert (churn.channels_opened, churn.channels_closed) == (2, 2)
        assert (churn.queues_declared, churn.queues_created, churn.queues_deleted) == (3, 2, 1)

    served(run, tmp_path, client, look)


def _is(found: object, expected: object) -> None:
    assert found == expected
