"""Virtual hosts that are made, described, limited and deleted while the broker runs."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import apsw
import pytest
from tests.support.driven import EVERYTHING, Driven
from tests.support.timed import Timed

from batonmq.broker import ManagedOperations, User
from batonmq.broker.operations.declarations import shown_arguments
from batonmq.broker.vhosts.metadata import Metadata
from batonmq.broker.vhosts.policy import read_policy
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.errors import AccessRefused, NotFound, PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store.records import Definition

ANN = User("ann", frozenset({"administrator"}), {"shop": EVERYTHING.permissions["/"]})


def operations(driven: Driven, vhost: str = "shop") -> ManagedOperations:
    return ManagedOperations(driven.broker.vhosts[vhost], ANN, driven)


def fill(driven: Driven, queues: int = 5, messages: int = 3) -> ManagedOperations:
    """A virtual host with something of each kind in it."""
    driven.broker.create_vhost("shop")
    shop = operations(driven)
    shop.declare_exchange("e", "topic", durable=True)
    shop.declare_exchange("f", "fanout", durable=True)
    shop.bind_exchange("f", "e", "a.#", {})
    shop.bind_exchange("f", "amq.topic", "a.#", {})
    shop.set_policy(read_policy("p", ".", {"max-length": 100}))
    shop.vhost.policies.set(read_policy("o", ".", {"max-length": 90}, of_operator=True))
    for number in range(queues):
        shop.declare_queue(f"q{number}", durable=True)
        shop.bind_queue(f"q{number}", "e", "a.b", {})
        route = shop.resolve("", f"q{number}")
        for _ in range(messages):
            shop.vhost.router.publish(message(), route.targets)
    driven.settle()
    return shop


def message(*, persistent: bool = True) -> Message:
    return Message("", "q", Properties.make(delivery_mode=2 if persistent else 1), b"x")


def restart(driven: Timed) -> None:
    driven.broker.close()
    driven.start()


def let_time_pass_at_each_look(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of work ends when some time has passed, which by hand it never does."""
    ticks = count(1)
    monkeypatch.setattr(driven.clock, "monotonic", lambda: 1_000 + next(ticks) / 1_000)


def kept(driven: Driven) -> list[tuple[str, str]]:
    """What the file has of the virtual host `shop`."""
    snapshot = driven.broker.store.open()
    found = [(definition.kind, definition.name) for definition in snapshot.definitions if definition.vhost == "shop"]
    return found + [("lane", record.queue) for record in snapshot.lanes if record.vhost == "shop"]


def test_one_that_was_made_is_there_after_a_restart(stored: Timed) -> None:
    said = Metadata("of the shop", ("eu", "live"), "quorum", tracing=True, protected=True)
    stored.broker.create_vhost("shop", said).set_limit("max-queues", 7)
    stored.settle()
    restart(stored)
    shop = stored.broker.vhosts["shop"]
    assert (shop.metadata, shop.limits) == (said, {"max-queues": 7})
    shop.describe(Metadata())
    shop.clear_limit("max-queues")
    stored.settle()
    restart(stored)
    assert (stored.broker.vhosts["shop"].metadata, stored.broker.vhosts["shop"].limits) == (Metadata(), {})


@pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 128])
def test_a_name_that_is_none(driven: Timed, name: str) -> None:
    with pytest.raises(PreconditionFailed, match="1 to 255 octets"):
        driven.broker.create_vhost(name)
    assert list(driven.broker.vhosts) == ["/"]


def test_one_that_is_there_is_not_made_again(driven: Timed) -> None:
    driven.broker.create_vhost("shop")
    with pytest.raises(PreconditionFailed, match="already"):
        driven.broker.create_vhost("shop")


@pytest.mark.parametrize(
    "asked",
    [{"default_queue_type": "stream"}, {"default_queue_type": ""}, {"tags": ("x",) * 65}, {"description": "x" * 4097}],
)
def test_metadata_that_cannot_be_kept(asked: dict[str, str]) -> None:
    with pytest.raises(PreconditionFailed):
        Metadata().changed(**asked)  # type: ignore[arg-type]


def test_metadata_keeps_what_is_not_said_anew() -> None:
    said = Metadata("text", ("a",), "quorum", tracing=True)
    assert said.changed(tags=("b",)) == Metadata("text", ("b",), "quorum", tracing=True)


def test_all_that_was_in_a_deleted_one_is_gone(stored: Timed) -> None:
    fill(stored)
    done: list[bool] = []
    deletion = stored.broker.delete_vhost("shop")
    deletion.when_done(lambda: done.append(True))
    assert "shop" not in stored.broker.vhosts
    assert not done
    stored.settle()
    assert done
    assert deletion.is_done
    deletion.when_done(lambda: done.append(True))
    assert len(done) == 2
    stored.broker.close()
    assert kept(stored) == []
    stored.broker.store.close(None)
    stored.start()
    shop = stored.broker.create_vhost("shop")
    assert (shop.queues, shop.policies.all(), shop.policies.all(of_operator=True)) == ({}, [], [])


