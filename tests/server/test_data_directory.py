"""A data directory belongs to its owner alone and to one broker at a time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from batonmq.server.data_directory import open_data_directory
from batonmq.server.failures import StartError

HOLD = """
import sys
from pathlib import Path
from batonmq.server.data_directory import open_data_directory
with open_data_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data"
    with open_data_directory(path):
        assert path.stat().st_mode & 0o777 == 0o700


def test_another_process_that_holds_it_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        expected = f"the data directory {tmp_path} is in use by another broker (process {holder.pid})"
        with pytest.raises(StartError, match=f"^{re.escape(expected)}$"), open_data_directory(tmp_path):
            pass
        holder.kill()
    # A process that was killed holds nothing.
    with open_data_directory(tmp_path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is in use cannot be deleted there")
def test_deleting_the_lock_file_lets_nobody_in(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StartError, match="in use by another broker"), open_data_directory(tmp_path):
            pass
        holder.kill()


def test_a_file_in_its_place_is_an_error_in_words(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(StartError, match="is not a directory"), open_data_directory(path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StartError, match="cannot be used: Permission denied"), open_data_directory(tmp_path):
        pass


def test_another_fault_is_not_taken_for_one_of_the_directory(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), open_data_directory(tmp_path):
        raise ConnectionResetError
