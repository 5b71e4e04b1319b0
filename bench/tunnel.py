"""A tunnel: whoever connects to it without TLS is connected to a port with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path

from bench.failures import BenchError

__all__ = ["Tunnel"]

# For a busy machine.
START = 30.0
PIECE = 256 * 1024


class Tunnel:
    """Listens on a free port of the loopback, in a thread, until it is closed."""

    def __init__(self, port: int, ca: Path) -> None:
        """``port`` is the one with TLS; ``ca`` is who must have signed its certificate. Raises BenchError."""
        self.port = 0
        self._target = port
        self._context = ssl.create_default_context(cafile=str(ca))
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()
        if not self._listens.wait(START):
            raise BenchError("the tunnel for TLS did not start")

    def close(self) -> None:
        """Close the port, and all connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(START)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=PIECE)
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        await self._stopping.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # What was aborted is closed in the next pass, and what was TLS in the one after.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            there, back = await asyncio.open_connection("localhost", self._target, ssl=self._context, limit=PIECE)
            writers.append(back)
            with contextlib.suppress(OSError):
                await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except BaseException:
            for each in writers:
                each.transport.abort()
            raise


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
