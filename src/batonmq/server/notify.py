"""Tells a service manager how the broker is: systemd's protocol of sd_notify(3), over the socket that it names.

Nothing is sent where no socket is named. What cannot be sent is not: the broker goes on whoever listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

__all__ = ["Notifier"]

MICROSECONDS: Final = 1_000_000
# A sign of life comes twice in the time after which the manager takes the process for hung, as sd_watchdog_enabled(3)
# recommends.
SIGNS: Final = 2


class Notifier:
    """Tells the service manager that started this process how it goes."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: None is that of the process."""
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "") if hasattr(socket, "AF_UNIX") else ""
        self._interval = self._watchdog_seconds(environment) / SIGNS
        self._handle: asyncio.TimerHandle | None = None

    @staticmethod
    def _watchdog_seconds(environment: Mapping[str, str]) -> float:
        """In how many seconds the manager wants to hear of this process; 0: never."""
        whose = environment.get("WATCHDOG_PID", "")
        if whose and whose != str(os.getpid()):
            return 0.0
        wanted = environment.get("WATCHDOG_USEC", "")
        return int(wanted) / MICROSECONDS if wanted.isascii() and wanted.isdigit() else 0.0

    def ready(self, status: str) -> None:
        """The process serves, or serves again after ``reloading``."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; ``ready`` says when that is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self) -> None:
        """The process ends."""
        self._send("STOPPING=1", "STATUS=stopping")

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give signs of life from the loop, if they are wanted: where it hangs there are none."""
        if self._interval:
            self._send("WATCHDOG=1")
            self._handle = loop.call_later(self._interval, self.watch, loop)

    def close(self) -> None:
        """Give no more signs of life."""
        if self._handle is not None:
            self._handle.cancel()

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract namespace (unix(7)).
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # Never waits: the manager's buffer may be full.
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)
