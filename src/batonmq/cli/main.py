"""The root of the command: its subcommands and their common options."""

from __future__ import annotations

import click

from batonmq import __version__, purity
from batonmq.cli.options import DEFAULT_URL, url_option
from batonmq.cli.streams import Root

__all__ = ["main"]

# The module of each command below this package. Only the module of the requested command is imported.
MODULES = {
    **{
        name: name
        for name in (
            *("asyncapi", "backup", "certificates", "check", "definitions", "delayed", "move", "outbox", "policies"),
            *("queues", "receive", "repair", "run", "send", "serve", "shovel", "shovels", "status", "users"),
        )
    },
    **dict.fromkeys(("bindings", "channels", "connections", "consumers", "exchanges", "vhosts"), "listings"),
    "close-connection": "closing",
    "health": "status",
    "purge": "queues",
}


def _print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(f"batonmq, version {__version__} ({purity.told()})")
        context.exit()


@click.group(
    cls=Root,
    modules=MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version, whether compiled modules run, and exit.",
)
@url_option
def main(url: str | None) -> None:
    """BatonMQ is a durable message broker: every message is handed to exactly one consumer.

    A first try, in two terminals:

    \b
      batonmq serve
      batonmq send hello "Hello, world"; batonmq receive hello

    The clients of RabbitMQ (pika, aio-pika, Celery, amqplib ...) connect to it unchanged, with the URL
    amqp://guest:guest@127.0.0.1:5672/. Clients of AMQP 1.0 and STOMP do so, too.
    """


main.help = (main.help or "").replace("amqp://guest:guest@127.0.0.1:5672/", DEFAULT_URL)
