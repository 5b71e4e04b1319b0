from __future__ import annotations

from click.testing import CliRunner

import batonmq
from batonmq import __version__, purity
from batonmq.cli import main


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    pure = purity.why_pure()
    modules = "compiled" if batonmq.compiled else f"pure: {pure}"
    assert result.output == f"batonmq, version {__version__} ({modules})\n"


def test_the_help_says_in_a_whole_sentence_what_each_command_does() -> None:
    listed = CliRunner().invoke(main, ["--help"], terminal_width=80).output.split("Commands:\n")[1]
    assert len(listed.splitlines()) == len(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.splitlines())
