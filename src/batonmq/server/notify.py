"""Reports the broker's state to a service manager: systemd's protocol of sd_notify(3).

Nothing is sent if the environment names no socket. A failure to send is ignored: the broker goes on without a listener.
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
# Two signs of life per watchdog interval, as sd_watchdog_enabled(3) recommends.
SIGNS: Final = 2
# How long a change of state waits for a manager whose buffer is full, in seconds. It holds up the broker, and a service
# whose READY is lost counts as one that has not started, and is killed.
BUSY_SECONDS = 1.0


class Notifier:
    """Reports to the service manager that started this process."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: None for that of the process."""
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "") if hasattr(socket, "AF_UNIX") else ""
        self._interval = self._watchdog_seconds(environment) / SIGNS
        self._handle: asyncio.TimerHandle | None = None

    @staticmethod
    def _watchdog_seconds(environment: Mapping[str, str]) -> float:
        """The watchdog interval in seconds; 0: none."""
        whose = environment.get("WATCHDOG_PID", "")
        if whose and whose != str(os.getpid()):
            return 0.0
        wanted = environment.get("WATCHDOG_USEC", "")
        return int(wanted) / MICROSECONDS if wanted.isascii() and wanted.isdigit() else 0.0

    def ready(self, status: str) -> None:
        """The process is ready, or ready again after ``reloading``."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again, until ``ready``."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self) -> None:
        """The process is stopping."""
        self._send("STOPPING=1", "STATUS=stopping")

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send signs of life from the loop, if wanted; a hung loop sends none."""
        if self._interval:
            # Another one follows soon.
            self._send("WATCHDOG=1", wait=0.0)
            self._handle = loop.call_later(self._interval, self.watch, loop)

    def close(self) -> None:
        """Stop sending signs of life."""
        if self._handle is not None:
            self._handle.cancel()

    def _send(self, *lines: str, wait: float | None = None) -> None:
        """``wait``: how many seconds for a full buffer; None: as long as for a change of state."""
        if not self._address:
            return
        # A leading @ stands for the abstract namespace (unix(7)).
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(BUSY_SECONDS if wait is None else wait)
            # Only a socket that is connected can wait for the other side.
            sender.connect(address)
            sender.send("\n".join(lines).encode())
