"""Qpid JMS, the client of Java programs. `mvn -q process-classes` in tests/interop/jms builds the cases."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.relay import Relay

FOLDER = Path(__file__).parents[1] / "jms"
SOURCES = FOLDER / "src" / "main" / "java" / "batonmq" / "interop"
BUILT = FOLDER / "target"
# For a JVM that starts on a busy machine, and for the longest case.
ANSWER = 90.0

pytestmark = pytest.mark.only("batonmq", "artemis")


def cases() -> list[str]:
    """`Class.method`, of every public method of the classes that hold cases."""
    found = []
    for source in sorted(SOURCES.glob("*.java")):
        text = source.read_text(encoding="utf-8")
        if " extends Cases " in text:
            found += [f"{source.stem}.{name}" for name in re.findall(r"^  public void (\w+)\(\)", text, re.MULTILINE)]
    return found


class Jvm:
    """One JVM for all cases, as it takes a second to start: it is told what to run, and answers."""

    def __init__(self, java: str, peer: Peer) -> None:
        self.relay = Relay(peer.host, peer.port)
        command = [java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp"]
        command += [f"{BUILT / 'classes'}:{BUILT / 'dependency'}/*", "batonmq.interop.Main"]
        command += [peer.kind, peer.host, str(peer.port), peer.user, peer.password, str(self.relay.port)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        self.lines: SimpleQueue[str] = SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip())

    def run(self, case: str) -> str:
        """What it says of this case: "ok", or what went wrong."""
        self._tell(case)
        said: list[str] = []
        while True:
            try:
                line = self.lines.get(timeout=ANSWER)
            except Empty:
                self.process.kill()
                return "\n".join([*said, "it does not answer"])
            if not line:
                return "\n".join(said)
            if line == "cut":
                self.relay.cut()
                self._tell("done")
            else:
                said.append(line)

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(10)
        self.process.stdout.close()
        self.relay.close()


@pytest.fixture(scope="module")
def jvm(peer: Peer) -> Iterator[Jvm]:
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed")
    if not (BUILT / "dependency").is_dir():
        pytest.skip("the cases are not built: run `mvn -q process-classes` in tests/interop/jms")
    jvm = Jvm(java, peer)
    yield jvm
    jvm.close()


@pytest.mark.parametrize("case", cases())
def test_jms(jvm: Jvm, case: str) -> None:
    said = jvm.run(case)
    if said != "ok":
        pytest.fail(said, pytrace=False)
