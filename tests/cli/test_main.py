from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import click
import pytest
from proof.commands import runner

import batonmq
from batonmq import __version__, purity
from batonmq.cli import main

ROOT = click.Context(main)


def test_the_version_is_printed() -> None:
    result = runner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"batonmq, version {__version__} ({purity.told()})\n"
    assert purity.told() == ("compiled" if batonmq.compiled else f"pure: {purity.why_pure()}")


GROUPS = ["", *(name for name in main.list_commands(ROOT) if isinstance(main.get_command(ROOT, name), click.Group))]


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_says_in_a_whole_sentence_what_each_command_does(group: str) -> None:
    asked = main if not group else main.get_command(ROOT, group)
    assert isinstance(asked, click.Group)
    helped = runner().invoke(main, [*group.split(), "--help"], terminal_width=78)
    listed = helped.output.split("Commands:\n")[1]
    assert [line.split()[0] for line in listed.splitlines()] == asked.list_commands(ROOT)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.splitlines())


def test_what_is_like_a_command_is_told() -> None:
    result = runner().invoke(main, ["quues"])
    assert result.exit_code == 2
    assert "No such command 'quues'." in result.stderr
    # click says it since 8.4.
    if [int(each) for each in version("click").split(".")] >= [8, 4]:
        assert "Did you mean 'queues'?" in result.stderr


def test_only_the_command_that_is_asked_for_is_read() -> None:
    program = "import sys; from batonmq.cli import main; main(['--version'], standalone_mode=False); "
    program += "print([name for name in sys.modules if name in ('asyncio', 'msgspec', 'batonmq.cli.serve')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"
