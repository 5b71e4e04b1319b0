"""The first user of a broker in a container, from its environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from proof.commands import runner
from tests.cli.conftest import Batonmq, serving
from tests.support.markdown import ROOT

from batonmq.cli import main
from batonmq.server.config_file import load_config
from batonmq.server.users import UserFile

USER = {"BATONMQ_USER": "ann", "BATONMQ_PASSWORD": "s3cr:t/@"}


def test_a_new_broker_has_the_user_of_the_environment_and_no_guest(tmp_path: Path, batonmq: Batonmq) -> None:
    with serving(tmp_path, environment=USER) as served:
        url = served.url.replace("guest:guest", "ann:s3cr%3At%2F%40")
        assert batonmq("--url", url, "status").returncode == 0
        assert "guest" not in served.banner
        assert f"batonmq --url {served.url.replace('guest:guest', 'USER:PASSWORD')} receive hello" in served.banner
        refused = batonmq("--url", served.url, "health")
        assert (refused.returncode, "refused to log in user 'guest'" in refused.stderr) == (1, True)
    entry = UserFile(tmp_path / "data").load()["ann"]
    assert entry.tags == ("administrator",)
    assert "s3cr" not in (tmp_path / "data" / "users.json").read_text()


def test_a_broker_that_has_users_keeps_them_as_they_are(tmp_path: Path, batonmq: Batonmq) -> None:
    batonmq("users", "add", "bob", "--password-stdin", "--data", "data", stdin="secret\n")
    before = (tmp_path / "data" / "users.json").read_bytes()
    with serving(tmp_path, environment=USER):
        pass
    assert (tmp_path / "data" / "users.json").read_bytes() == before


def test_a_password_may_stand_in_a_file(tmp_path: Path, batonmq: Batonmq) -> None:
    (tmp_path / "password").write_text("secret\n")
    environment = {"BATONMQ_USER": "ann", "BATONMQ_PASSWORD_FILE": str(tmp_path / "password")}
    with serving(tmp_path, environment=environment) as served:
        assert batonmq("--url", served.url.replace("guest:guest", "ann:secret"), "health").returncode == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BATONMQ_USER": "ann"}, "BATONMQ_USER is set, and neither BATONMQ_PASSWORD nor BATONMQ_PASSWORD_FILE is"),
        ({"BATONMQ_PASSWORD": "x"}, "BATONMQ_PASSWORD is set, and neither BATONMQ_USER nor BATONMQ_USER_FILE is"),
        ({**USER, "BATONMQ_PASSWORD_FILE": "nowhere"}, "BATONMQ_PASSWORD and BATONMQ_PASSWORD_FILE are both set"),
        ({"BATONMQ_USER": "ann", "BATONMQ_PASSWORD_FILE": "nowhere"}, "nowhere: cannot be read: No such file"),
    ],
)
def test_half_of_it_is_one_line_and_no_broker(
    batonmq_alone: Batonmq, environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    refused = batonmq_alone("serve", "--port", "0", "--data", "data", environment=environment)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_a_container_log_in_as_that_user() -> None:
    done = runner().invoke(main, ["queues"], env={**USER, "BATONMQ_URL": None})
    # Nobody, or a broker that does not know her.
    assert done.exit_code == 1
    assert "guest" not in done.stderr


def test_the_configuration_of_the_image_is_one_and_has_no_guest() -> None:
    config = load_config(ROOT / "deploy" / "container.toml")
    assert (config.server.data, config.server.guest) == ("/var/lib/batonmq", False)
    assert {config.listener[0].host, config.stomp.host, config.websocket.host, config.management.host} == {"0.0.0.0"}


def test_the_image_is_built_from_files_that_are_there_and_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [part for line in lines if re.match(r"COPY (?!--from)", line) for part in line.split()[1:-1]]
    assert copied
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0:1] == "!"}
    for name in copied:
        assert (ROOT / name).exists()
        assert name in kept, f"{name} is ignored"
