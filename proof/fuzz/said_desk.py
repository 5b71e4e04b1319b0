"""An engine of AMQP 1.0 as products see it, whose broker says what an input tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from batonmq.engines.amqp10.products.desk import Announced, Answer, Desk, Opening, Terms
from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.protocols.amqp10.codec.encoding import encode
from batonmq.protocols.amqp10.codec.performatives import Source, Target
from batonmq.protocols.amqp10.codec.sections import APPLICATION_PROPERTIES, VALUE, Sections
from batonmq.protocols.amqp10.codec.values import Described, ULong
from proof.fuzz.target import ensure

__all__ = ["SaidDesk"]


class SaidDesk(Desk):
    """An engine whose broker gives the answers of an input, one after the other, and the last one for ever."""

    announced = Announced()
    has_coordinator = False
    terms = Terms()

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def _next(self) -> bytes:
        self.asked += 1
        ensure(self.asked < 1000, "a broker is asked without end")
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def call(self, function: Callable[[], None]) -> None:
        function()

    def ask(
        self,
        target: Target,
        body: object = None,
        *,
        application: Mapping[str, object] | None = None,
        properties: Mapping[str, object] | None = None,
        within: float | None = None,
    ) -> Future[Sections]:
        said = self._next()
        succeeded = {"_AMQ_OperationSucceeded": not said.startswith(b"!")}
        value = said.removeprefix(b"!").decode(errors="replace")
        if value.startswith("="):
            value = json.dumps([value[1:]])
        made = Described(ULong(APPLICATION_PROPERTIES), succeeded), Described(ULong(VALUE), value)
        future: Future[Sections] = Future()
        future.resolve(Sections(b"".join(encode(one) for one in made)))
        return future

    def ask_pair(self, method: str, path: str, body: object = None, node: str = "/management") -> Future[Answer]:
        raise NotImplementedError

    def probe(self, terminus: Source | Target) -> Future[None]:
        raise NotImplementedError

    def send(self, target: Target, payloads: Sequence[bytes], queue: str) -> Future[None]:
        raise NotImplementedError

    def look(self, opening: Opening, most: int) -> Future[list[Message]]:
        raise NotImplementedError

    def later(self, seconds: float) -> Future[None]:
        raise NotImplementedError
