"""What the command line is given as a file: any bytes are a clear error, or a whole result, never a half one."""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final

import apsw
from click.testing import Result

from batonmq.cli import main
from batonmq.errors import StoreError
from batonmq.management.definitions.checking import check_definitions
from batonmq.management.definitions.importing import import_definitions
from batonmq.management.definitions.reading import read_definitions
from batonmq.management.http.errors import HttpError
from batonmq.store.checking import Report, check_file
from proof.by_hand import ByHand
from proof.commands import runner
from proof.fuzz.choices import Choices
from proof.fuzz.folders import at_exit, new_folder
from proof.fuzz.target import Take, Target, ensure
from proof.fuzz.targets.definitions import EXPORT, USERS
from proof.fuzz.targets.rows import serve, template

LOG: Final = "-wal"
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "


def _ran(*arguments: str) -> Result:
    """What a command did, which is said in a line if it is refused."""
    done = runner().invoke(main, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code:
        ensure(done.exit_code in {1, 2}, f"exit code {done.exit_code}")
        ensure(done.stderr.count("\n") == 1 and not done.stdout, f"not one line: {done.output!r}")
    return done


# ---------------------------------------------------------------------- stores


def _looked_at(path: Path) -> Report | None:
    try:
        return check_file(str(path))
    except StoreError:
        return None


def _hurt(path: Path, choices: Choices) -> None:
    """Change a few bytes, or cut it off."""
    content = bytearray(path.read_bytes())
    for _ in range(1 + choices.below(3)):
        # Much of it is empty: the first pages, and where content is, are hit more often.
        at = choices.below(100) if choices.chance(2) else (choices.byte() << 16 | choices.byte() << 8 | choices.byte())
        new = choices.octets(1 + choices.below(6))
        content[at % len(content) : at % len(content) + len(new)] = new
    if choices.chance(6):
        del content[choices.byte() * len(content) // 256 :]
    path.write_bytes(content)


def _backups() -> Take:
    folder = new_folder()
    closed, open_ = folder / "closed.db", folder / "open.db"
    template(closed)
    _leave_open(closed, open_)
    path, to = folder / "store.db", folder / "copy.db"

    def take(data: bytes) -> Hashable:
        choices = Choices(data[1:])
        kind = data[0] if data else 0
        try:
            if kind < 32:
                path.write_bytes(data[1:])
            else:
                shutil.copyfile(closed if kind < 128 else open_, path)
                if kind >= 128:
                    shutil.copyfile(f"{open_}{LOG}", f"{path}{LOG}")
                _hurt(Path(f"{path}{LOG}") if kind >= 192 else path, choices)
            return _take_backup(path, to)
        finally:
            for left in folder.iterdir():
                if left.name.startswith(("store.db", "copy.db")):
                    left.unlink()

    return take


def _leave_open(closed: Path, open_: Path) -> None:
    """The same, as a process that was killed leaves it: with a log."""
    shutil.copyfile(closed, open_)
    db = apsw.Connection(str(open_))
    db.execute("PRAGMA journal_mode=WAL").get  # noqa: B018
    db.execute("PRAGMA wal_autocheckpoint=0").get  # noqa: B018
    with db:
        db.execute("DELETE FROM message WHERE id = (SELECT min(id) FROM message)")
    with db:
        db.execute("UPDATE probe SET writes = writes + 1")
    log = Path(f"{open_}{LOG}").read_bytes()
    database = open_.read_bytes()
    db.close()
    open_.write_bytes(database)
    Path(f"{open_}{LOG}").write_bytes(log)


def _take_backup(path: Path, to: Path) -> Hashable:
    before = _looked_at(path)
    there = {entry.name for entry in path.parent.iterdir()}
    done = _ran("backup", str(path), str(to))
    if done.exit_code:
        # SQLite maps its index of a log, of a file that is only read, too.
        left = {entry.name for entry in path.parent.iterdir()} - there - {f"{path.name}-shm"}
        ensure(not left, f"of a copy that failed something is left: {left}, {done.stderr}")
        return done.stderr.replace(str(path.parent), "")[:50]
    after = _looked_at(to)
    ensure(after is not None and before is not None, "what cannot be looked at was copied")
    assert after is not None
    assert before is not None
    if before.is_whole:
        ensure(after.is_whole, f"the copy is damaged: {after.problems[:3]}")
        ensure(after.queues == before.queues, "the copy has other messages")
    # Put in the place of the old one, it is served, or refused in a line.
    return after.is_whole, serve(to)


# ---------------------------------------------------------------------- definitions


class _Api(socketserver.ThreadingTCPServer):
    """Takes what is posted as a broker does, or gives any answer."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.answer: bytes | None = None
        """None: what becomes of it."""
        self.made: bool | None = None
        """Of the last one; None: nothing was posted."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def took(self, body: bytes) -> bytes:
        """The answer to what was posted."""
        by_hand = ByHand()
        try:
            *_, found = read_definitions(body, None)
            for _ in check_definitions(by_hand.broker, found, USERS):
                pass
            for _ in import_definitions(by_hand.broker, found):
                by_hand.settle()
        except HttpError as error:
            self.made = False
            said = json.dumps({"error": "bad_request", "reason": error.reason}).encode()
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
        finally:
            by_hand.broker.close()
        self.made = True
        said = json.dumps({"report": found.report}).encode()
        return b"%b%d\r\n\r\n%b" % (HEAD, len(said), said)


class _Request(socketserver.StreamRequestHandler):
    server: _Api

    def handle(self) -> None:
        size = 0
        while (line := self.rfile.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        body = self.rfile.read(size)
        self.wfile.write(self.server.took(body) if self.server.answer is None else self.server.answer)
        self.request.shutdown(socket.SHUT_WR)


def _importing(answer: Callable[[bytes], bytes | None]) -> Take:
    """``answer``: to what is posted; None: what a broker makes of it."""
    folder = new_folder()
    api = _Api()
    at_exit(api.shutdown)
    url = f"http://guest:guest@127.0.0.1:{api.server_address[1]}"
    file = folder / "broker.json"

    def take(data: bytes) -> Hashable:
        api.answer, api.made = answer(data), None
        file.write_bytes(data if api.answer is None else b"{}")
        done = _ran("--url", url, "definitions", "import", str(file))
        if api.answer is None:
            ensure((done.exit_code == 0) == bool(api.made), f"made: {api.made}, and said: {done.output}")
        return done.exit_code, api.made, done.stderr.replace(url, "")[-30:]

    return take


TARGETS = (
    Target(
        "files.backup",
        "any file as a store: `batonmq backup` copies it whole, or says in a line why not, and the copy is served",
        _backups,
        (
            b"\x00",
            b"\x00SQLite format 3\x00",
            *(bytes((kind, *range(kind, 250, 3))) for kind in range(1, 256, 12)),
        ),
        longest=60,
        is_session=True,
        may_log=True,
    ),
    Target(
        "files.definitions",
        "any file for `batonmq definitions import`: what is in it is made, or it is said in a line why not",
        lambda: _importing(lambda _: None),
        (b"{", b"[]", b"\xef\xbb\xbf{}", json.dumps(EXPORT).encode(), b'{"queues": 7}', b"[" * 3000),
        (b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1e999", b"\\ud800", b"9" * 5000, b'"queues":[', b"NaN"),
        1500,
        is_session=True,
    ),
    Target(
        "files.answers",
        "any answer to `batonmq definitions import`: told in lines that say what is wrong",
        lambda: _importing(lambda data: data),
        (
            HEAD + b"14\r\n\r\n" + b'{"report": []}',
            HEAD + b'19\r\n\r\n{"report": ["left"]}',
            HEAD + b"99\r\n\r\n{}",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\n\r\n" + b'{"reason": "no"}',
            b"AMQP\x00\x00\x09\x01",
        ),
        (
            b"\r\n",
            b"HTTP/1.1 ",
            b"200",
            b"500",
            b"Content-Length: ",
            b"-1",
            b"chunked",
            b"{",
            b"[" * 3000,
            b"\xff",
            b": ",
        ),
        3000,
        is_session=True,
    ),
)
