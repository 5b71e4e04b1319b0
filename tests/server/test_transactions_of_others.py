"""Deliveries of one channel that the transaction of another one accepts: a request of BatonMQ's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from batonmq.testing import RunningServer


@contextmanager
def channels(server: RunningServer) -> Iterator[tuple[BlockingChannel, BlockingChannel]]:
    """One that holds a delivery of the queue q, with tag 1, and one that is transactional."""
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        holder, transactional = connection.channel(), connection.channel()
        holder.queue_declare("q")
        holder.basic_publish("", "q", b"17")
        assert holder.basic_get("q")[2] == b"17"
        transactional.tx_select()
        yield holder, transactional


def accept(transactional: BlockingChannel, holder: BlockingChannel, tag: int = 1) -> None:
    request = {"operation": "deliveries.accept", "channel": holder.channel_number, "delivery_tag": tag}
    transactional.basic_publish("batonmq.management", "", json.dumps(request))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path) as server:
        yield server


def test_a_commit_accepts_it_with_what_it_sends(server: RunningServer) -> None:
    with channels(server) as (holder, transactional):
        accept(transactional, holder)
        transactional.basic_publish("", "q", b"18")
        transactional.tx_commit()
        assert holder.basic_get("q", auto_ack=True)[2] == b"18"
        # It is settled: its channel does not know it any more.
        holder.basic_ack(1)
        with pytest.raises(ChannelClosedByBroker, match="unknown delivery tag 1"):
            holder.queue_declare("q", passive=True)


def test_after_a_rollback_it_is_where_it_was(server: RunningServer) -> None:
    with channels(server) as (holder, transactional):
        accept(transactional, holder)
        transactional.tx_rollback()
        holder.basic_reject(1, requeue=True)
        assert holder.basic_get("q", auto_ack=True)[2] == b"17"


def test_one_whose_channel_ended_goes_back_to_its_queue_after_a_rollback(server: RunningServer) -> None:
    with channels(server) as (holder, transactional):
        accept(transactional, holder)
        transactional.queue_declare("q", passive=True)
        holder.close()
        assert transactional.basic_get("q") == (None, None, None)
        transactional.tx_rollback()
        method, _, body = transactional.basic_get("q")
        assert (method.redelivered, body) == (True, b"17")


def test_one_whose_channel_ended_is_accepted_by_the_commit(server: RunningServer) -> None:
    with channels(server) as (holder, transactional):
        accept(transactional, holder)
        transactional.queue_declare("q", passive=True)
        holder.close()
        transactional.tx_commit()
        assert transactional.queue_declare("q", passive=True).method.message_count == 0


def test_what_nobody_holds_ends_the_transaction(server: RunningServer) -> None:
    with channels(server) as (holder, transactional):
        accept(transactional, holder, tag=7)
        with pytest.raises(ChannelClosedByBroker, match="no delivery 7 on channel 1"):
            transactional.tx_commit()


def test_no_other_request_is_part_of_a_transaction(server: RunningServer) -> None:
    request = b'{"operation": "queues.purge", "queue": "q"}'
    # Error 540 is one that ends the connection.
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    channel = connection.channel()
    channel.tx_select()
    channel.basic_publish("batonmq.management", "", request)
    with pytest.raises(ConnectionClosedByBroker, match="cannot be part of a transaction"):
        channel.tx_commit()
