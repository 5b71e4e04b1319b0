"""A call of ``receive`` that is not answered yet."""

from __future__ import annotations

from batonmq.engines.futures import Future
from batonmq.engines.values import Incoming
from batonmq.purity import mypyc_attr

__all__ = ["Receive"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Receive(Future[list[Incoming]]):
    """A request for up to that many messages."""

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
