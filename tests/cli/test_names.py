"""Names that clients gave their queues are shown so that no terminal minds, and those that cannot work are refused."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator

import pytest
from pamqp.constants import FRAME_METHOD
from tests.cli.conftest import Served
from tests.support.wire import Address, Wire

from batonmq.cli.names import columns, cut, shown
from batonmq.cli.tables import table

Batonmq = Callable[..., subprocess.CompletedProcess[str]]

# Without an answer: what it says could not be read here.
DECLARE_DURABLE_NO_WAIT = b"\x12" + struct.pack(">I", 0)
RED = "\x1b[31mred"


@pytest.fixture
def declare(served: Served) -> Iterator[Callable[[bytes], None]]:
    """Declares a queue by the bytes of its name, as clients can that do not look at them."""
    wire = Wire(Address("127.0.0.1", served.port))
    wire.open()
    channel = wire.channel()

    def declare(name: bytes) -> None:
        head = struct.pack(">HHHB", 50, 10, 0, len(name))
        wire.send_frame(FRAME_METHOD, 1, head + name + DECLARE_DURABLE_NO_WAIT)
        channel.barrier()

    yield declare
    wire.close()


def test_names_that_are_not_utf_8_are_listed_and_can_be_dealt_with(
    served: Served, batonmq: Batonmq, declare: Callable[[bytes], None]
) -> None:
    declare(b"caf\xe9")
    declare("café".encode())
    listed = batonmq("--url", served.url, "queues")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["QUEUE", "café", r"caf\xe9"]
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert batonmq("--url", served.url, "queues", "pause", name).stdout.startswith(r"caf\xe9 is paused")
    assert batonmq("--url", served.url, "queues", "purge", name).stdout == "0 messages dropped from caf\\xe9\n"
    assert (
        batonmq("--url", served.url, "queues", "delete", "--yes", name).stdout == "caf\\xe9 deleted, with 0 messages\n"
    )
    assert "caf\\xe9" not in batonmq("--url", served.url, "queues").stdout


def test_names_do_nothing_to_a_terminal(served: Served, batonmq: Batonmq) -> None:
    assert batonmq("--url", served.url, "send", RED, "hi").returncode == 0
    rows = batonmq("--url", served.url, "queues").stdout.splitlines()
    assert rows[1].split()[:2] == [r"\x1b[31mred", "1"]
    assert rows[0].index("READY") + len("READY") == rows[1].index(" 1 ") + 2
    missing = batonmq("--url", served.url, "queues", "peek", RED + "der")
    assert missing.returncode == 1
    assert "\x1b" not in missing.stderr


@pytest.mark.parametrize("command", ["send", "receive", "purge"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"caf\xe9".decode(errors="surrogateescape"), r"caf\xe9 is not UTF-8"),
        ("two\nlines", "line ends"),
        ("two\rlines", "line ends"),
        ("é" * 128, "at most 255 octets, not 256"),
        ("", "needs a name"),
    ],
)
def test_a_name_that_cannot_work_is_refused_at_once(batonmq: Batonmq, command: str, name: str, said: str) -> None:
    # Nobody listens there: no broker is asked.
    done = batonmq("--url", "amqp://127.0.0.1:1/", command, name, stdin="body")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_can_be_printed_is_shown_as_it_is() -> None:
    assert shown("Bestellungen für Zoë, 注文") == "Bestellungen für Zoë, 注文"
    assert shown("a\tb\x7f\u202e\ud800") == r"a\tb\x7f\u202e\ud800"


def test_what_is_wide_on_a_terminal_is_counted_as_such() -> None:
    assert (columns("orders"), columns("注文"), columns("Zoe\u0308")) == (6, 4, 3)
    assert [cut("注文 17", width) for width in (7, 6, 4, 2, 0)] == ["注文 17", "注...", "...", "..", ""]
    assert table(("QUEUE", "N"), [("注文", "1"), ("orders", "17")], right=(1,)).splitlines() == [
        "QUEUE    N",
        "注文     1",
        "orders  17",
    ]
