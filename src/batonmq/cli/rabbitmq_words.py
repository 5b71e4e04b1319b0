"""Commands of rabbitmqctl and rabbitmqadmin as hidden aliases, whose help names ours."""

from __future__ import annotations

import inspect

import click

__all__ = ["rabbitmq_word"]

WORDS = {
    "list_queues": "queues list",
    "list_exchanges": "exchanges",
    "list_bindings": "bindings",
    "list_connections": "connections",
    "list_channels": "channels",
    "list_consumers": "consumers",
    "list_vhosts": "vhosts",
    "list_policies": "policies list",
    "set_policy": "policies set",
    "clear_policy": "policies clear",
    "purge_queue": "purge",
    "delete_queue": "queues delete",
    "close_connection": "close-connection",
    "ping": "health",
    "check_running": "health",
    "list_users": "users list",
    "add_user": "users add",
    "delete_user": "users delete",
    "change_password": "users password",
    "set_permissions": "users permit",
    "clear_permissions": "users forbid",
    "hash_password": "users hash",
    "export_definitions": "definitions export",
    "import_definitions": "definitions import",
    "export": "definitions export",
    "import": "definitions import",
}


def rabbitmq_word(root: click.Group, context: click.Context, word: str) -> click.Command | None:
    """Our command, under the name that RabbitMQ's tools use; None: they have no such command.

    Its options and arguments are ours.
    """
    ours = WORDS.get(word)
    if ours is None:
        return None
    found: click.Command = root
    for name in ours.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(context, name)
        assert inner is not None, f"{ours!r} is no command"
        found = inner
    said = inspect.cleandoc(found.help or "")
    return click.Command(
        word,
        callback=found.callback,
        params=found.params,
        help=f"RabbitMQ's name for `batonmq {ours}`, with the same options and arguments.\n\n{said}",
        hidden=True,
    )
