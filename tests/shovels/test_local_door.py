"""How shovels of a server reach its own queues: without a listener, a certificate or a password of anybody's."""

from __future__ import annotations

from pathlib import Path

from tests.support import forking
from tests.support.certificates import Certificates
from tests.support.waiting import until

import batonmq

CONFIG = """
[server]
guest = false

[[listener]]
port = 0
tls = true

[tls]
certificate = "{certificates.certificate}"
key = "{certificates.key}"
ca = "{certificates.ca_file}"
client_certificates = "required"

[stomp]
port = "off"

[websocket]
port = "off"

[management]
port = "off"

[[shovel]]
name = "out"
from_queue = "orders"
to_url = "{target}"
to_queue = "orders"

[[shovel]]
name = "in"
from_url = "{target}"
from_queue = "orders"
to_queue = "back"
"""


def test_it_needs_no_listener_that_would_let_it_in(tmp_path: Path) -> None:
    certificates, target = Certificates(tmp_path / "tls"), tmp_path / "far.db"
    config = tmp_path / "batonmq.toml"
    config.write_text(CONFIG.format(certificates=certificates, target=target))
    store = tmp_path / "data" / "batonmq.db"
    store.parent.mkdir()
    with batonmq.connect(store) as mq:
        mq.declare("orders")
        mq.declare("back", max_length=100)
        mq.send_many("orders", [b"%d" % number for number in range(50)])
    log = tmp_path / "log"
    with log.open("wb") as output, batonmq.connect(target) as far:
        far.declare("orders")
        arguments = ["serve", "--data", str(store.parent), "--config", str(config)]
        with forking.start(arguments, cwd=tmp_path, stdout=output.fileno(), stderr=output.fileno()) as process:
            # They come out by the one shovel, and in again by the other.
            until(lambda: b"shovel 'in' in vhost '/' runs" in log.read_bytes())
            until(lambda: b"shovel 'out' in vhost '/' runs" in log.read_bytes())
            far.send("orders", b"last")
            until(lambda: far.count("orders") == 0)
            process.terminate()
            assert process.wait(30) == 0
    with batonmq.connect(store) as mq, batonmq.connect(target) as far:
        found = [message.body for message in mq.peek("back", 100)]
        assert sorted([*found, *(message.body for message in far.peek("orders", 100))]) == sorted(
            [*(b"%d" % number for number in range(50)), b"last"]
        )
        assert mq.count("orders") == 0
    said = log.read_text()
    assert "Traceback" not in said
    assert "terminated" not in said
