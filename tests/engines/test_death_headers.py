"""What a message that is moved or replayed leaves behind: the record of its death, and what it asked for once."""

from __future__ import annotations

import pytest

from batonmq.engines.death_headers import without_death_headers
from batonmq.properties import Properties


@pytest.mark.parametrize(
    "name",
    [
        "x-death",
        "x-first-death-queue",
        "x-last-death-reason",
        "x-delivery-count",
        "x-delay",
        "x-deliver-at",
        "x-deduplication-header",
        "AMQ_SCHEDULED_DELAY",
        "AMQ_SCHEDULED_PERIOD",
        "AMQ_SCHEDULED_REPEAT",
        "AMQ_SCHEDULED_CRON",
    ],
)
def test_what_is_left_behind(name: str) -> None:
    properties = Properties.make(headers={name: "1", "own": 1}, priority=3)
    assert without_death_headers(properties).headers == {"own": 1}
    assert without_death_headers(properties).priority == 3
    assert without_death_headers(Properties.make(headers={name: "1"})).headers is None


def test_other_headers_go_along_untouched() -> None:
    properties = Properties.make(headers={"own": 1, "x-own": 2})
    assert without_death_headers(properties) is properties
