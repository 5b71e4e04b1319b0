"""Names on the command line: which ones a queue may have, and how to show any text safely on a terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import click

from batonmq.fields import NAME_MAX

if TYPE_CHECKING:
    TextType = click.ParamType[str]
else:
    # Generic since click 8.4.
    TextType = click.ParamType

__all__ = ["NAME", "OWN_QUEUE", "QUEUE", "TEXT", "columns", "cut", "say", "shown"]

# Python represents bytes of an argument that are not UTF-8 by these, one each.
FIRST_BYTE, LAST_BYTE = "\udc80", "\udcff"
# Stands for what there is no room for.
REST = "..."


class QueueName(TextType):
    """The name of a queue, checked before a broker is asked.

    ``is_ours``: the command only works with BatonMQ, whose queue names may be other than UTF-8.
    """

    name = "queue"

    def __init__(self, *, is_ours: bool) -> None:
        self._is_ours = is_ours

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself, or a usage error."""
        octets = len(value.encode(errors="surrogateescape"))
        if not octets:
            self.fail("a queue needs a name", param, ctx)
        if octets > NAME_MAX:
            self.fail(f"a name has at most {NAME_MAX} octets, not {octets}", param, ctx)
        if "\n" in value or "\r" in value:
            self.fail("a name has no line ends: brokers leave them out of it", param, ctx)
        if not self._is_ours and any(FIRST_BYTE <= character <= LAST_BYTE for character in value):
            self.fail(f"{shown(value)} is not UTF-8", param, ctx)
        return value


class Text(TextType):
    """Text that goes into a file or to the system: UTF-8."""

    name = "text"

    def __init__(self, *, may_be_empty: bool) -> None:
        self._may_be_empty = may_be_empty

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text itself, or a usage error."""
        if not value and not self._may_be_empty:
            # For example from a shell variable that was never set.
            self.fail("it is empty", param, ctx)
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{shown(value)} is not UTF-8", param, ctx)
        return value


TEXT, NAME = Text(may_be_empty=True), Text(may_be_empty=False)
QUEUE = QueueName(is_ours=False)
OWN_QUEUE = QueueName(is_ours=True)


def shown(text: str) -> str:
    r"""Text that is safe on a terminal: unprintable characters are escaped, as in \x1b."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    if FIRST_BYTE <= character <= LAST_BYTE:
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    """How many columns of a terminal a ``shown`` text takes: most East Asian characters take two."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def cut(text: str, width: int) -> str:
    """As much of a ``shown`` text as fits into so many columns, with "..." for the rest."""
    if columns(text) <= width:
        return text
    room = width - len(REST)
    for index, character in enumerate(text):
        room -= _columns_of(character)
        if room < 0:
            return (text[:index] + REST)[: max(0, width)]
    return text


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    # Unicode Standard Annex 11: wide and fullwidth.
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def say(line: str) -> None:
    """Print a line that may hold names chosen by others."""
    click.echo(shown(line))