@pytest.mark.parametrize("persistent", [True, False])
def test_many_messages_in_memory_are_forgotten_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, persistent: bool
) -> None:
    driven = Driven(tmp_path / "store", memory_limit=64 << 20)
    shop = fill(driven, queues=1, messages=0)
    shop.vhost.policies.clear("p")
    shop.vhost.policies.clear("o", of_operator=True)
    queue = shop.find_queue("q0")
    queue.publish_all([message(persistent=persistent) for _ in range(10_000)])
    driven.settle()
    let_time_pass_at_each_look(driven, monkeypatch)
    deletion = driven.broker.delete_vhost("shop")
    seen = []
    while not deletion.is_done:
        driven.turn()
        seen.append(queue.ready_count)
    assert len({count for count in seen if 0 < count < 10_000}) > 2
    assert driven.broker.scheduler.memory.used == 0
    driven.settle()
    driven.crash()
    assert "shop" not in driven.broker.vhosts
    driven.broker.close()
    db = apsw.Connection(str(tmp_path / "store"))
    assert db.execute("SELECT count(*) FROM message").get == 0
    db.close()


def test_a_deletion_goes_on_after_a_crash(stored: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(stored, queues=20)
    let_time_pass_at_each_look(stored, monkeypatch)
    deletion = stored.broker.delete_vhost("shop")
    while len(deletion.vhost.queues) > 10:
        stored.turn()
    assert 0 < len(deletion.vhost.queues) <= 10
    stored.crash()
    assert "shop" not in stored.broker.vhosts
    with pytest.raises(PreconditionFailed, match="still being deleted"):
        stored.broker.create_vhost("shop")
    for _ in range(300):
        stored.turn()
    assert stored.broker.create_vhost("shop").queues == {}


def test_a_deletion_that_was_never_kept_did_not_happen(stored: Timed) -> None:
    fill(stored)
    stored.broker.delete_vhost("shop")
    stored.crash()
    assert len(stored.broker.vhosts["shop"].queues) == 5
    assert stored.broker.vhosts["shop"].queues["q0"].ready_count == 3


def test_a_deletion_waits_for_a_disk_that_is_full(stored: Timed) -> None:
    fill(stored)
    deletion = stored.broker.delete_vhost("shop")
    stored.broker.end_turn()
    stored.fail()
    for _ in range(5):
        stored.broker.end_turn()
    assert not deletion.is_done
    assert len(deletion.vhost.queues) == 5
    stored.attempt()
    stored.settle()
    stored.wait(1.0)
    assert deletion.is_done


def test_a_name_of_the_configuration_is_free_at_once(stored: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has written it into the file while a broker that was killed had not deleted all of it."""
    fill(stored, queues=20)
    let_time_pass_at_each_look(stored, monkeypatch)
    deletion = stored.broker.delete_vhost("shop")
    while len(deletion.vhost.queues) > 10:
        stored.turn()
    stored.crash()
    shop = stored.broker.add_vhost("shop")
    shop.fix()
    assert shop.queues == {}
    shop.add_queue("q1", durable=True, auto_delete=False, owner=None, arguments={})
    for _ in range(300):
        stored.turn()
    stored.crash()
    assert list(stored.broker.vhosts["shop"].queues) == ["q1"]
    assert not stored.broker.vhosts["shop"].is_retired


def test_nothing_can_be_made_in_a_deleted_one(driven: Timed) -> None:
    shop = fill(driven)
    driven.broker.delete_vhost("shop")
    with pytest.raises(NotFound, match="deleted"):
        shop.declare_queue("late")
    with pytest.raises(NotFound, match="deleted"):
        shop.declare_exchange("late", "direct")
    driven.settle()
    with pytest.raises(NotFound, match="deleted"):
        shop.set_policy(read_policy("late", ".", {"max-length": 1}))
    with pytest.raises(NotFound, match="deleted"):
        shop.vhost.set_limit("max-queues", 1)
    with pytest.raises(NotFound):
        shop.resolve("e", "a.b")
    assert shop.resolve("", "q1").targets == []


def test_what_cannot_be_deleted(driven: Timed) -> None:
    driven.broker.add_vhost("filed").fix()
    driven.broker.create_vhost("kept", Metadata(protected=True))
    for name, said in (("/", "always there"), ("filed", "configuration file"), ("kept", "protected")):
        with pytest.raises(PreconditionFailed, match=said):
            driven.broker.delete_vhost(name)
    with pytest.raises(NotFound):
        driven.broker.delete_vhost("none")
    driven.broker.vhosts["kept"].describe(Metadata())
    driven.broker.delete_vhost("kept")


def test_its_name_is_free_when_the_host_has_said_its_last_words(driven: Timed) -> None:
    driven.broker.create_vhost("shop")
    said = []
    driven.broker.when_vhost_is_empty(lambda name, go: said.append((name, go)))
    deletion = driven.broker.delete_vhost("shop")
    driven.settle()
    ((name, go),) = said
    assert name == "shop"
    with pytest.raises(PreconditionFailed):
        driven.broker.create_vhost("shop")
    go()
    driven.settle()
    assert deletion.is_done
    driven.broker.create_vhost("shop")


def test_what_a_store_of_an_earlier_version_names_is_there(stored: Timed) -> None:
    """Such a store has no definitions of virtual hosts: one is there as something is in it."""
    value = {"type": "direct", "auto_delete": False, "internal": False}
    stored.broker.store.define(Definition("exchange", "old", "e", value))
    stored.settle()
    stored.crash()
    assert stored.broker.vhosts["old"].metadata == Metadata()
    stored.broker.delete_vhost("old")
    stored.settle()
    stored.crash()
    assert "old" not in stored.broker.vhosts


# ---------------------------------------------------------------------- limits and the type of queues


def test_queues_beyond_the_limit_are_refused(driven: Timed) -> None:
    vhost = driven.broker.vhosts["/"]
    driven.queue("a")
    vhost.set_limit("max-queues", 2)
    driven.queue("b")
    with pytest.raises(
        PreconditionFailed, match=r"cannot declare queue 'c': queue limit in vhost '/' \(2\) is reached"
    ):
        driven.queue("c")
    driven.queue("a")
    vhost.set_limit("max-queues", -1)
    driven.queue("c")
    vhost.set_limit("max-queues", 0)
    with pytest.raises(PreconditionFailed):
        driven.queue("d")
    vhost.clear_limit("max-queues")
    driven.queue("d")


@pytest.mark.parametrize(
    ("name", "value"),
    [("max-queues", "7"), ("max-queues", 1.5), ("max-queues", True), ("max-queues", None), ("max-channels", 1)],
)
def test_a_limit_that_is_none(driven: Timed, name: str, value: object) -> None:
    vhost = driven.broker.vhosts["/"]
    with pytest.raises(PreconditionFailed):
        vhost.set_limit(name, value)
    assert vhost.limits == {}


def quorum(driven: Timed) -> VirtualHost:
    vhost = driven.broker.vhosts["/"]
    vhost.describe(Metadata(default_queue_type="quorum"))
    return vhost


def test_the_type_of_queues_that_name_none(driven: Timed) -> None:
    quorum(driven)
    queue = driven.queue("orders")
    assert queue.settings.queue_type == "quorum"
    assert shown_arguments(queue.arguments) == {"x-queue-type": "quorum"}
    assert driven.queue("orders") is queue
    assert driven.queue("orders", x_queue_type="quorum") is queue
    assert driven.queue("own", x_queue_type="classic").settings.queue_type == "classic"
    # As in RabbitMQ: what no quorum queue can be stays a classic one.
    assert driven.queue("brief", durable=False).settings.queue_type == "classic"
    assert driven.operations.declare_queue("mine", durable=True, exclusive=True).settings.queue_type == "classic"
    assert driven.operations.declare_queue("", durable=True).settings.queue_type == "classic"


def test_who_names_no_type_asks_for_the_default_one(driven: Timed) -> None:
    """As in RabbitMQ 4.3: also where another has named it."""
    quorum(driven)
    named = driven.queue("orders", x_queue_type="quorum")
    assert driven.queue("orders") is named
    driven.broker.vhosts["/"].describe(Metadata(default_queue_type="classic"))
    with pytest.raises(PreconditionFailed, match="received 'classic' but current is 'quorum'"):
        driven.queue("orders")


def test_a_classic_queue_stays_one_when_the_type_changes(driven: Timed) -> None:
    before = driven.queue("orders")
    quorum(driven)
    assert driven.queue("orders") is before
    assert before.settings.queue_type == "classic"


def test_an_argument_for_classic_queues_alone(driven: Timed) -> None:
    quorum(driven)
    with pytest.raises(PreconditionFailed, match="x-max-priority"):
        driven.queue("orders", x_max_priority=5)
    with pytest.raises(NotFound):
        driven.operations.find_queue("orders")


def test_rights_are_asked_for_before_a_limit(driven: Timed) -> None:
    """Who may not declare learns nothing of limits."""
    driven.broker.vhosts["/"].set_limit("max-queues", 0)
    nobody = ManagedOperations(driven.broker.vhosts["/"], User("nobody"), driven)
    with pytest.raises(AccessRefused):
        nobody.declare_queue("q")
