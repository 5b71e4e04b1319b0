"""Installing: nothing takes longer than its time, and what was cut short is not taken for whole."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.peers.cache import Unavailable, complete, installing, is_complete, step
from tests.support.waiting import in_time, until


def test_a_step_that_takes_too_long_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    def end(within: int) -> None:
        begun = time.monotonic()
        script = f"(sleep 60; touch {tmp_path}/late) & echo $! > {tmp_path}/pid; wait"
        with pytest.raises(Unavailable, match=f"fetch: not done after {within} s"):
            step("fetch", ["sh", "-c", script], within=within)
        assert time.monotonic() - begun < within + 30
        assert (tmp_path / "pid").exists(), "it was ended before it had begun"

    in_time(end, 1, 10)
    child = int((tmp_path / "pid").read_text())
    # What was killed ends when it comes to the processor.
    until(lambda: _is_over(child), 30.0)


def _is_over(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_step_that_fails_says_why() -> None:
    with pytest.raises(Unavailable, match=r"fetch: \[ERROR\] no such package"):
        step("fetch", ["sh", "-c", "echo '[ERROR] no such package'; echo bye; exit 3"], within=30.0)
    with pytest.raises(Unavailable, match=r"fetch: no-such-program is not installed"):
        step("fetch", ["no-such-program"], within=30.0)


def test_only_what_was_installed_to_its_end_in_this_version_is_there(tmp_path: Path) -> None:
    assert not is_complete(tmp_path, "1.0")
    complete(tmp_path, "1.0")
    assert is_complete(tmp_path, "1.0")
    assert not is_complete(tmp_path, "1.1")


def test_two_do_not_install_the_same_at_once(tmp_path: Path) -> None:
    seen = []

    def install() -> None:
        with installing(tmp_path / "broker"):
            seen.append("in")
            time.sleep(0.05)  # long enough for the other to come in, if nothing kept it out
            seen.append("out")

    threads = [threading.Thread(target=install) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["in", "out"] * 2


def test_who_waits_for_another_does_not_do_so_for_ever(tmp_path: Path) -> None:
    with (
        installing(tmp_path / "broker"),
        pytest.raises(Unavailable, match="another process has been installing"),
        installing(tmp_path / "broker", within=0.1),
    ):
        pass
