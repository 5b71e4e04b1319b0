"""The load generators: built from `bench/loadgen`, run, and read."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.failures import BenchError

__all__ = ["Load", "build", "parse", "run"]

SOURCES = Path(__file__).parent / "loadgen"
# The files of each program.
PROGRAMS = {
    "amqpload": ("amqpload", "amqp", "octets", "latency", "pace", "stream", "run"),
    "amqp10load": ("amqp10load", "amqp10", "octets", "latency", "stream", "run"),
    "stompload": ("stompload", "stream", "run"),
    "manyload": ("manyload", "amqp", "octets", "stream", "run"),
    "holdload": ("holdload", "amqp", "octets", "stream", "run"),
    "floor": ("floor", "octets", "latency", "pace", "stream", "run"),
}
# Longer than the slowest measurement by far; a broker that hangs must not hang the bench.
LIMIT = 1800.0
NUMBER = re.compile(r"(?<!\S)(pub/s|sub/s|p50|p95|p99|max|p99\.9)=(\S+)")
CLASSES = re.compile(r"(?<!\S)histogram=(\S+)")


@dataclass(frozen=True, slots=True)
class Load:
    """What a run has printed: messages a second, end-to-end latency in milliseconds; None: not asked for."""

    published: float | None = None
    consumed: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: float | None = None
    p999: float | None = None
    histogram: tuple[tuple[int, int], ...] = ()
    """Steps and how many messages are in each: step N ends at 2^(N/4) microseconds, where the next begins."""

    @property
    def rate(self) -> float:
        """Messages a second through the broker: a message counts when it has been consumed, if it is."""
        rate = self.consumed if self.consumed is not None else self.published
        assert rate is not None
        return rate


def build(into: Path, name: str = "amqpload", *flags: str) -> Path:
    """Compile a generator; BenchError in one line where a C compiler is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchError(f"a C compiler is missing: cc builds the load generator {name} (Debian: apt install gcc)")
    into.mkdir(parents=True, exist_ok=True)
    program = into / name
    sources = [str(SOURCES / f"{part}.c") for part in PROGRAMS[name]]
    command = [compiler, "-std=c11", "-O2", "-pthread", *flags, "-o", str(program), *sources, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise BenchError(f"{Path(compiler).name} cannot build {name}: {problem}")
    return program


def run(program: Path, **settings: str | int) -> Load:
    """Run the generator with these settings; BenchError with its complaint when it fails."""
    command = [str(program), *(f"{key}={value}" for key, value in settings.items())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command[1:])}: not done after {LIMIT:.0f} s") from None
    if done.returncode:
        raise BenchError(f"{program.name} {' '.join(command[1:])}: {done.stderr.strip() or done.returncode}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read the line that the generator prints; BenchError when there are no figures in it."""
    found: dict[str, float] = {}
    for name, figure in NUMBER.findall(output):
        try:
            found[name] = float(figure)
        except ValueError:
            raise BenchError(f"the load generator printed {name}={figure}: not a number") from None
    classes = CLASSES.search(output)
    names = ("pub/s", "sub/s", "p50", "p95", "p99", "max", "p99.9")
    published, consumed, p50, p95, p99, longest, p999 = map(found.get, names)
    steps = _histogram(classes[1]) if classes else ()
    load = Load(published, consumed, p50, p95, p99, longest, p999, steps)
    if load.published is None and load.consumed is None:
        raise BenchError(f"the load generator printed no rates: {output.strip()[:200]!r}")
    return load


def _histogram(text: str) -> tuple[tuple[int, int], ...]:
    """What stands behind ``histogram=``."""
    pairs = (part.split(":") for part in text.split(",") if part)
    return tuple((int(step), int(count)) for step, count in pairs)
