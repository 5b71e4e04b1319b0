"""Queues in an application of Starlette: connected when it starts, drained when it stops.

app = Starlette(routes=..., lifespan=lifespan("amqp://broker.example"))

async def order(request: Request) -> Response:
    await connection(request).send_json("orders", await request.json())
    return Response(status_code=202)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypedDict

from batonmq import aio
from batonmq.api.applications.hosted import hosted
from batonmq.api.applications.worker import Worker

try:
    from starlette.requests import HTTPConnection
except ImportError as error:
    raise ImportError("batonmq.contrib.starlette needs Starlette: pip install starlette") from error

__all__ = ["State", "connection", "lifespan"]


class State(TypedDict):
    """The state that the lifespan adds to each request."""

    batonmq: aio.Connection


def lifespan(
    source: str | os.PathLike[str] | Worker,
    *,
    url: str | os.PathLike[str] | None = None,
    handlers: bool = False,
    drain: float | None = None,
) -> Callable[[object], AbstractAsyncContextManager[State]]:
    """A lifespan that connects when the application starts, and drains when it stops: ``Starlette(lifespan=...)``.

    ``source``: a URL as for ``batonmq.connect``, or a Worker, whose ``on_start`` functions are then called. ``url``:
    the URL of the worker's queues, instead of its own. ``handlers``: are the handlers of the worker called in this
    process: ``async def`` ones in the loop of the application, plain ones in threads? ``drain``: how many seconds
    handlers have to finish when the application stops; None: the worker's own setting.

    An application with a lifespan of its own enters this one in it, and yields its state along with its own. Raises
    TypeError for ``handlers`` without a Worker. The application does not start when the queues cannot be reached, or
    when a handler's queue does not exist.
    """
    if not isinstance(source, Worker) and (handlers or url is not None or drain is not None):
        raise TypeError("handlers=, url= and drain= are for a batonmq.Worker")

    @contextlib.asynccontextmanager
    async def running(_app: object) -> AsyncIterator[State]:
        if isinstance(source, Worker):
            async with hosted(source, url=url, handlers=handlers, drain=drain) as mq:
                yield State(batonmq=mq)
        else:
            async with aio.connect(source) as mq:
                yield State(batonmq=mq)

    return running


def connection(request: HTTPConnection) -> aio.Connection:
    """The connection of the application, in a request or a WebSocket. Raises RuntimeError without the lifespan."""
    found = getattr(request.state, "batonmq", None)
    if not isinstance(found, aio.Connection):
        raise RuntimeError(  # noqa: TRY004
            "there is no connection: the application needs lifespan=batonmq.contrib.starlette.lifespan(...)"
        )
    return found
