"""A queue is a directory, and each message a file in it, numbered in the order in which they came.

Whoever holds a message has the lock of its file, which the system takes away when the process ends. How often it was
handed out stands at the beginning of the file, and is written before it is handed out.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from batonmq.engines.messages import Message, received_message
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.properties import Properties

__all__ = ["Held", "QueueFiles"]

REASON = "x-reject-reason"
# How often it was handed out, and how long its properties are; they and the body follow.
HEAD = struct.Struct(">II")
COUNT = struct.Struct(">I")


@dataclass(eq=False, slots=True)
class Held:
    """A message in somebody's hands: the lock of its file is had through ``file``."""

    path: Path
    file: int
    count: int
    message: Message


class QueueFiles:
    """One queue. Whatever looks through its messages has its lock meanwhile."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._folder = root / quote(name, safe=" @=+,")

    # ------------------------------------------------------------------ the queue

    def create(self, max_deliveries: int | None, dead_letter: str | None) -> None:
        """Raises PreconditionFailed when it is there and different."""
        asked = {"max_deliveries": max_deliveries, "dead_letter": dead_letter}
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "settings"
        if settings.exists():
            for name, there in json.loads(settings.read_text()).items():
                if there != asked[name]:
                    raise PreconditionFailed(
                        f"queue '{self._name}' is there, declared otherwise: {name} is {there} there, "
                        f"and {asked[name]} was asked for"
                    )
            return
        written = self._folder / f".settings-{os.getpid()}"
        written.write_text(json.dumps(asked))
        written.rename(settings)
        _sync(self._folder)
        _sync(self._root)

    @property
    def settings(self) -> dict[str, object]:
        """What it was declared with. Raises NotFound."""
        try:
            settings: dict[str, object] = json.loads((self._folder / "settings").read_text())
        except FileNotFoundError:
            raise NotFound(f"there is no queue '{self._name}' in {self._root}") from None
        return settings

    def delete(self) -> None:
        """With all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else looks through it, or sends. Raises NotFound."""
        _ = self.settings
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _names(self) -> list[str]:
        return sorted(filter(str.isdecimal, os.listdir(self._folder)))  # noqa: PTH208  (a queue may be long)

    # ------------------------------------------------------------------ messages

    def send(self, messages: Sequence[Message]) -> None:
        """On the disk when this returns. Raises NotFound."""
        with self._locked():
            names = self._names()
            number = int(names[-1]) if names else 0
            for message in messages:
                number += 1
                raw = message.properties.raw
                written = self._folder / ".written"
                with written.open("wb") as file:
                    file.write(HEAD.pack(0, len(raw)) + raw + message.body)
                    file.flush()
                    os.fsync(file.fileno())
                written.rename(self._folder / f"{number:020}")
            _sync(self._folder)

    def take(self, most: int) -> list[Held]:
        """Up to so many that nobody holds, the first first. What was handed out too often is given up instead."""
        limit = self.settings["max_deliveries"]
        taken: list[Held] = []
        over: list[Held] = []
        with self._locked():
            for held in self._ready():
                if isinstance(limit, int) and held.count >= limit:
                    over.append(held)
                elif len(taken) < most:
                    held.count += 1
                    os.pwrite(held.file, COUNT.pack(held.count), 0)
                    taken.append(held)
                else:
                    os.close(held.file)
                    break
        for held in over:
            self.reject(held)
        return taken

    def peek(self, most: int) -> list[Message]:
        """The first that nobody holds."""
        found: list[Message] = []
        with self._locked():
            for held in self._ready():
                os.close(held.file)
                found.append(held.message)
                if len(found) == most:
                    break
        return found

    def count(self) -> int:
        """How many nobody holds."""
        with self._locked():
            found = 0
            for held in self._ready():
                os.close(held.file)
                found += 1
            return found

    def purge(self) -> int:
        """Drop what nobody holds; how many that were."""
        dropped = 0
        with self._locked():
            for held in self._ready():
                self.accept(held)
                dropped += 1
        return dropped

    def move(self, target: QueueFiles, most: int) -> int:
        """What nobody holds goes to another queue; how many that were. A crash may leave one of them in both."""
        moved = 0
        _ = target.settings
        for held in self.take(most):
            properties = held.message.properties
            headers = {name: value for name, value in (properties.headers or {}).items() if name != REASON}
            target.send([received_message(held.message.body, properties.replace(headers=headers or None))])
            self.accept(held)
            moved += 1
        return moved

    # ------------------------------------------------------------------ what is held

    def accept(self, held: Held) -> None:
        """It is gone."""
        held.path.unlink(missing_ok=True)
        os.close(held.file)

    def put_back(self, held: Held) -> None:
        """Nobody has had it after all."""
        os.pwrite(held.file, COUNT.pack(held.count - 1), 0)
        os.close(held.file)

    def release(self, held: Held) -> None:
        """Back to its place; or given up, when it was handed out often enough."""
        with contextlib.suppress(NotFound):
            limit = self.settings["max_deliveries"]
            if isinstance(limit, int) and held.count >= limit:
                self.reject(held)
                return
        os.close(held.file)

    def reject(self, held: Held, reason: str = "") -> None:
        """To the dead letters of the queue, or away."""
        with contextlib.suppress(NotFound):
            dead_letter = self.settings["dead_letter"]
            if isinstance(dead_letter, str):
                properties = held.message.properties
                if reason:
                    properties = properties.replace(headers={**(properties.headers or {}), REASON: reason})
                QueueFiles(self._root, dead_letter).send([received_message(held.message.body, properties)])
        self.accept(held)

    def _ready(self) -> Iterator[Held]:
        for name in self._names():
            path = self._folder / name
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it may have accepted it in between.
                if not os.fstat(file).st_nlink:
                    raise BlockingIOError
            except BlockingIOError:
                os.close(file)
                continue
            content = os.pread(file, os.fstat(file).st_size, 0)
            count, size = HEAD.unpack_from(content)
            properties = Properties.decode(content[HEAD.size : HEAD.size + size])
            yield Held(path, file, count, received_message(content[HEAD.size + size :], properties))


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
