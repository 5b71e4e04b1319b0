"""A shop: orders are checked, charged and confirmed by mail. `batonmq run shop:app` sets it to work."""

from __future__ import annotations

import asyncio
import os

from pydantic import BaseModel, Field

import batonmq
from batonmq import aio

app = batonmq.Worker(os.environ.get("BATONMQ_URL", "shop.db"))

PRICES = {"tea": 4.2, "cup": 7.0}


class Order(BaseModel):
    """What a customer wants."""

    id: int
    items: list[str] = Field(min_length=1)
    customer: str


class Receipt(BaseModel):
    """What the customer pays."""

    order: int
    total: float


class Mail(BaseModel):
    """What the customer reads."""

    to: str
    text: str


@app.on_start
def declare(mq: batonmq.Connection) -> None:
    """The queues, each with one for what cannot be handled."""
    for queue in ("orders", "mails", "reports"):
        mq.declare(queue, dead_letter=f"{queue}.dead")


@app.handler("orders", concurrency=4, attempts=5, retry=batonmq.Backoff(1, max=60, jitter=0.5))
def take(order: Order) -> Receipt:
    """Take an order: the reply is the receipt."""
    unknown = set(order.items) - set(PRICES)
    if unknown:
        raise batonmq.InvalidMessage(f"the shop has no {', '.join(sorted(unknown))}")
    receipt = Receipt(order=order.id, total=sum(PRICES[item] for item in order.items))
    app.connection.send_json("mails", Mail(to=order.customer, text=f"Order {order.id}: {receipt.total:.2f}"))
    return receipt


@app.handler("mails", concurrency=20, attempts=3, timeout=30)
async def send_mail(mail: Mail, delivery: aio.Delivery) -> None:
    """Send a mail, in steps that are seen by whoever looks."""
    for step, name in enumerate(("connecting", "sending", "waiting for the receipt")):
        await delivery.progress(step / 3, f"{name}, to {mail.to}")
        await asyncio.sleep(0.01)


@app.handler("reports", schedule=batonmq.cron("30 8 * * mon-fri"))
def report() -> str:
    """Called by the clock, once each time, however many workers there are."""
    return f"{app.connection.count('orders')} orders wait"
