"""Names of queues that a broker keeps for itself, through every engine of ours."""

from __future__ import annotations

import pytest

import batonmq
from batonmq.testing.contract import Place, is_not_there, needs


def test_a_reserved_name_is_refused_for_dead_letters_as_well(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter")
    if mq.capabilities.engine == "kafka":
        pytest.skip("a topic of Kafka may have a name that begins with amq.")
    queue = place.queue()
    with pytest.raises(batonmq.AccessRefused):
        mq.declare(queue, dead_letter="amq.reserved")
    is_not_there(mq, queue)
