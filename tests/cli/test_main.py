from __future__ import annotations

from click.testing import CliRunner

from batonmq import __version__
from batonmq.cli import main


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"batonmq, version {__version__}\n"


def test_the_help_says_in_a_whole_sentence_what_each_command_does() -> None:
    listed = CliRunner().invoke(main, ["--help"], terminal_width=80).output.split("Commands:\n")[1]
    assert len(listed.splitlines()) == len(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.splitlines())
