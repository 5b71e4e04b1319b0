"""SIGHUP: what takes effect at once, what waits for a restart, and a file that is wrong."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import LONG, Batonmq, Served, serving
from tests.support.markdown import ROOT

import batonmq as api
from batonmq.server.config import Config
from batonmq.server.reloading import AT_ONCE, OF_CONNECTIONS, ONCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")

USER = "\n[[user]]\nname = 'ann'\npassword = 'secret'\ntags = ['monitoring']\n"
RIGHTS = "[[user.permission]]\nvhost = '{}'\nconfigure = '.*'\nwrite = '.*'\nread = '.*'\n"
POLICY = "\n[[policy]]\nname = 'short'\npattern = '^q'\napply_to = 'queues'\ndefinition = {{ 'max-length' = {} }}\n"


class Reloaded:
    """A broker, its file, and what it says of it."""

    def __init__(self, served: Served, file: Path) -> None:
        self.served = served
        self.url = served.url
        self._file = file

    def reload(self, text: str) -> list[str]:
        """Write the file, send SIGHUP, and return what is logged of that."""
        self._file.write_text(text, encoding="utf-8")
        self.served.process.send_signal(signal.SIGHUP)
        guard = threading.Timer(LONG, self.served.process.kill)
        guard.start()
        said = []
        for line in iter(self.served.lines.get, ""):
            said.append(line)
            if "configuration was read again" in line or "nothing has changed" in line:
                break
        guard.cancel()
        assert said
        return said


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Reloaded]:
    file = tmp_path / "batonmq.toml"
    file.write_text("", encoding="utf-8")
    with serving(tmp_path, "--config", str(file)) as served:
        yield Reloaded(served, file)


def test_users_virtual_hosts_and_policies_take_effect_at_once(broker: Reloaded, batonmq: Batonmq) -> None:
    ann = broker.url.replace("guest:guest", "ann:secret") + "shop"
    assert batonmq("--url", ann, "health").returncode == 1
    said = broker.reload("[[vhost]]\nname = 'shop'\n" + USER + RIGHTS.format("shop") + POLICY.format(2))
    assert "changed: vhost, policy, user" in said[-1]
    assert batonmq("--url", ann, "health").returncode == 0
    assert batonmq("--url", broker.url + "shop", "health").returncode == 0
    batonmq("--url", broker.url, "send", "q", "--lines", stdin="1\n2\n3\n")
    assert batonmq("--url", broker.url, "receive", "q").stdout == "2\n3\n"
    # Others, and none at all.
    broker.reload("[[vhost]]\nname = 'shop'\n" + POLICY.format(1))
    batonmq("--url", broker.url, "send", "q", "--lines", stdin="1\n2\n3\n")
    assert batonmq("--url", broker.url, "receive", "q").stdout == "3\n"
    assert batonmq("--url", ann, "health").returncode == 1
    broker.reload("[[vhost]]\nname = 'shop'\n")
    batonmq("--url", broker.url, "send", "q", "--lines", stdin="1\n2\n3\n")
    assert batonmq("--url", broker.url, "receive", "q").stdout == "1\n2\n3\n"


def test_the_guest_and_limits_can_go_and_come_back(broker: Reloaded, batonmq: Batonmq) -> None:
    broker.reload("[server]\nguest = false\n")
    assert batonmq("--url", broker.url, "health").returncode == 1
    said = broker.reload("[limits]\nmemory = 2_000_000\nconnections = 1\n[amqp]\nmax_message_size = 100\n")
    assert "changed: server.guest, amqp.max_message_size, limits.connections, limits.memory" in said[-1]
    status = json.loads(batonmq("--url", broker.url, "status", "--json").stdout)
    assert status["memory"]["limit"] == 2_000_000
    assert batonmq("--url", broker.url, "send", "q", "x" * 100).returncode == 0
    assert batonmq("--url", broker.url, "send", "q", "x" * 101).returncode == 1
    with api.connect(broker.url):
        assert batonmq("--url", broker.url, "health", "--timeout", "5").returncode == 1


def test_the_level_of_the_log_and_its_form_change(broker: Reloaded, batonmq: Batonmq) -> None:
    broker.reload("[server]\nlog_level = 'warning'\nlog_format = 'json'\n[limits]\nmemory = 0\n")
    said = broker.reload("[server]\nlog_format = 'json'\n")
    assert json.loads(said[-1])["message"].endswith("changed: server.log_format")
    batonmq("--url", broker.url, "health")
    said = broker.reload("[server]\nlog_format = 'json'\nguest = true\n")
    assert any(json.loads(line).get("user") == "guest" for line in said)


def test_what_cannot_take_effect_is_said_and_the_rest_does(broker: Reloaded, batonmq: Batonmq) -> None:
    said = broker.reload("[server]\ndata = 'elsewhere'\n[stomp]\nmax_headers = 20\nbacklog = 7\n" + USER)
    assert "changed: stomp.max_headers, user" in said[-1]
    later = broker.served.lines.get()
    assert later.rstrip().endswith("these keys of the configuration need a restart to take effect: stomp.backlog")
    assert batonmq("--url", broker.url, "health").returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[amqp]\nheartbeats = 3\n", "batonmq.toml: amqp: unknown key 'heartbeats'; nothing has changed"),
        ("[server\n", "not TOML"),
        (USER + USER, "'ann' is there twice"),
        (POLICY.format(1).replace("'^q'", "'('"), "regular expression"),
    ],
)
def test_a_wrong_file_is_one_line_and_changes_nothing(broker: Reloaded, batonmq: Batonmq, text: str, said: str) -> None:
    (line,) = broker.reload("[server]\nguest = false\n" + text)
    assert said in line
    assert batonmq("--url", broker.url, "health").returncode == 0


def test_the_page_names_each_key_that_takes_effect_at_once() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = text[text.index("## Reading it again") :]
    for key in AT_ONCE:
        table, _, name = key.partition(".")
        assert f"`{name}`" in section if name else f"`[[{table}]]`" in section, key
    for table in OF_CONNECTIONS:
        assert f"`[{table}]`" in section


def test_every_key_that_is_named_is_one() -> None:
    config = Config()
    known = {*config.__struct_fields__}
    for table in config.__struct_fields__:
        known |= {f"{table}.{key}" for key in getattr(getattr(config, table), "__struct_fields__", ())}
    assert {*AT_ONCE, *ONCE, *OF_CONNECTIONS} <= known


def test_a_virtual_host_is_added_while_another_is_left_out(broker: Reloaded, batonmq: Batonmq) -> None:
    broker.reload("[[vhost]]\nname = 'shop'\n")
    said = broker.reload("[[vhost]]\nname = 'other'\n")
    assert "changed: vhost" in said[-1]
    for vhost in ("shop", "other"):
        assert batonmq("--url", broker.url + vhost, "health").returncode == 0
    assert "changed: nothing" in broker.reload("[[vhost]]\nname = 'other'\n")[-1]


def test_a_certificate_that_waits_for_a_restart_is_looked_at_now(broker: Reloaded) -> None:
    said = broker.reload("[tls]\ncertificate = 'nowhere.pem'\n[server]\nlog_level = 'debug'\n")
    assert len(said) == 1
    assert "nowhere.pem" in said[0]
    assert "nothing has changed" in said[0]
