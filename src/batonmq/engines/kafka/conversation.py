"""One connection to one broker, over a socket of our own, for the requests of `protocol`.

Its calls block, never longer than the given patience; one thread uses it at a time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Final

from batonmq.engines.failures import NOBODY
from batonmq.engines.kafka.failures import text_of_code
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.kafka.primitives import Reader
from batonmq.engines.kafka.protocol import (
    Features,
    Request,
    ask_authenticate,
    ask_features,
    ask_handshake,
    ask_topic,
    read_authenticate,
    read_features,
    read_handshake,
)
from batonmq.engines.kafka.scram import Scram
from batonmq.engines.tls_failures import closed_by_tls, tls_failure
from batonmq.errors import AccessRefused, ConnectionLost
from batonmq.version import __version__

__all__ = ["Conversation"]

# The largest answer, which is far more than any answer here needs.
ANSWER_MAX: Final = 16 * 1024 * 1024


class Conversation:
    """Open from its creation until ``close``."""

    def __init__(self, parameters: KafkaParameters, server: tuple[str, int], patience: float) -> None:
        """Connect and log in. ``patience``: seconds for that, and for each answer later.

        Raises ConnectionLost, AccessRefused.
        """
        self._parameters = parameters
        self._patience = patience
        self._number = 0
        # Did the other side close the connection?
        self._was_hung_up = False
        self._until = time.monotonic() + patience
        self.where = f"{server[0]}:{server[1]}"
        self._socket = self._connected(server)
        try:
            self._secure()
            self.features = self._features()
            if parameters.user is not None:
                self._log_in(parameters.user, parameters.password, parameters.mechanism)
            else:
                self._require_no_log_in()
        except BaseException:
            self.close()
            raise

    def ask(self, request: Request) -> Reader:
        """The body of the answer. Raises ConnectionLost; the connection is then unusable."""
        self._until = time.monotonic() + self._patience
        return self._ask(request)

    def interrupt(self) -> None:
        """Interrupt a wait for an answer. From any thread."""
        with contextlib.suppress(OSError):
            # Not through TLS, whose state the other thread is using.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    # ------------------------------------------------------------------ the way to there

    def _connected(self, server: tuple[str, int]) -> socket.socket:
        try:
            found = socket.create_connection(server, timeout=self._patience)
        except TimeoutError:
            raise ConnectionLost(f"cannot connect to {self.where}: {self._silence()}") from None
        except ConnectionRefusedError:
            raise ConnectionLost(f"cannot connect to {self.where}: {NOBODY}") from None
        except socket.gaierror as error:
            text = f"the name {server[0]!r} cannot be resolved: {error.strerror}"
            raise ConnectionLost(f"cannot connect to {self.where}: {text}") from None
        except (OSError, UnicodeError) as error:
            raise ConnectionLost(f"cannot connect to {self.where}: {error}") from None
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def _secure(self) -> None:
        tls = self._parameters.tls
        if tls is None:
            return
        # Of several brokers each has the name that it is reached by.
        name = self.where.rpartition(":")[0]
        try:
            self._wait()
            self._socket = tls.context.wrap_socket(self._socket, server_hostname=name)
        except ssl.SSLError as error:
            raise ConnectionLost(f"cannot connect to {self.where}: {tls_failure(error, tls)}") from None
        except TimeoutError:
            raise ConnectionLost(f"cannot connect to {self.where}: {self._silence()}") from None
        except OSError:
            raise ConnectionLost(f"cannot connect to {self.where}: {closed_by_tls(tls)}") from None

    def _features(self) -> Features:
        try:
            error, features = read_features(self._ask(ask_features(__version__)))
        except ConnectionLost:
            if self._was_hung_up and self._parameters.tls is None:
                hint = (
                    "it closed the connection, or what listens there does not speak Kafka's protocol without TLS; "
                    "with TLS the URL begins with kafka+ssl://"
                )
                raise ConnectionLost(f"cannot connect to {self.where}: {hint}") from None
            raise
        if error:
            # An old broker answers in version 0, which tells us nothing more.
            raise ConnectionLost(f"the broker at {self.where} is too old: {text_of_code(error)}")
        return features

    def _log_in(self, user: str, password: str, mechanism: str) -> None:
        error, offered = read_handshake(self._ask(ask_handshake(mechanism)))
        if error:
            known = ", ".join(offered) or "none"
            raise AccessRefused(f"the broker at {self.where} does not offer the log-in {mechanism}: it offers {known}")
        if mechanism == "PLAIN":
            self._step(user, f"\0{user}\0{password}".encode())
            return
        scram = Scram(mechanism, user, password)
        scram.check(self._step(user, scram.final(self._step(user, scram.first()))))

    def _require_no_log_in(self) -> None:
        """Check that no log-in is needed: a broker closes the connection at a stranger's second request."""
        try:
            self._ask(ask_topic(""))
        except ConnectionLost:
            if not self._was_hung_up:
                raise
            text = f"the broker at {self.where} closed the connection: it wants a log-in, and the URL names no user"
            raise AccessRefused(text) from None

    def _step(self, user: str, token: bytes) -> bytes:
        error, text, answer = read_authenticate(self._ask(ask_authenticate(token)))
        if error:
            raise AccessRefused(f"the broker at {self.where} refused to log in user {user!r}: {text}")
        return answer

    # ------------------------------------------------------------------ request and answer

    def _ask(self, request: Request) -> Reader:
        self._number += 1
        try:
            self._wait()
            self._socket.sendall(request.octets(self._number))
            length = int.from_bytes(self._read(4), "big")
            if length > ANSWER_MAX:
                # An alert of TLS, for example; nothing else comes from there.
                self._was_hung_up = True
                raise ConnectionLost(f"what listens at {self.where} does not speak Kafka's protocol")
            number, reader = request.answer(self._read(length))
        except TimeoutError:
            raise ConnectionLost(f"the broker at {self.where}: {self._silence()} to {request.api.name}") from None
        except ssl.SSLError as error:
            tls = self._parameters.tls
            said = tls_failure(error, tls) if tls is not None else str(error)
            self._was_hung_up = True
            raise ConnectionLost(f"cannot connect to {self.where}: {said}") from None
        except OSError as error:
            self._was_hung_up = True
            raise ConnectionLost(f"the connection to {self.where} was lost: {error.strerror or error}") from None
        if number != self._number:
            raise ConnectionLost(f"what listens at {self.where} does not speak Kafka's protocol")
        return reader

    def _read(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            self._wait()
            more = self._socket.recv(min(length - len(found), 65_536))
            if not more:
                self._was_hung_up = True
                raise ConnectionLost(f"the broker at {self.where} closed the connection before it answered")
            found += more
        return bytes(found)

    def _wait(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _silence(self) -> str:
        return f"no answer within {self._patience:g} s"
