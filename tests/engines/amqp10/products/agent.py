"""An agent that answers as Jolokia does, as far as a test tells it to."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[dict[str, object]], dict[str, object]]


class Agent:
    """Listens on a free port of the loopback, until it is closed."""

    def __init__(self, answer: Answer, password: str = "secret") -> None:
        """``answer`` makes the answer of a request; an empty one is not sent, and the client is kept waiting.

        A ConnectionResetError of it resets the connection.
        """
        self.asked: list[dict[str, object]] = []
        self.gone = threading.Event()
        self.came = threading.Event()
        login = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                agent.asked.append(asked)
                agent.came.set()
                if self.headers["Authorization"] != login:
                    self.send_error(401)
                    return
                try:
                    answered = answer(asked)
                except ConnectionResetError:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Past the server, which would end it in order.
                    os.close(self.connection.detach())
                    return
                if not answered:
                    agent.gone.wait(30)
                    return
                body = json.dumps(answered).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nobody wants to read it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/jolokia"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.01), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
