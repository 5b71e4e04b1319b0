"""What is refused: one message among others, all of them for one of them, and those that find no room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.engines.proxy import Proxy
from tests.shovels.at_work import Refusing, carry, settings_of, shovel_all, shovelling
from tests.support.broker import Broker
from tests.support.drained import drained
from tests.support.waiting import until

import batonmq
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, ConnectionLost, PreconditionFailed, ResourceError
from batonmq.shovels import ends
from batonmq.shovels.carrying import REASON_HEADER
from batonmq.shovels.rules import Rules

BODIES = [b"%d" % number for number in range(10)]


class AllForOne(Refusing):
    """What is sent along with a message that it refuses is refused too, as with a channel that is closed for one."""

    def __init__(self, lost: BatonError | None = None) -> None:
        """``lost``: what the others hear; None: as the one."""
        super().__init__(lambda body: PreconditionFailed("it is bad") if body == b"bad" else None)
        self._lost = lost

    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        bodies = [one.message.body for one in messages]
        if b"bad" not in bodies:
            return super().send(messages)
        return [PreconditionFailed("it is bad") if body == b"bad" or not self._lost else self._lost for body in bodies]


def fill(path: str, bodies: Sequence[bytes]) -> None:
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send_many("orders", bodies)


@pytest.mark.parametrize("lost", [None, ConnectionLost("the channel was closed")])
def test_what_goes_along_with_a_bad_message_is_moved(tmp_path: Path, lost: BatonError | None) -> None:
    path = str(tmp_path / "edge.db")
    fill(path, [b"1", b"2", b"bad", b"3", b"bad", b"4", *(b"%d" % number for number in range(5, 40))])
    target = AllForOne(lost)
    progress = carry(path, target)
    assert target.arrived == [b"%d" % number for number in range(1, 40)]
    assert (progress.total, progress.aside) == (39, 2)
    assert [message.body for message in drained(path, "orders.unmoved")] == [b"bad", b"bad"]


def test_messages_stay_in_order_where_there_is_room_for_one_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.db")
    fill(path, [b"%d" % number for number in range(12)])
    room = 0

    def refusal(_body: bytes) -> BatonError | None:
        nonlocal room
        room -= 1
        return ResourceError("full") if room < 0 else None

    class Full(Refusing):
        def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
            nonlocal room
            # Somebody takes one of them whenever a batch has come.
            room = max(room, 0) + 1
            return super().send(messages)

    target = Full(refusal)
    carry(path, target)
    assert target.arrived == [b"%d" % number for number in range(12)]


def test_a_message_too_large_for_the_broker_is_set_aside_and_no_other(tmp_path: Path) -> None:
    path, broker = str(tmp_path / "edge.db"), Broker(tmp_path, "[amqp]\nmax_message_size = 100000\n")
    url = broker.start().url
    try:
        fill(path, [*BODIES, bytes(100_001), *BODIES])
        shovel = shovel_all(settings_of(path, url))
        assert [message.body for message in drained(url, "orders")] == [*BODIES, *BODIES]
        (large,) = drained(path, "orders.unmoved")
        assert "100000" in str(large.headers[REASON_HEADER])
        assert (shovel.moved, shovel.progress.aside, shovel.restarts) == (20, 1, 0)
    finally:
        broker.kill()


def test_a_target_that_confirms_nothing_counts_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, broker = str(tmp_path / "edge.db"), Broker(tmp_path)
    proxy = Proxy(broker.start().port)
    try:
        fill(path, BODIES)
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        with shovelling(settings_of(path, url, idle=None)) as shovel, batonmq.connect(path) as here:
            until(lambda: shovel.moved == len(BODIES))
            # Not before: a slow disk is no target that has fallen silent.
            monkeypatch.setattr(ends, "PATIENCE", 0.2)
            proxy.hold()
            here.send("orders", b"late")
            until(lambda: "was terminated: there was no answer within 0.4 s" in caplog.text)
            # It holds nothing while nobody answers, and goes on when somebody does.
            until(lambda: here.count("orders") == 1)
            proxy.cut()
            until(lambda: shovel.moved == len(BODIES) + 1)
        # What was on its way when the target fell silent may be there twice.
        assert {message.body for message in drained(broker.address.url, "orders")} == {*BODIES, b"late"}
    finally:
        broker.kill()
        proxy.close()


def test_the_dead_letters_of_a_queue_with_a_long_name_have_a_name_that_fits() -> None:
    assert Rules().beside("orders") == "orders.unmoved"
    assert Rules().beside("ü" * 127) == "ü" * 123 + ".unmoved"
    assert len(Rules().beside("q" * 255)) == 255


def test_dead_letters_are_no_messages_of_the_source() -> None:
    with pytest.raises(ValueError, match="dead_letters is the queue that messages come from"):
        settings_of("a.db", "b.db", "orders", rules=Rules(dead_letters="orders"))


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 5e-324])
def test_a_rate_is_one_that_can_be_kept_to(value: float) -> None:
    with pytest.raises(ValueError, match=r"byte_rate is 1e-06 to 1e\+12"):
        Rules(byte_rate=value)
