"""The command's root: what there is, and what all have in common."""

from __future__ import annotations

import click

from batonmq import __version__, purity
from batonmq.cli.asyncapi import asyncapi
from batonmq.cli.backup import backup
from batonmq.cli.certificates import certificates
from batonmq.cli.check import check
from batonmq.cli.closing import close_connection
from batonmq.cli.definitions import definitions
from batonmq.cli.delayed import delayed
from batonmq.cli.listings import bindings, channels, connections, consumers, exchanges, vhosts
from batonmq.cli.move import move
from batonmq.cli.options import DEFAULT_URL, url_option
from batonmq.cli.outbox import outbox
from batonmq.cli.policies import policies
from batonmq.cli.queues import purge, queues
from batonmq.cli.receive import receive
from batonmq.cli.repair import repair
from batonmq.cli.run import run
from batonmq.cli.send import send
from batonmq.cli.serve import serve
from batonmq.cli.shovel import shovel
from batonmq.cli.shovels import shovels
from batonmq.cli.status import health, status
from batonmq.cli.streams import Root
from batonmq.cli.users import users

__all__ = ["main"]


def _print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        pure = purity.why_pure()
        click.echo(f"batonmq, version {__version__} ({f'pure: {pure}' if pure else 'compiled'})")
        context.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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

COMMANDS = (
    *(serve, run, asyncapi, send, receive, shovel, queues, delayed, purge, move, outbox, status, health),
    *(vhosts, exchanges, bindings, connections, channels, consumers, shovels, close_connection),
    *(policies, users, definitions, certificates, check, repair, backup),
)
for command in COMMANDS:
    main.add_command(command)
