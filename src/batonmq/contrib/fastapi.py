"""Queues in an application of FastAPI: connected when it starts, drained when it stops, and a parameter of routes.

app = FastAPI(lifespan=lifespan("amqp://broker.example"))

@app.post("/orders", status_code=202)
async def order(order: Order, mq: Queues) -> None:
    await mq.send_json("orders", order)
"""

from __future__ import annotations

from typing import Annotated

from batonmq import aio
from batonmq.contrib.starlette import State, connection, lifespan

try:
    from fastapi import Depends
except ImportError as error:
    raise ImportError("batonmq.contrib.fastapi needs FastAPI: pip install 'batonmq[fastapi]'") from error

__all__ = ["Queues", "State", "connection", "lifespan"]

Queues = Annotated[aio.Connection, Depends(connection)]
"""The connection of the application, as a parameter of a route."""
