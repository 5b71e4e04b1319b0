"""What a commit may be on a host's loop: a few rows, with nothing else to do for the disk."""

from __future__ import annotations

from pathlib import Path

from proof.disk import Disk
from tests.support.driven import Driven

from batonmq.store import SqliteStore
from batonmq.store.batch import BRIEF_ROWS
from batonmq.store.sqlite import BRIEF_BYTES
from batonmq.store.write_ahead_log import BRIEF_PAGES


def store_of(driven: Driven) -> SqliteStore:
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    return store


def test_a_few_messages_are_brief_and_more_are_not(driven: Driven) -> None:
    store = store_of(driven)
    for _ in range(BRIEF_ROWS):
        driven.publish("x")
        assert store.is_brief()
    driven.publish("x")
    assert not store.is_brief()


def test_large_ones_are_not(driven: Driven) -> None:
    driven.publish("x", size=BRIEF_BYTES + 1)
    assert not store_of(driven).is_brief()


def test_settlements_are_brief(driven: Driven) -> None:
    taker = driven.consume(prefetch=3)
    driven.settle()
    taker.accept(3)
    assert store_of(driven).is_brief()


def test_a_declaration_and_a_purge_are_not(driven: Driven) -> None:
    store = store_of(driven)
    driven.queue("other")
    assert not store.is_brief()
    driven.settle()
    assert store.is_brief()
    driven.operations.purge_queue("q")
    driven.broker.end_turn()
    store.stage()
    store.commit()
    driven.broker.commit_done(None)
    driven.operations.delete_queue("q")
    driven.broker.end_turn()
    assert not store.is_brief()


def test_no_brief_commit_copies_the_log(driven: Driven) -> None:
    store = store_of(driven)
    briefs = 0
    for _ in range(300):
        driven.publish("x")
        copied = store.status().checkpoints
        if store.is_brief():
            briefs += 1
            driven.settle()
            assert store.status().checkpoints == copied
        driven.settle()
    assert store.status().checkpoints > 1
    assert briefs > BRIEF_PAGES


def test_nor_is_one_brief_after_an_error(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        driven = Driven(tmp_path / "store.db")
        driven.queue()
        driven.settle()
        driven.publish("x")
        assert store_of(driven).is_brief()
        disk.is_broken = True
        driven.attempt()
        disk.is_broken = False
        assert store_of(driven).error is not None
        driven.publish("x")
        assert not store_of(driven).is_brief()
