"""Message groups: one consumer's hands at a time, in order, and no group in another's way."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker
from tests.support.timed import Holder, Timed


def fill(driven: Driven, groups: str, count: int, *, size: int = 0, header: str = "x-group") -> list[str]:
    """Messages of these groups in turn, named by group and number."""
    names = [f"{groups[number % len(groups)]}{number}" for number in range(count)]
    for name in names:
        driven.publish(name, {header: name[0]}, size=size)
    driven.settle()
    return names


def of(names: list[str], group: str) -> list[str]:
    return [name for name in names if name[0] == group]


@pytest.mark.parametrize("header", ["x-group", "JMSXGroupID"])
def test_a_group_is_in_one_consumers_hands_at_a_time(driven: Driven, header: str) -> None:
    driven.queue()
    first, second = driven.consume(prefetch=2), driven.consume(prefetch=2)
    fill(driven, "a", 4, header=header)
    assert (first.seen, second.seen) == (["a0", "a1"], [])
    first.accept(1)
    driven.settle()
    assert (first.seen, second.seen) == (["a0", "a1", "a2"], [])


def test_groups_are_shared_among_consumers_and_none_waits_for_another(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(), driven.consume()
    names = fill(driven, "aaaab", 5)
    assert (first.seen, second.seen) == (["a0"], ["b4"])
    second.accept()
    driven.settle()
    assert second.seen == ["b4"]
    for _ in range(4):
        first.accept()
        driven.settle()
        second.accept()
        driven.settle()
    assert sorted(first.seen + second.seen) == sorted(names)


def test_messages_without_a_group_pass_those_that_wait(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(), driven.consume(prefetch=5)
    fill(driven, "aaa", 3)
    driven.publish("free")
    driven.settle()
    assert first.seen == ["a0"]
    assert second.seen == ["free"]


def test_a_group_without_an_owner_goes_to_whoever_has_room(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(), driven.consume()
    fill(driven, "ab", 2)
    first.accept()
    second.accept()
    first.leave()
    driven.publish("a2", {"x-group": "a"})
    driven.publish("b3", {"x-group": "b"})
    driven.settle()
    assert second.seen == ["b1", "a2"]
    second.accept()
    driven.settle()
    assert second.seen == ["b1", "a2", "b3"]


def test_the_last_owner_gets_the_next_if_it_waits(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(), driven.consume()
    fill(driven, "ab", 2)
    owner = {taker.seen[0][0]: taker for taker in (first, second)}
    first.accept()
    second.accept()
    for number in range(2, 10):
        group = "ab"[number % 3 == 0]
        driven.publish(f"{group}{number}", {"x-group": group})
        driven.settle()
        assert owner[group].seen[-1] == f"{group}{number}"
        owner[group].accept()


def test_a_consumer_that_goes_gives_its_groups_back_in_order(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(prefetch=3), driven.consume(prefetch=10)
    names = fill(driven, "a", 5)
    assert second.seen == []
    first.leave()
    driven.settle()
    assert second.seen == names
    assert [queued.return_count for queued in second.held] == [1, 1, 1, 0, 0]


def test_what_is_given_back_goes_to_the_owner_first(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(prefetch=2), driven.consume(prefetch=2)
    fill(driven, "a", 4)
    first.release(1)
    driven.settle()
    assert first.seen == ["a0", "a1", "a0"]
    assert second.seen == []


def test_a_cancelled_consumer_keeps_its_groups_until_it_settles(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(), driven.consume()
    fill(driven, "a", 3)
    first.is_cancelled = True
    first.queue.unsubscribe(first)
    driven.settle()
    assert second.seen == []
    first.queue.accept(first.held.pop())
    driven.wait(0.1)
    assert second.seen == ["a1"]


def test_what_is_fetched_holds_its_group_too(driven: Driven) -> None:
    queue = driven.queue()
    fill(driven, "aab", 3)
    fetched = queue.get()
    assert fetched is not None
    second = driven.consume(prefetch=5)
    driven.settle()
    assert second.seen == ["b2"]
    queue.accept(fetched)
    driven.wait(0.1)
    assert second.seen == ["b2", "a1"]


def test_a_group_header_of_the_queues_own(driven: Driven) -> None:
    driven.queue(x_group_header="customer")
    first, second = driven.consume(), driven.consume()
    for number in range(2):
        driven.publish(f"a{number}", {"customer": 7, "x-group": str(number)})
    driven.settle()
    assert (first.seen, second.seen) == (["a0"], [])


def test_groups_count_after_a_restart(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue()
    names = fill(driven, "ab", 200, size=1024)
    driven.crash()
    first, second = driven.consume(prefetch=1), driven.consume(prefetch=1)
    for _ in range(200):
        driven.settle()
        first.accept()
        second.accept()
    assert sorted(first.seen + second.seen) == sorted(names)
    assert not {name[0] for name in first.seen[:50]} & {name[0] for name in second.seen[:50]}
    for group in "ab":
        for taker in (first, second):
            assert of(taker.seen, group) == sorted(of(taker.seen, group), key=lambda name: int(name[1:]))


def test_a_group_whose_messages_all_wait_for_their_retry_counts_after_a_restart(stored: Timed) -> None:
    """The first that comes back to its place is the first that the queue meets."""
    stored.queue(x_retry_delay=1_000)
    stored.publish("a0", {"x-group": "a"})
    holder = Holder(stored)
    holder.settle("release")
    stored.settle()
    stored.crash()
    stored.operations.find_queue("q")
    first, second = stored.consume(), stored.consume()
    stored.wait(1.1)
    stored.publish("a1", {"x-group": "a"})
    stored.settle()
    assert (first.seen, second.seen) == (["a0"], [])


@pytest.mark.parametrize("seed", range(16))
def test_whatever_happens_a_group_is_in_one_pair_of_hands_and_in_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    driven = Driven(tmp_path / "store.db" if seed % 2 else None, memory_limit=40 << 10)
    queue = driven.queue()
    takers: list[Taker] = []
    numbers = dict.fromkeys("abcdef", 0)
    settled: dict[str, int] = dict.fromkeys("abcdef", 0)
    for _ in range(300):
        action = chance.choice(["publish", "publish", "accept", "accept", "come", "go"])
        if action == "publish":
            for _ in range(chance.randrange(30)):
                group = chance.choice("aaabcdef")
                driven.publish(f"{group}{numbers[group]}", {"x-group": group}, size=chance.choice([10, 3_000]))
                numbers[group] += 1
        elif action == "come" and len(takers) < 4:
            takers.append(driven.consume(prefetch=chance.choice([1, 2, 10])))
        elif action == "go" and takers:
            takers.pop(chance.randrange(len(takers))).leave()
        elif takers:
            taker = chance.choice(takers)
            count = chance.randrange(1 + len(taker.held))
            for queued in taker.held[:count]:
                name = queued.message.body.decode().rstrip(".")
                # Settled in the order of the publishes, each once: exactly what a group promises.
                assert int(name[1:]) == settled[name[0]], name
                settled[name[0]] += 1
            taker.accept(count)
        if chance.random() < 0.6:
            driven.turn()
        owners = [{queued.message.body[:1] for queued in taker.held} for taker in takers]
        assert sum(len(groups) for groups in owners) == len(set().union(*owners))
    for taker in takers:
        taker.leave()
    last = driven.consume(no_ack=True)
    driven.settle()
    driven.wait(1)
    assert len(last.seen) == sum(numbers.values()) - sum(settled.values())
    assert queue.ready_count == queue.unsettled == 0
