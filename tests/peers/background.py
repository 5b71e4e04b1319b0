"""A broker that goes on when the command that started it has ended; another command stops it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from tests.peers.cache import cache
from tests.peers.peer import Peer

__all__ = ["start", "stop", "url_of_running"]

ORDERLY = 10.0


def start(kind: type[Peer]) -> str:
    """Start one, or find the one that was started; its URL."""
    if url := url_of_running(kind):
        return url
    folder = Path(tempfile.mkdtemp(prefix=f"batonmq-{kind.key}-"))
    peer = kind(folder)
    try:
        peer.start()
        note = {"pid": peer.pid, "begun": _begun(peer.pid), "folder": str(folder), "url": peer.url}
        _note(kind).parent.mkdir(parents=True, exist_ok=True)
        _note(kind).write_text(json.dumps(note))
    except BaseException:
        peer.kill()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return peer.url


def stop(kind: type[Peer]) -> bool:
    """End the one that was started, and drop its data; False when there is none."""
    if not _note(kind).exists():
        return False
    note = json.loads(_note(kind).read_text())
    pid, begun = note["pid"], note["begun"]
    running = bool(_begun(pid) == begun)
    if running:
        _signal(pid, signal.SIGTERM)
        end = time.monotonic() + ORDERLY
        while _begun(pid) == begun and time.monotonic() < end:
            time.sleep(0.05)  # it is no child of this process, so nothing tells when it has ended
        if _begun(pid) == begun:
            _signal(pid, signal.SIGKILL)
    shutil.rmtree(note["folder"], ignore_errors=True)
    _note(kind).unlink()
    return running


def url_of_running(kind: type[Peer]) -> str | None:
    """Where the one that was started is; None when it does not run."""
    if not _note(kind).exists():
        return None
    note = json.loads(_note(kind).read_text())
    return str(note["url"]) if _begun(note["pid"]) == note["begun"] else None


def _note(kind: type[Peer]) -> Path:
    return cache() / f"{kind.key}.json"


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _begun(pid: int) -> str | None:
    """When a process began, in ticks: another of the same number began later. None: it has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] == "Z" else status[19]
