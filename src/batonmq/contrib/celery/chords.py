"""The chords under way: what each part of a header returned, until the last one calls the body."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from celery.result import GroupResult, allow_join_result

from batonmq.contrib.celery.results import SWEEP, Results

__all__ = ["Chords", "Complete", "Part", "as_header"]

# How long a part that comes again after its chord has ended is still recognized.
DONE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Part:
    """The result of one task of a header. ``index``: its place; None: behind the others."""

    task_id: str
    index: int | None
    state: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """All parts, in the order of the header. ``shape``: the header's GroupResult, if it holds groups."""

    shape: bytes | None
    parts: list[Part] = field(default_factory=list)


class Chords:
    """Chords by the id of their header's group.

    ``seconds``: how long a chord is kept after the last call about it; None: for good.
    """

    def __init__(self, results: Results) -> None:
        """Chords are kept in the file of the results."""
        self._results = results

    def start(self, group: str, shape: bytes | None, seconds: float | None) -> None:
        """A chord is about to be sent. If its header was sent before and has finished, the chord starts over."""
        with self._results.writing() as connection:
            connection.execute("DELETE FROM chords WHERE id = ? AND done", (group,))
            connection.execute(
                "INSERT INTO chords (id, shape, expires) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET shape = excluded.shape, expires = excluded.expires",
                (group, shape, _until(seconds)),
            )

    def set_size(self, group: str, size: int, seconds: float | None) -> None:
        """Set how many parts will return. Celery knows the number before it sends the last of them.

        A chain of the header that ends in a group says before Celery 5.7 how many that has, at any time: less than all.
        """
        with self._results.writing() as connection:
            connection.execute(
                "INSERT INTO chords (id, size, expires) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET size = max(coalesce(size, 0), excluded.size),"
                " expires = excluded.expires, done = FALSE",
                (group, size, _until(seconds)),
            )

    def add_one(self, group: str, seconds: float | None) -> None:
        """Expect one part more than the size says."""
        with self._results.writing() as connection:
            connection.execute(
                "INSERT INTO chords (id, added, expires) VALUES (?, 1, ?)"
                " ON CONFLICT (id) DO UPDATE SET added = added + 1, expires = excluded.expires",
                (group, _until(seconds)),
            )

    def take(self, group: str, part: Part, seconds: float | None) -> Complete | None:
        """Keep a part.

        Returns all parts if this one has to call the body: it was the last, or it was the last and comes again because
        its worker was killed before the body was called. Any other part that comes again changes nothing.
        """
        now = time.time()
        key = (group, part.task_id, -1 if part.index is None else part.index)
        with self._results.writing() as connection:
            connection.execute(
                "DELETE FROM chords WHERE (id = ? AND expires <= ?)"
                " OR id IN (SELECT id FROM chords WHERE expires <= ? LIMIT ?)",
                (group, now, now, SWEEP),
            )
            connection.execute("INSERT INTO chords (id) VALUES (?) ON CONFLICT (id) DO NOTHING", (group,))
            (done,) = connection.execute("SELECT done FROM chords WHERE id = ?", (group,)).fetchone()
            if done:
                return None
            new = connection.execute(
                "INSERT INTO parts (chord, task, place, state, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*key, part.state, part.value),
            ).rowcount
            ready, size, shape = connection.execute(
                "UPDATE chords SET ready = ready + ?, expires = ? WHERE id = ? RETURNING ready, size + added, shape",
                (new, _until(seconds), group),
            ).fetchone()
            if new and ready == size:
                connection.execute("UPDATE parts SET last = TRUE WHERE chord = ? AND task = ? AND place = ?", key)
            elif (
                new
                or not connection.execute(
                    "SELECT last FROM parts WHERE chord = ? AND task = ? AND place = ?", key
                ).fetchone()[0]
            ):
                return None
            rows = connection.execute(
                "SELECT task, place, state, value FROM parts WHERE chord = ? ORDER BY place < 0, place, number",
                (group,),
            ).fetchall()
        return Complete(shape, [Part(task, None if place < 0 else place, *rest) for task, place, *rest in rows])

    def finish(self, group: str) -> None:
        """The body was called, or has failed: ignore parts that come again."""
        with self._results.writing() as connection:
            connection.execute("DELETE FROM parts WHERE chord = ?", (group,))
            connection.execute(
                "UPDATE chords SET done = TRUE, size = NULL, added = 0, ready = 0, shape = NULL, expires = ?"
                " WHERE id = ?",
                (_until(DONE_SECONDS), group),
            )

    def sweep(self) -> None:
        """Drop expired chords, with their parts."""
        with self._results.writing() as connection:
            connection.execute("DELETE FROM chords WHERE expires <= ?", (time.time(),))


def _until(seconds: float | None) -> float | None:
    return time.time() + seconds if seconds else None


def as_header(shape: GroupResult | None, values: list[tuple[str, Any]], timeout: float | None) -> list[Any]:
    """The argument of the body: the values in order, or in lists as the header has its groups.

    A task that is in the shape, but returned no part, is waited for.
    """
    if shape is None:
        return [value for _, value in values]
    known = dict(values)

    def shaped(result: Any) -> Any:
        if isinstance(result, GroupResult):
            return [shaped(child) for child in result.results]
        if result.id in known:
            return known[result.id]
        with allow_join_result():
            return result.get(timeout=timeout)

    filled: list[Any] = shaped(shape)
    return filled
