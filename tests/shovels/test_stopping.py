"""A broker stops although the other sides of its shovels do not answer, and loses nothing."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.engines.proxy import Proxy
from tests.support.broker import Broker
from tests.support.waiting import until

import batonmq

SHOVEL = """
[[shovel]]
name = "{name}"
from_queue = "{name}"
to_url = "{url}"
to_queue = "{name}"
reconnect_delay = 0.1
"""


def test_targets_that_fall_silent_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    folders = tmp_path / "near", tmp_path / "far"
    for folder in folders:
        folder.mkdir()
    far = Broker(folders[1])
    proxy = Proxy(far.start().port)
    names = [f"q{number}" for number in range(12)]
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
    near = Broker(folders[0], "".join(SHOVEL.format(name=name, url=url) for name in names))
    try:
        _stop_in_time(near, far, proxy, names)
    finally:
        near.kill()
        far.kill()
        proxy.close()
    assert "Traceback" not in near.output()


def _stop_in_time(near: Broker, far: Broker, proxy: Proxy, names: list[str]) -> None:
    url = near.start().url
    with batonmq.connect(url) as mq, batonmq.connect(far.address.url) as there:
        for name in names:
            mq.declare(name)
            there.declare(name)
            mq.send(name, b"first")
        until(lambda: all(there.count(name) == 1 for name in names))
        proxy.hold()
        for name in names:
            mq.send(name, b"second")
    assert near.terminate() == 0
    proxy.cut(refuse=True)
    # Nothing of the second ones is lost: they are back, but for those that were through before.
    near.start()
    with batonmq.connect(near.address.url) as mq, batonmq.connect(far.address.url) as there:
        counts = [(mq.count(name), there.count(name)) for name in names]
    assert set(counts) <= {(1, 1), (0, 2), (1, 2)}


def test_somebody_who_takes_connections_and_says_nothing_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute:
        url = f"amqp://guest:guest@127.0.0.1:{mute.getsockname()[1]}/"
        broker = Broker(tmp_path, "".join(SHOVEL.format(name=f"q{number}", url=url) for number in range(12)))
        broker.start()
        mute.settimeout(30)
        accepted = [mute.accept()[0] for _ in range(12)]
        try:
            assert broker.terminate() == 0
        finally:
            broker.kill()
            for one in accepted:
                one.close()
    assert "Traceback" not in broker.output()
