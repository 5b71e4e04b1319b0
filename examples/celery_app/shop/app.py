"""The Celery application: where the broker is, and settings with which no task is lost."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_init
from kombu.entity import Queue

__all__ = ["app"]

BROKER = os.environ.get("BATONMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")

# Where tasks go that were handed out three times and never finished.
DEAD = Queue("shop.dead")
# Handed out again twice at most.
TASKS = Queue(
    "shop",
    max_priority=10,
    queue_arguments={"x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD.name},
)

app = Celery("shop", broker=BROKER, backend="rpc://", include=["shop.tasks"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A task that was sent is on the broker's disk.
    broker_transport_options={"confirm_publish": True},
    # A task is done when it has run, not when it was fetched; whose process dies, that goes to another.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # As many tasks as there are processes are fetched: what waits is there for other workers.
    worker_prefetch_multiplier=1,
    task_default_queue=TASKS.name,
    task_queues=[TASKS],
)


@worker_init.connect
def declare_dead_letters(**_: object) -> None:
    """Dead letters need a queue, or they are gone."""
    with app.connection_for_write() as connection:
        DEAD(connection.default_channel).declare()
