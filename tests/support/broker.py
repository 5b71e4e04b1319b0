"""The broker under test as a process of its own, started through its front door and read by what it prints."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

from tests.support import forking
from tests.support.forking import Forked
from tests.support.waiting import until
from tests.support.wire import Address, Wire

# For a busy machine.
START = 90.0
STOP = 90.0
STANDS = 10.0

PASSWORD = "sesame"
VHOST = "elsewhere"
# What the tests of permissions need beside guest, who may do everything everywhere.
CONFIG = f"""
[[vhost]]
name = "{VHOST}"

[[user]]
name = "limited"
password = "{PASSWORD}"
[[user.permission]]
configure = "^mine-"
write = "^(mine-|shared-)"
read = "^(mine-|public-)"

[[user]]
name = "asking"
password = "{PASSWORD}"
[[user.permission]]
configure = "^amq.gen-"
write = '^(batonmq\\.management|amq\\.default)$'
read = "^amq.gen-"

[[user]]
name = "nobody"
password = "{PASSWORD}"
[[user.permission]]
configure = ""
write = ""
read = ""
"""


class Broker:
    """`batonmq serve` on a free port of the loopback and a data directory that outlives it."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.config = folder / "batonmq.toml"
        self.config.write_text(config)
        self.log = folder / "broker.log"
        self.process: Forked | None = None
        self.address = Address("127.0.0.1", 0)
        # Ports by scheme: amqp, stomp, ws.
        self.ports: dict[str, int] = {}

    def start(self) -> Address:
        """Starts it and waits for the lines that name its ports; RuntimeError with what it printed when it does not."""
        arguments = ["serve", "--port", "0", "--stomp-port", "0", "--websocket-port", "0", "--management-port", "0"]
        arguments += ["--data", str(self.folder / "data"), "--config", str(self.config)]
        self.process = forking.start(arguments, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.ports = {}
        found = threading.Event()
        reader = threading.Thread(target=self._read, args=(self.process, found), daemon=True)
        reader.start()
        found.wait(START)
        if not self.address.port:
            self.kill()
            reader.join(STOP)
            raise RuntimeError(f"batonmq serve did not start: {self.output()}")
        return self.address

    def _read(self, process: Forked, found: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout, self.log.open("a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if found.is_set():
                    continue
                if port := re.search(r" (\w+)://127\.0\.0\.1:(\d+)", line):
                    self.ports[port[1]] = int(port[2])
                elif self.ports:
                    self.address = Address("127.0.0.1", self.ports["amqp"])
                    found.set()
        found.set()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stands(self) -> str:
        """The end of what it has printed, and where each of its threads is: for a test that waits in vain."""
        before = len(self.output())
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            with contextlib.suppress(AssertionError):
                # What is last is where the program itself began.
                until(lambda: "<module>" in self.output()[before:], STANDS)
        return self.output()[max(0, before - 2000) :]

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is said."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP)
        self.address = Address("127.0.0.1", 0)

    def terminate(self, wires: Iterable[Wire] = ()) -> int:
        """SIGTERM, the answers of `wires` to connection.close, and the exit status of an orderly stop."""
        assert self.process is not None
        self.process.terminate()
        for wire in wires:
            wire.listen()
        status = self.process.wait(STOP)
        self.address = Address("127.0.0.1", 0)
        return status


def identified(address: Address) -> Address:
    """`address` with the product and version that the broker announces there."""
    wire = Wire(address)
    properties = wire.greet().server_properties
    wire.abort()
    return Address(
        address.host,
        address.port,
        address.user,
        address.password,
        str(properties.get("product", "")),
        str(properties.get("version", "")),
        address.foreign,
    )
