"""Metrics of shovels: their number, as in RabbitMQ's plugin, and the state of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batonmq.management.metrics.families import Family, Figure, Scope, Source
from batonmq.shovels.running import Kind, RunningShovel

__all__ = ["SHOVELS"]

GROUPS = ("shovel_metrics",)

# A state, and the number of shovels in it.
_State = tuple[str, int]


def _shovels(scope: Scope) -> list[RunningShovel]:
    found = scope.context.shovels.all()
    return [one for one in found if scope.vhosts is None or one.vhost in scope.vhosts]


def _states(kind: Kind) -> Source[_State]:
    async def objects(scope: Scope) -> Sequence[_State]:
        return sorted(Counter(one.status.state for one in _shovels(scope) if one.kind == kind).items())

    return Source[_State](
        families=(Family(f"rabbitmq_shovel_{kind}", "gauge", f"Number of {kind} shovels", GROUPS),),
        labels=("status",),
        objects=objects,
        name=lambda one: (one[0],),
        read=lambda one: (one[1],),
    )


async def _each(scope: Scope) -> Sequence[RunningShovel]:
    return _shovels(scope)


def _read(shovel: RunningShovel) -> tuple[Figure, ...]:
    counts = shovel.progress.counts
    return int(shovel.status.state == "running"), shovel.moved, counts.pending, counts.set_aside, shovel.restarts


SHOVELS = (
    _states("dynamic"),
    _states("static"),
    Source[RunningShovel](
        families=(
            Family("batonmq_shovel_running", "gauge", "1 while the shovel runs", GROUPS),
            Family("batonmq_shovel_forwarded_total", "counter", "Messages that the other side has confirmed", GROUPS),
            Family("batonmq_shovel_pending", "gauge", "Messages on their way", GROUPS),
            Family("batonmq_shovel_set_aside", "gauge", "Messages set aside since the shovel last began", GROUPS),
            Family("batonmq_shovel_restarts_total", "counter", "How often it has begun anew after a failure", GROUPS),
        ),
        labels=("vhost", "shovel"),
        objects=_each,
        name=lambda shovel: (shovel.vhost, shovel.name),
        read=_read,
    ),
)
