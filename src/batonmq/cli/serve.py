"""batonmq serve"""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from batonmq import __version__
from batonmq.cli.environment import given_user
from batonmq.cli.failure import Failure
from batonmq.cli.names import NAME
from batonmq.cli.options import DEFAULT_URL
from batonmq.cli.streams import drop_output
from batonmq.purity import told

if TYPE_CHECKING:
    from batonmq.server.broker_server import Server
    from batonmq.server.config import Config

__all__ = ["load", "say_ready", "serve"]

logger = logging.getLogger("batonmq.serve")

DEFAULT_DATA = Path("data")

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")


def optional_port(value: str) -> int | Literal["off"]:
    """A port, or off."""
    if value == "off":
        return "off"
    if value.isascii() and value.isdigit() and int(value) <= 65535:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither a port from 0 to 65535 nor off")


@click.command(short_help="Run the broker.")
@click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="Read this TOML file.")
@click.option("--data", type=NAME, metavar="DIR", help="Where messages are kept. Default: ./data")
@click.option("--host", type=NAME, help="Which address to listen on; * for all. Default: 127.0.0.1")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Which port to listen on for AMQP 0-9-1, AMQP 1.0 and STOMP; 0 for a free one. Default: 5672",
)
@click.option(
    "--stomp-port", type=optional_port, metavar="PORT", help="The same for STOMP; off for none. Default: 61613"
)
@click.option(
    "--websocket-port",
    type=optional_port,
    metavar="PORT",
    help="The same for STOMP and AMQP 1.0 over WebSocket; off for none. Default: 15674",
)
@click.option(
    "--management-port",
    type=optional_port,
    metavar="PORT",
    help="The same for the web page and the HTTP API, on the host of [management]; off for none. Default: 15672",
)
@click.option("--log-level", type=click.Choice(LEVELS), help="How much to log to stderr. Default: info")
@click.option("--log-format", type=click.Choice(FORMATS), help="How lines are logged. Default: text")
def serve(
    file: Path | None,
    data: str | None,
    host: str | None,
    port: int | None,
    stomp_port: int | Literal["off"] | None,
    websocket_port: int | Literal["off"] | None,
    management_port: int | Literal["off"] | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run the broker, until Ctrl-C or SIGTERM.

    Flags override the TOML file. Everything that is confirmed to a client is on the disk; stopping is safe at
    any time.

    \b
    Examples:
      batonmq serve
      batonmq serve --data /var/lib/batonmq --host '*'
      batonmq serve --config batonmq.toml
    """
    from batonmq.cli.first_user import add_first_user
    from batonmq.management import Management
    from batonmq.server.failures import StartError
    from batonmq.server.logs import configure_logging
    from batonmq.server.run import run
    from batonmq.shovels.service import Shovels

    flags: dict[str, Any] = {
        "data": data,
        "host": host,
        "port": port,
        "stomp_port": stomp_port,
        "websocket_port": websocket_port,
        "management_port": management_port,
        "log_level": log_level,
        "log_format": log_format,
    }
    config = load(file).with_flags(**flags)
    configure_logging(config.server.log_level, config.server.log_format)
    add_first_user(config)
    shovels = Shovels()
    try:
        run(config, say_ready, [shovels, Management(shovels)], lambda: _read(file).with_flags(**flags))
    except StartError as error:
        raise Failure(str(error), error.exit_code) from None


def load(file: Path | None) -> Config:
    """The configuration in a file, or the defaults; Failure when there is something wrong with it."""
    from batonmq.server.failures import ConfigError

    try:
        return _read(file)
    except ConfigError as error:
        raise Failure(str(error), error.exit_code) from None


def _read(file: Path | None) -> Config:
    """Raises ConfigError."""
    from batonmq.server.config import Config
    from batonmq.server.config_file import load_config

    return load_config(file) if file is not None else Config()


def say_ready(server: Server) -> None:
    """Print where the broker listens, where its data is, how to log in, and what to type next."""
    addresses = [address.url for address in server.addresses]
    lines = [f"BatonMQ {__version__} ({told()})", ""]
    lines += [f"  {'listens' if number == 0 else '':9} {address}" for number, address in enumerate(addresses)]
    page = next((one for one in server.addresses if one.scheme in ("http", "https")), None)
    if page is not None:
        page = page._replace(host="127.0.0.1") if page.host in ("0.0.0.0", "::") else page  # noqa: S104
        lines.append(f"  {'web page':9} {page.url}/")
    lines.append(f"  {'data':9} {server.data.absolute()}")
    # `users` looks where `serve` does, if neither is told.
    add = shlex.join(["users", "add"] if server.data == DEFAULT_DATA else ["users", "add", "--data", str(server.data)])
    has_guest = server.users.authenticator.recall("guest", "guest", is_loopback=True) is not None
    if has_guest:
        lines.append(f"  {'log in':9} guest, password guest, from this machine only; `{_command()} {add}` adds others")
    else:
        lines.append(f"  {'log in':9} as a user of the configuration, or one that `{_command()} {add}` has added")
    lines.append(f"  {'stop':9} Ctrl-C")
    first = server.addresses[0]
    who = "guest:guest" if has_guest else "USER:PASSWORD"
    url = f"{first.scheme}://{who}@127.0.0.1:{first.port}/"
    # Without the option, commands log in as the user named by the environment, or else as guest.
    is_default = url.replace(who, "guest:guest") == DEFAULT_URL and (has_guest or given_user() is not None)
    option = "" if is_default else f" --url {url}"
    lines += ["", "Next, in another terminal:", ""]
    lines += [f'  {_command()}{option} send hello "Hello, world"', f"  {_command()}{option} receive hello", ""]
    try:
        click.echo("\n".join(lines))
        sys.stdout.flush()
    except OSError as error:
        # Where the disk is full the broker is needed to make room, and who reads its output may be gone.
        drop_output()
        logger.warning("cannot be printed (%s): listens on %s", error.strerror, ", ".join(addresses))


def _command() -> str:
    """How to invoke this command: by name if the shell finds it, otherwise by its path from here."""
    program = Path(sys.argv[0])
    found = shutil.which("batonmq")
    if program.name != "batonmq" or (found is not None and Path(found).resolve() == program.resolve()):
        return "batonmq"
    try:
        return str(program.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(program)
