from __future__ import annotations

from click.testing import CliRunner

from batonmq import __version__
from batonmq.cli import main


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"batonmq, version {__version__}\n"
