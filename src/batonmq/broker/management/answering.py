"""Carries out a management request; the requester gets one answer, when the change is on the disk.

Requests come as messages (``target.py``) or from a server's other interfaces, with the same rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.clients import CLIENT_OPERATIONS
from batonmq.broker.management.delayed import DELAYED_OPERATIONS
from batonmq.broker.management.deliveries import DELIVERY_OPERATIONS
from batonmq.broker.management.insight import INSIGHT_OPERATIONS
from batonmq.broker.management.listings import LISTING_OPERATIONS
from batonmq.broker.management.policies import POLICY_OPERATIONS
from batonmq.broker.management.queues import QUEUE_OPERATIONS
from batonmq.broker.management.request import Request
from batonmq.broker.management.routing import ROUTING_OPERATIONS
from batonmq.broker.management.status import STATUS_OPERATIONS
from batonmq.errors import BrokerError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.management.request import Answer
    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.operations.operations import Operations

OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    **QUEUE_OPERATIONS,
    **DELAYED_OPERATIONS,
    **INSIGHT_OPERATIONS,
    **POLICY_OPERATIONS,
    **DELIVERY_OPERATIONS,
    **LISTING_OPERATIONS,
    **ROUTING_OPERATIONS,
    **CLIENT_OPERATIONS,
    **STATUS_OPERATIONS,
}


def carry_out(
    operations: Operations,
    operation: str,
    fields: Mapping[str, object],
    reply: Callable[[Answer], None],
    refuse: Callable[[BrokerError | StoreError], None],
) -> None:
    """Carry out a request, at once or over several turns; then call either ``reply`` or ``refuse``, once.

    ``operation`` is one of OPERATIONS, ``fields`` its parameters: JSON values, not yet checked.
    """
    scheduler = operations.vhost.scheduler
    store = scheduler.store
    changes = store.changes

    def when_kept(answer: Answer) -> None:
        _WhenKept(scheduler, reply, refuse, answer)

    try:
        answer = OPERATIONS[operation](Request(operations, fields, reply, when_kept, refuse))
    except (BrokerError, StoreError) as error:
        refuse(error)
        return
    if answer is None:
        return
    if store.changes != changes:
        when_kept(answer)
    else:
        reply(answer)


class _WhenKept:
    """Answers once the change is on disk."""

    __slots__ = ("_answer", "_batch", "_refuse", "_reply", "_scheduler")

    def __init__(
        self,
        scheduler: Scheduler,
        reply: Callable[[Answer], None],
        refuse: Callable[[BrokerError | StoreError], None],
        answer: Answer,
    ) -> None:
        self._scheduler = scheduler
        self._reply = reply
        self._refuse = refuse
        self._answer = answer
        self._batch = scheduler.store.batch
        scheduler.commits.wait(self)
        scheduler.wake()

    def batch_committed(self, batch: int) -> None:
        if batch < self._batch:
            self._scheduler.commits.wait(self)
        else:
            self._reply(self._answer)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        if batch < self._batch:
            self._scheduler.commits.wait(self)
        else:
            self._refuse(StoreError(str(error), f"it could not be kept: {error.reason}"))
