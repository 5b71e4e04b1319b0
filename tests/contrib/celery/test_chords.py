"""Chords in the file of the results: parts are counted once, by whichever process they return to."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import ModuleType

import pytest
from celery import Celery, chain, chord, group
from celery.app.task import Context
from celery.exceptions import ChordError

from batonmq.contrib.celery.backend import BatonBackend
from batonmq.contrib.celery.chords import Chords, Complete, Part
from batonmq.contrib.celery.results import Results
from tests.contrib.celery.conftest import Worker
from tests.support.waiting import until

LONG = 60


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    results = Results(str(tmp_path / "results"))
    yield results
    results.close()


@pytest.fixture
def chords(results: Results) -> Chords:
    return Chords(results)


def part(number: int, index: int | None = None) -> Part:
    return Part(f"t{number}", number if index is None else index, "SUCCESS", b"%d" % number)


def numbers(complete: Complete | None) -> list[int] | None:
    return None if complete is None else [int(part.value) for part in complete.parts]


def test_the_last_part_is_given_all_in_order(chords: Chords) -> None:
    chords.start("g", b"shape", 60)
    assert chords.take("g", part(2), 60) is None
    assert chords.take("g", Part("late", None, "SUCCESS", b"9"), 60) is None
    # The size comes after the first parts, as with a header from a generator; a task of it sends another one.
    chords.set_size("g", 3, 60)
    chords.add_one("g", 60)
    assert chords.take("g", part(1), 60) is None
    complete = chords.take("g", part(0), 60)
    assert numbers(complete) == [0, 1, 2, 9]
    assert complete is not None
    assert complete.shape == b"shape"


def test_the_size_of_a_part_of_the_header_makes_the_header_no_smaller(chords: Chords) -> None:
    chords.set_size("g", 3, 60)
    assert [chords.take("g", part(n), 60) for n in range(2)] == [None, None]
    chords.set_size("g", 2, 60)
    assert numbers(chords.take("g", part(2), 60)) == [0, 1, 2]


def test_a_part_that_comes_again_counts_once(chords: Chords) -> None:
    chords.set_size("g", 2, 60)
    assert [chords.take("g", part(0), 60) for _ in range(3)] == [None] * 3
    assert numbers(chords.take("g", part(1), 60)) == [0, 1]
    # The worker was killed before it called the body: its part comes again, and only that one calls it.
    assert chords.take("g", part(0), 60) is None
    assert numbers(chords.take("g", part(1), 60)) == [0, 1]
    chords.finish("g")
    assert [chords.take("g", part(n), 60) for n in (1, 0, 2)] == [None] * 3


def test_a_header_that_is_sent_again_begins_anew(chords: Chords) -> None:
    for _ in range(2):
        chords.start("g", None, 60)
        chords.set_size("g", 1, 60)
        assert numbers(chords.take("g", part(0), 60)) == [0]
        chords.finish("g")


def test_a_chord_is_forgotten_when_its_time_is_over(chords: Chords, results: Results) -> None:
    def rows(table: str) -> int:
        with results.writing() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    for name in "abc":
        chords.set_size(name, 2, 0.02)
        chords.take(name, part(0), 0.02)
    chords.set_size("ever", 2, None)
    chords.take("ever", part(0), None)
    time.sleep(0.03)
    # What came before is forgotten, and other chords are taken along.
    assert chords.take("a", part(1), 60) is None
    assert (rows("chords"), rows("parts")) == (2, 2)
    chords.set_size("b", 2, 0.01)
    time.sleep(0.02)
    chords.sweep()
    assert rows("chords") == 2
    assert numbers(chords.take("ever", part(1), None)) == [0, 1]


def _return(path: str, first: int, tell: SimpleQueue[list[list[int] | None]]) -> None:
    results = Results(path)
    tell.put([numbers(Chords(results).take("g", part(n), 60)) for n in range(first, 60, 3)])
    results.close()


def test_one_process_of_several_has_the_last_part(chords: Chords, results: Results) -> None:
    # Open in the parent, too: a child has nothing of it.
    chords.set_size("g", 60, 60)
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    processes = [fork.Process(target=_return, args=(results.path, first, told)) for first in range(3)]
    for process in processes:
        process.start()
    answers = [answer for _ in processes for answer in told.get()]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    told.close()
    assert [answer for answer in answers if answer is not None] == [list(range(60))]


def test_a_failed_part_is_told_to_the_errbacks_of_the_body(tmp_path: Path) -> None:
    with Celery("t", broker="memory://", set_as_current=False) as app:
        backend = BatonBackend(f"batonmq:///{tmp_path}/tasks.db", app=app)
        try:
            body = app.signature("t.body", task_id="body")
            backend.set_chord_size("g", 2)
            requests = [Context(id=f"t{n}", group="g", group_index=n, chord=dict(body)) for n in range(2)]
            backend.mark_as_failure("t0", ValueError("no"), request=requests[0])
            assert backend.get_state("body") == "PENDING"
            backend.mark_as_done("t1", 1, request=requests[1])
            error = backend.get_result("body")
            assert isinstance(error, ChordError)
            assert str(error) == "Dependency t0 raised ValueError('no')"
        finally:
            backend.close()


@pytest.fixture(scope="module")
def worker(start: Callable[..., Worker]) -> Worker:
    return start("--concurrency", "2", "--pool", "prefork").await_ready()


@pytest.mark.filterwarnings("default")
@pytest.mark.xdist_group("celery-on-a-file")
class TestWithWorkers:
    def test_headers_of_groups_chains_and_chords(self, worker: Worker, tasks: ModuleType) -> None:
        add, total, same = tasks.add, tasks.total, tasks.same
        ends_in_a_group = chain(add.s(1, 2), group(add.s(10), add.s(20)))
        nested = chord([add.s(0, 0), total.s([5]), chord([add.s(1, 1), add.s(2, 2)], total.s())], same.s())
        assert nested().get(timeout=LONG) == [0, 5, 6]
        assert chord([group(add.s(1, 1), add.s(2, 2)), add.s(3, 3)], total.s())().get(timeout=LONG) == 12
        assert chord([ends_in_a_group, add.s(1, 1)], same.s())().get(timeout=LONG) == [[13, 23], 2]
        assert chain(group(add.s(n, n) for n in range(3)), total.s(), add.s(1))().get(timeout=LONG) == 7

    def test_a_chord_fails_with_a_part_of_a_nested_group(self, worker: Worker, tasks: ModuleType) -> None:
        header = chain(tasks.add.s(1, 2), group(tasks.add.s(1), tasks.total.s()))
        error = chord([header, tasks.add.s(1, 1)], tasks.same.s())().get(timeout=LONG, propagate=False)
        assert isinstance(error, ChordError)
        assert "raised TypeError" in str(error)

    @pytest.mark.usefixtures("no_worker")
    def test_a_killed_worker_leaves_a_chord_whole(
        self, start: Callable[..., Worker], tasks: ModuleType, tmp_path: Path
    ) -> None:
        first = start("--concurrency", "2").await_ready()
        result = chord([tasks.hold.s(str(tmp_path / name)) for name in "ab"] + [tasks.add.s(1, 1)], tasks.same.s())()
        until(lambda: len(list(tmp_path.glob("*.held"))) == 2)
        first.kill()
        second = start("--pool", "threads", "--concurrency", "3").await_ready()
        for name in "ab":
            (tmp_path / name).touch()
        assert result.get(timeout=LONG) == [True, True, 2]
        assert "Traceback" not in second.stop()
