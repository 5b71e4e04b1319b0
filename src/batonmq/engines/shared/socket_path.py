"""The path of a file's socket: beside the file, unless that path is too long for an address.

The owner notes in the lock file where it listens: the name beside the file, so that it is found under any path where
the folder is mounted, or a full path.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

__all__ = ["HAS_SOCKETS", "choose_socket_path", "is_trusted", "listen", "note_of_living", "socket_path_of_note"]

HAS_SOCKETS = hasattr(socket, "AF_UNIX")
"""Does this system have sockets in the file system, and does this Python support them?"""

SUFFIX = "-socket"
# sizeof(sockaddr_un.sun_path) without the terminating zero: unix(7); 104 bytes on the BSDs and macOS.
ADDRESS_MAX = 107 if sys.platform == "linux" else 103
BACKLOG = 128


def choose_socket_path(path: str) -> tuple[str, str]:
    """Where the owner of a file listens: the path of the socket, and the note for others.

    Raises OSError if there is no place for it.
    """
    beside = path + SUFFIX
    if len(os.fsencode(beside)) <= ADDRESS_MAX and "\n" not in beside:
        return beside, os.path.basename(beside)  # noqa: PTH119
    elsewhere = os.path.join(_private_folder(), hashlib.sha256(os.fsencode(path)).hexdigest()[:32])  # noqa: PTH118
    if len(os.fsencode(elsewhere)) > ADDRESS_MAX:
        raise OSError(f"no place for a socket: {beside} and {elsewhere} are longer than {ADDRESS_MAX} bytes")
    return elsewhere, elsewhere


def socket_path_of_note(path: str, note: str) -> str:
    """The path of the socket in the owner's note."""
    return os.path.join(os.path.dirname(path), note)  # noqa: PTH118, PTH120


def _private_folder() -> str:
    """A folder in which only this user can create sockets. Raises OSError."""
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        if not base or not Path(base).is_dir():
            continue
        folder = Path(base) / f"batonmq-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise OSError(f"{folder} is not a folder of this user alone")
        return str(folder)
    raise OSError("no folder for temporary files")


def note_of_living(path: str) -> str:
    """The note of a process that listens for this file although its lock is free; "": there is none."""
    if not HAS_SOCKETS:
        return ""
    note = ""
    try:
        address, note = choose_socket_path(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            # A stopped process with a full backlog is alive as well.
            probe.setblocking(False)
            probe.connect(address)
    except BlockingIOError:
        return note
    except OSError:
        return ""
    return note


def listen(path: str) -> socket.socket:
    """Listen there, for this user only. Raises OSError.

    Replaces the socket of a dead owner: only the holder of the file's lock may call it.
    """
    if Path(path).is_socket():
        Path(path).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        # Nobody can connect before `listen`, so the socket is never open to others.
        Path(path).chmod(0o600)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def is_trusted(peer: socket.socket) -> bool:
    """Is the other end run by this user, or by root? Where the system cannot tell, the socket's mode ensures it."""
    if sys.platform != "linux":
        return True
    size = struct.calcsize("3i")
    _process, user, _group = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return user in (0, os.getuid()) or os.getuid() == 0
