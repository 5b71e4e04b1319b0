"""What becomes of a damaged data directory, and whether that keeps what is promised."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batonmq.errors import StoreError
from batonmq.server.failures import ConfigError
from batonmq.server.users import UserFile
from batonmq.store.checking import check_file
from batonmq.store.repairing import repair_file
from proof.damage.broker import Hand
from proof.damage.files import SETTLED, STORE, USERS, Sent

__all__ = ["Broken", "judge"]


class Broken(Exception):
    """A promise was not kept."""


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info:
            self.lines.append("Traceback")


@contextmanager
def _hearing() -> Iterator[list[str]]:
    logger = logging.getLogger("batonmq")
    heard = _Heard()
    before = logger.propagate
    logger.addHandler(heard)
    logger.propagate = False
    try:
        yield heard.lines
    finally:
        logger.removeHandler(heard)
        logger.propagate = before


def judge(folder: Path, sent: Sent, what: str) -> Counter[str]:
    """Check, repair and start; returns what happened, by name. Raises Broken."""
    counts: Counter[str] = Counter()
    is_log = "-wal" in what
    # Nothing tells that there was one.
    is_new = not any((folder / f"{STORE}{ending}").exists() for ending in ("", "-wal", "-hands"))
    is_told = _check(folder, counts)
    saved = folder / "saved.db"
    _repair(folder, saved, counts)
    missing, is_said = _start(folder / STORE, sent, counts)
    if missing is None:
        counts["refused"] += 1
    elif missing:
        counts["served in part"] += 1
        counts["missing and said at the start"] += is_said
        counts["missing and said by check alone"] += is_told and not is_said
        if not (is_told or is_said):
            # What was cut off a log looks like a log that was never longer.
            if not (is_log or is_new):
                raise Broken(f"{missing} messages are missing, and nobody says so")
            counts["new stores where nothing is left" if is_new else "shorter logs that nothing tells"] += 1
    else:
        counts["served whole"] += 1
    if saved.exists():
        left, _ = _start(saved, sent, counts)
        if left is None:
            raise Broken("what was saved is refused")
        counts["missing in what was saved"] += left
        if missing is not None and left > missing and not is_log:
            raise Broken(f"{left} messages are missing in what was saved, {missing} in what is served")
    return counts


def _check(folder: Path, counts: Counter[str]) -> bool:
    file = folder / STORE
    before = file.read_bytes() if file.exists() else None
    try:
        report = check_file(str(file))
    except StoreError as error:
        _one_line(error)
        counts["cannot be looked at"] += 1
        return True
    finally:
        if (file.read_bytes() if file.exists() else None) != before:
            raise Broken("check has changed the file")
    counts["check: whole" if report.is_whole else "check: damaged"] += 1
    try:
        users = UserFile(folder).load()
    except ConfigError as error:
        _one_line(error)
        counts["users refused"] += 1
    else:
        if users.doubt:
            counts["users doubted"] += 1
        elif (folder / "users.lock").exists() and (dict(users) != USERS or users.guest_deleted):
            raise Broken(f"other users than there were, and nobody says so: {users}")
    return not report.is_whole


def _repair(folder: Path, saved: Path, counts: Counter[str]) -> None:
    with _hearing() as lines:
        try:
            repair_file(str(folder / STORE), saved)
        except StoreError as error:
            _one_line(error)
            counts["nothing to save"] += 1
            return
        finally:
            if "Traceback" in lines:
                raise Broken(f"a traceback in the log: {lines}")
    counts["saved"] += 1
    if not check_file(str(saved)).is_whole:
        raise Broken(f"what was saved is not whole: {check_file(str(saved)).problems}")


def _start(file: Path, sent: Sent, counts: Counter[str]) -> tuple[int | None, bool]:
    """Open the file and take all there is; how many of what was sent are missing, and is anything said of it?

    None: it was refused.
    """
    with _hearing() as lines:
        try:
            hand = Hand(file)
        except StoreError as error:
            _one_line(error)
            return None, True
        try:
            missing = _take_all(hand, sent)
        finally:
            with_error = False
            try:
                hand.broker.close()
            except StoreError as error:
                with_error = True
                _one_line(error)
            counts["ends with an error"] += with_error
    if "Traceback" in lines:
        raise Broken(f"a traceback in the log: {lines}")
    return missing, bool(lines)


def _take_all(hand: Hand, sent: Sent) -> int:
    missing = 0
    names = {queue: bodies for queue, bodies in sent.items() if not queue.startswith(SETTLED)} | {"two": sent["one"]}
    for queue, bodies in names.items():
        if queue not in hand.operations.vhost.queues:
            missing += len(bodies)
            continue
        taker = hand.take(queue)
        hand.settle()
        found = [queued.message.body for queued in taker.held]
        # Settled messages may be back: their settlements were in what is damaged.
        wrong = set(found) - set(bodies) - set(sent[f"{SETTLED}{queue}"] if queue != "two" else ())
        if wrong:
            raise Broken(f"{queue} serves what was never sent to it: {next(iter(wrong))[:60]!r}")
        if len(set(found)) != len(found):
            raise Broken(f"{queue} serves a message twice")
        missing += len(set(bodies) - set(found))
    return missing


def _one_line(error: Exception) -> None:
    if "\n" in str(error) or not str(error):
        raise Broken(f"an error that is not one line: {error}")
