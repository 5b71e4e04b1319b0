from __future__ import annotations

from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tests.support.managed import ManagedServer


@pytest.fixture
def channel(managed: ManagedServer) -> Iterator[BlockingChannel]:
    """A channel of a client of AMQP 0-9-1, with confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(managed.url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        if connection.is_open:
            connection.close()


@pytest.fixture
def queue(channel: BlockingChannel, unique_name: str) -> Iterator[str]:
    """A durable queue whose name has what paths lack: a slash, a percent sign, a space, a letter beyond ASCII."""
    name = f"{unique_name}/50 %ä"
    channel.queue_declare(name, durable=True)
    yield name
    if channel.is_open:
        channel.queue_delete(name)
