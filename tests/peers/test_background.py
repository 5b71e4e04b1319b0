"""A broker in the background is found again and stopped, and nobody else is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import background
from tests.peers.cache import cache
from tests.peers.peer import Peer


class Sleeper(Peer):
    """A process that is a broker in nothing but that it runs."""

    name, key, variable = "Sleeper", "sleeper", "BATONMQ_TEST_SLEEPER"

    @classmethod
    def install(cls) -> None:
        """Every system has it."""

    def _launch(self) -> None:
        self.port = 1
        self._process = self._spawn(["sleep", "600"], dict(os.environ))

    def _answers(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield
    background.stop(Sleeper)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_it_is_started_once_and_stopped_with_its_data() -> None:
    url = background.start(Sleeper)
    assert background.start(Sleeper) == url == background.url_of_running(Sleeper)
    folder = Path(json.loads((cache() / "sleeper.json").read_text())["folder"])
    assert folder.exists()
    assert background.stop(Sleeper)
    assert not folder.exists()
    assert background.url_of_running(Sleeper) is None
    assert not background.stop(Sleeper)


def test_a_process_that_only_has_the_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        note = cache() / "sleeper.json"
        note.parent.mkdir(parents=True)
        note.write_text(
            json.dumps({"pid": other.pid, "begun": "1", "folder": str(tmp_path / "none"), "url": "amqp://"})
        )
        assert background.url_of_running(Sleeper) is None
        assert not background.stop(Sleeper)
        assert other.poll() is None
        other.kill()
