"""Standard streams that are closed, or cannot be written: one line, and no traceback."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from batonmq.cli.failure import Failure
from batonmq.cli.rabbitmq_words import rabbitmq_word

__all__ = ["Root", "require_output"]


class _Interrupted(BaseException):
    """Ctrl-C, on its way past click, which would end the command with "Aborted!" and the code of a failure."""


@contextlib.contextmanager
def _past_click() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise _Interrupted from None


class Root(click.Group):
    """The root command.

    It imports a command's module on demand, and knows RabbitMQ's names for commands. Errors of the system, such as a
    full disk, take one line.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **extra: Any) -> None:  # noqa: ANN401  (as click has it)
        """``modules``: the module below this package for each command; it has the command under the same name."""
        super().__init__(*args, **extra)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands but the aliases."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, ours or an alias from RabbitMQ's tools."""
        if cmd_name in self._modules:
            return self._read(cmd_name)
        found = rabbitmq_word(self, ctx, cmd_name)
        if found is None:
            # Click suggests names from these.
            for name in self._modules:
                self._read(name)
        return found

    def _read(self, name: str) -> click.Command:
        if name not in self.commands:
            module = importlib.import_module(f"{__package__}.{self._modules[name]}")
            self.add_command(getattr(module, name.replace("-", "_")), name)
        return self.commands[name]

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401  (as click has it)
        """Parse the command line, or print the help."""
        with _past_click():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  (as click has it)
        """Run the requested command."""
        with _past_click():
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401  (as click has it)
        """Run the command, and exit. Raises KeyboardInterrupt when Ctrl-C has ended it."""
        _open_closed()
        try:
            return super().main(*args, **extra)
        except _Interrupted:
            raise KeyboardInterrupt from None
        except OSError as error:
            drop_output()
            why = error.strerror or str(error)
            failure = Failure(why if error.filename is None else f"{os.fsdecode(error.filename)}: {why}")
            failure.show()
            sys.exit(failure.exit_code)


def _open_closed() -> None:
    """Open missing standard streams: the parent may have closed them, and later files would get their numbers."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115  (for as long as the process lives)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def drop_output() -> None:
    """Print nothing from now on. The interpreter would try to write the rest again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_output() -> None:
    """Failure when standard output is closed, and the output would be lost."""
    if sys.stdout.name == os.devnull:
        raise Failure("standard output is closed: there is nowhere to print to")
