"""batonmq serve with TLS: what it prints, SIGHUP, and a certificate that is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import LONG, OTHERS
from tests.support import forking
from tests.support.certificates import Certificates

Batonmq = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = Certificates(tmp_path / "certificates")
    file = tmp_path / "batonmq.toml"
    file.write_text(f"""
[tls]
certificate = "{made.certificate}"
key = "{made.key}"
amqps_port = 0
[stomp]
tls_port = "off"
[websocket]
tls_port = "off"
[management]
tls_port = "off"
""")
    return file


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGHUP")
def test_sighup_has_the_certificate_read_again(tmp_path: Path, config: Path) -> None:
    arguments = ["serve", "--port", "0", *OTHERS, "--data", str(tmp_path / "data"), "--config", str(config)]
    with forking.start(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            banner = ""
            for line in process.stdout:
                banner += line
                if " receive hello" in line:
                    break
            assert "amqp://127.0.0.1:" in banner
            assert "amqps://127.0.0.1:" in banner
            process.send_signal(signal.SIGHUP)
            assert any("server.pem was read again" in line for line in process.stderr)
            process.terminate()
            assert process.wait(LONG) == 0
        finally:
            process.kill()


def test_a_wrong_certificate_is_one_line(batonmq_alone: Batonmq, tmp_path: Path, config: Path) -> None:
    (tmp_path / "certificates" / "server.key").write_text("this is a letter")
    done = batonmq_alone("serve", "--config", str(config))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("batonmq: tls.key: ")
    assert line.endswith("server.key: there is no private key in it (PEM)")
