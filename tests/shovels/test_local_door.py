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
from_queue = "inward"
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
        far.declare("inward")
        far.send("inward", b"in")
        arguments = ["serve", "--data", str(store.parent), "--config", str(config)]
        with forking.start(arguments, cwd=tmp_path, stdout=output.fileno(), stderr=output.fileno()) as process:
            until(lambda: far.count("orders") == 50)
            until(lambda: far.count("inward") == 0)
            process.terminate()
            assert process.wait(30) == 0
    with batonmq.connect(store) as mq, batonmq.connect(target) as far:
        # As Ctrl-C or SIGTERM leave it: one that was in the shovel's hands is at one of the two.
        assert mq.count("orders") == 0
        assert [message.body for message in far.peek("orders", 100)] == [b"%d" % number for number in range(50)]
        assert mq.count("back") + far.count("inward") == 1
    said = log.read_text()
    assert "Traceback" not in said
    assert "terminated" not in said
