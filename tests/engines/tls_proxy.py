"""A proxy that speaks TLS with clients, and with the broker behind it none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading


class TlsProxy:
    """Listens on a free port of the loopback and passes on to a port what it decrypts, in a thread of its own."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._target = port
        self._context = context
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.accepted = 0
        # What clients show, as `SSLSocket.getpeercert` has it, and which name they ask for.
        self.shown: list[object] = []
        self.names: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections as a lost network does."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # A handshake that fails is told as an error of the loop's, and to nobody here.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._loop.run_forever()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        while True:
            # Handshakes that are under way, too: each could still begin a task, and nothing else tells of them.
            for transport in list(self._loop._transports.values()):  # type: ignore[attr-defined]
                transport.abort()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            if not tasks:
                break
            await asyncio.gather(*tasks, return_exceptions=True)
        # What is aborted is closed with the next pass of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.shown.append(writer.get_extra_info("peercert"))
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        pair = {writer, server_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))
        finally:
            self._writers -= pair

    @staticmethod
    async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
