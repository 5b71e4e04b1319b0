"""batonmq certificates: what it makes, what it leaves alone, and that clients can use it."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.conftest import Served
from tests.engines.tls_proxy import TlsProxy
from tests.support.authorities import Certificates

from batonmq.cli import main
from proof import commands

Batonmq = Callable[..., subprocess.CompletedProcess[str]]

FILES = ["ca-key.pem", "ca.pem", "client-key.pem", "client.pem", "server-key.pem", "server.pem"]


@pytest.fixture
def runner() -> CliRunner:
    pytest.importorskip("cryptography", reason="certificates need `pip install 'batonmq[certificates]'`")
    return commands.runner()


@contextlib.contextmanager
def behind(served: Served, context: ssl.SSLContext) -> Iterator[TlsProxy]:
    proxy = TlsProxy(served.port, context)
    try:
        yield proxy
    finally:
        proxy.close()


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def names_in(certificate: Path) -> list[str]:
    from cryptography import x509

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def common_name(certificate: Path) -> str:
    from cryptography import x509

    (name,) = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    return str(name.value)


def test_it_makes_a_ca_a_server_and_a_client_and_nobody_else_reads_the_keys(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    made = runner.invoke(main, ["certificates", str(folder)])
    assert (made.exit_code, made.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert {mode for name, mode in modes.items() if "key" in name} == {0o600}
    assert {mode for name, mode in modes.items() if "key" not in name} == {0o644}
    assert names_in(folder / "server.pem") == ["localhost", "127.0.0.1", "::1"]
    assert common_name(folder / "client.pem") == "guest"


def test_what_it_prints_for_the_brokers_file_is_toml(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / 'with "quotes" ö'
    printed = runner.invoke(main, ["certificates", str(folder)]).stdout
    lines = printed.partition("[tls]")[2].partition("\n\n")[0].splitlines()
    assert tomllib.loads("\n".join(line.strip() for line in lines)) == {
        "certificate": str(folder / "server.pem"),
        "key": str(folder / "server-key.pem"),
        "ca": str(folder / "ca.pem"),
        "client_certificates": "wanted",
    }


def test_names_user_and_days_can_be_chosen(runner: CliRunner, tmp_path: Path) -> None:
    chosen = [
        "--name",
        "broker.example",
        "--name",
        "2001:db8::1",
        "--name",
        "*.example",
        "--user",
        "ann b",
        "--days",
        "3",
    ]
    made = runner.invoke(main, ["certificates", str(tmp_path / "made"), *chosen])
    assert made.exit_code == 0
    assert names_in(tmp_path / "made" / "server.pem") == ["broker.example", "2001:db8::1", "*.example"]
    assert common_name(tmp_path / "made" / "client.pem") == "ann b"
    assert "amqps://ann%20b:PASSWORD@broker.example:5671/" in made.stdout


def test_nothing_is_overwritten_unless_told_so(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "server-key.pem").write_text("precious")
    refused = runner.invoke(main, ["certificates", str(tmp_path)])
    assert refused.exit_code == 1
    assert refused.stderr == f"batonmq: {tmp_path / 'server-key.pem'} is there already; --force overwrites it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["server-key.pem"]
    assert (tmp_path / "server-key.pem").read_text() == "precious"
    assert runner.invoke(main, ["certificates", str(tmp_path), "--force"]).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert "PRIVATE KEY" in (tmp_path / "server-key.pem").read_text()
    assert (tmp_path / "server-key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "no such name"], "--name: 'no such name' is neither a DNS name nor an address"),
        (["--name", "a..b"], "--name: 'a..b' is neither"),
        (["--name", "a." * 127 + "b"], "is neither"),
        (["--name", "bücher.example"], "--name: 'bücher.example' is neither"),
        (["--user", "u" * 65], "--user: a certificate has room for 64 characters of a name"),
        (["--days", "0"], "--days"),
        (["--user", ""], "it is empty"),
    ],
)
def test_what_no_certificate_can_say_is_a_usage_error(
    runner: CliRunner, tmp_path: Path, arguments: list[str], said: str
) -> None:
    refused = runner.invoke(main, ["certificates", str(tmp_path / "made"), *arguments])
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not (tmp_path / "made").exists()


def test_a_long_dns_name_is_in_the_certificate_all_the_same(runner: CliRunner, tmp_path: Path) -> None:
    name = f"{'long' * 15}.example.broker.example"
    made = runner.invoke(main, ["certificates", str(tmp_path), "--name", name])
    assert (made.exit_code, names_in(tmp_path / "server.pem")) == (0, [name])


def test_a_folder_that_cannot_be_written_is_one_line(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = runner.invoke(main, ["certificates", str(tmp_path / "file" / "inside")])
    assert refused.exit_code == 1
    assert refused.stderr == f"batonmq: {tmp_path / 'file' / 'inside'} cannot be written: Not a directory\n"


def test_without_the_library_it_says_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "batonmq.cli.authority", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    refused = commands.runner().invoke(main, ["certificates", str(tmp_path / "made")])
    assert refused.exit_code == 1
    assert refused.stderr == "batonmq: this needs the library cryptography: pip install 'batonmq[certificates]'\n"


def test_the_command_line_works_over_tls_with_what_was_made(
    runner: CliRunner, served: Served, batonmq: Batonmq, tmp_path: Path
) -> None:
    assert runner.invoke(main, ["certificates", str(tmp_path / "tls")]).exit_code == 0
    with behind(served, server_context(tmp_path / "tls")) as proxy:
        query = (
            f"cacertfile={tmp_path}/tls/ca.pem&certfile={tmp_path}/tls/client.pem&keyfile={tmp_path}/tls/client-key.pem"
        )
        url = f"amqps://guest:guest@localhost:{proxy.port}/?{query}"
        assert batonmq("--url", url, "send", "hello", "Hello").returncode == 0
        assert batonmq("--url", url, "receive", "hello").stdout == "Hello\n"
        assert batonmq("--url", url, "queues").returncode == 0
        assert None not in proxy.shown


def test_the_command_line_says_in_one_line_what_is_wrong_with_tls(
    served: Served, batonmq_alone: Batonmq, tmp_path: Path
) -> None:
    certificates = Certificates(tmp_path / "ours")
    (tmp_path / "app.py").write_text(
        "import batonmq\napp = batonmq.Worker()\napp.handler('hello')(lambda delivery: None)\n"
    )
    with behind(served, certificates.context("localhost")) as proxy:
        where = f"localhost:{proxy.port}"
        for url, code, said in (
            (f"amqps://{where}/", 1, f"cannot connect to {where}: its certificate cannot be trusted"),
            (f"amqp://{where}/", 1, "with TLS the URL begins with amqps://"),
            (f"amqps://localhost:{served.port}/", 1, "without TLS the URL begins with amqp://"),
            (f"amqps://{where}/?cacertfile=nowhere.pem", 2, "--url: cacertfile 'nowhere.pem' cannot be read: No such"),
            (f"amqps://{where}/?verify=maybe&password=sesame", 2, "verify is verify_peer or verify_none"),
        ):
            for command in (["queues"], ["run", "app:app"]):
                failed = batonmq_alone("--url", url, *command)
                lines = [line for line in failed.stderr.splitlines() if line.startswith("batonmq: ")]
                assert (failed.returncode, len(lines)) == (code, 1), failed.stderr
                assert said in lines[0]
                assert "Traceback" not in failed.stderr
                assert "sesame" not in failed.stderr
