"""Orders over HTTP: `uvicorn web:app`. The handlers of the shop run in the same process."""

from __future__ import annotations

import shop
from fastapi import FastAPI, HTTPException

from batonmq.contrib.fastapi import Queues, lifespan

app = FastAPI(lifespan=lifespan(shop.app, handlers=True))


@app.post("/orders")
async def order(order: shop.Order, mq: Queues) -> shop.Receipt:
    """Wait for the receipt."""
    try:
        reply = await mq.request("orders", order.model_dump_json().encode(), timeout=5)
    except TimeoutError:
        raise HTTPException(504, "the shop has not answered") from None
    return reply.json(shop.Receipt)


@app.post("/orders/later", status_code=202)
async def order_later(order: shop.Order, mq: Queues) -> None:
    """Do not wait."""
    await mq.send_json("orders", order)
