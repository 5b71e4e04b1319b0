"""`batonmq users` changes who may log in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from proof.commands import runner
from tests.support.driven import Driven

from batonmq.cli import main
from batonmq.server.config_file import parse_config
from batonmq.server.data_directory import exclusive_lock
from batonmq.server.passwords import verify_password
from batonmq.server.users import TopicEntry, UserEntry, UserFile

Users = Callable[..., Result]


@pytest.fixture
def users(tmp_path: Path) -> Users:
    def run(*arguments: str, stdin: str | bytes = "", place: tuple[str, ...] = ("--data", str(tmp_path))) -> Result:
        return runner().invoke(main, ["users", *arguments, *place], input=stdin)

    return run


def test_a_user_is_added_with_a_password_from_standard_input(users: Users, tmp_path: Path) -> None:
    result = users("add", "ann", "--password-stdin", "--tag", "administrator", stdin="secret\n")
    assert result.exit_code == 0, result.output
    assert f"may do: batonmq users permit ann --vhost / --data {tmp_path}\n" in result.output, "it finds the same users"
    entry = UserFile(tmp_path).load()["ann"]
    assert verify_password("secret", entry.password_hash)
    assert entry.tags == ("administrator",)
    assert entry.permissions == {}


def test_a_password_is_asked_for_twice_and_not_shown(users: Users, tmp_path: Path) -> None:
    result = users("add", "ann", stdin="secret\nsecret\n")
    assert result.exit_code == 0
    assert "secret" not in result.stdout + result.stderr
    assert verify_password("secret", UserFile(tmp_path).load()["ann"].password_hash)


def test_what_the_system_refuses_is_told_with_the_name_of_the_file(users: Users, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    result = users("list", place=("--data", str(folder)))
    assert (result.exit_code, result.stderr) == (1, f"batonmq: {folder}/users.lock: File name too long\n")


def test_without_a_terminal_a_password_comes_from_standard_input_only_when_it_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "batonmq", "users", "add", "ann", "--data", str(tmp_path)]
    # A session of its own has no terminal.
    done = subprocess.run(
        command, input="x\nx\n", capture_output=True, text=True, start_new_session=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, "")
    # click before 8.2 has asked by then.
    said = done.stderr.removeprefix("Password:")
    assert said == "batonmq: there is no terminal to ask at for the password: say --password-stdin\n"


@pytest.mark.parametrize("command", ["add", "password"])
def test_a_terminal_at_which_nobody_types_holds_up_no_other_change(
    users: Users, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker changes users as well, and waits at its end for a change that has begun."""
    if command == "password":
        users("add", "ann", "--password-stdin", stdin="secret\n")

    def in_the_meantime() -> str:
        with exclusive_lock(tmp_path / "users.lock", wait=False):
            return "secret"

    monkeypatch.setattr("batonmq.cli.users._from_input", in_the_meantime)
    assert users(command, "ann", "--password-stdin").exit_code == 0
    assert "ann" in UserFile(tmp_path).load()


def test_a_password_that_is_never_said_leaves_nothing(users: Users, tmp_path: Path) -> None:
    """Else the next start would miss a file of users."""
    assert users("add", "ann", "--password-stdin", stdin="").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_first_change_that_fails_leaves_nothing(users: Users, tmp_path: Path) -> None:
    assert users("permit", "nobody").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_given_and_taken(users: Users, tmp_path: Path) -> None:
    users("add", "ann", "--password-stdin", stdin="secret\n")
    assert users("permit", "ann", "--configure", "", "--write", "^orders$").exit_code == 0
    permission = UserFile(tmp_path).load()["ann"].permissions["/"]
    assert (permission.configure, permission.write, permission.read) == ("", "^orders$", ".*")
    assert users("forbid", "ann").exit_code == 0
    assert UserFile(tmp_path).load()["ann"].permissions == {}
    assert users("forbid", "ann").exit_code == 1


def test_a_password_is_changed_and_a_user_deleted(users: Users, tmp_path: Path) -> None:
    users("add", "ann", "--password-stdin", stdin="secret\n")
    assert users("password", "ann", "--password-stdin", stdin="other\n").exit_code == 0
    assert verify_password("other", UserFile(tmp_path).load()["ann"].password_hash)
    assert users("delete", "ann").exit_code == 0
    assert UserFile(tmp_path).load() == {}


def test_guest_keeps_its_rights_when_its_password_changes(users: Users, tmp_path: Path) -> None:
    assert users("password", "guest", "--password-stdin", stdin="other\n").exit_code == 0
    entry = UserFile(tmp_path).load()["guest"]
    assert verify_password("other", entry.password_hash)
    assert entry.permissions["/"].write == ".*"


def test_users_are_listed_without_hashes(users: Users) -> None:
    users("add", "ann", "--password-stdin", stdin="secret\n")
    users("permit", "ann", "--write", "")
    lines = users("list").output.splitlines()
    assert lines[0].split() == ["USER", "VHOST", "CONFIGURE", "WRITE", "READ", "TAGS", "KEPT", "IN"]
    assert lines[1].split() == ["ann", "/", ".*", "''", ".*", "users.json"]
    assert lines[2].startswith("guest")
    assert "scrypt" not in "".join(lines)


def test_a_user_of_the_configuration_is_changed_there(users: Users, tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    data = json.dumps(str(tmp_path))
    file.write_text(f"[server]\ndata = {data}\nguest = false\n[[user]]\nname = 'ann'\npassword = 'x'\n")
    for command in (["password", "ann", "--password-stdin"], ["permit", "ann"], ["delete", "ann"]):
        result = users(*command, stdin="secret\n", place=("--config", str(file)))
        assert result.exit_code == 1
        assert f"user 'ann' stands in {file}" in result.stderr
    lines = users("list", place=("--config", str(file))).output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["ann"]


def test_a_printed_hash_fits_into_a_configuration(users: Users) -> None:
    printed = users("hash", "--password-stdin", stdin="secret\n", place=()).output.strip()
    config = parse_config(f"[[user]]\nname = 'ann'\npassword_hash = '{printed}'\n", "x")
    assert verify_password("secret", config.user[0].password_hash)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "expected"),
    [
        (("delete", "nobody"), 1, "there is no user 'nobody'"),
        (("permit-topics", "guest", "--write", "("), 2, "--write: '(' is not a regular expression"),
        (("permit-topics", "guest", "--vhost", "nosuch"), 1, "there is no virtual host 'nosuch'"),
        (("free-topics", "guest"), 1, "nothing is said of the topics of user 'guest'"),
        (("limit", "guest"), 2, "say --max-connections N"),
        (("permit", "guest", "--read", "("), 2, "--read: '(' is not a regular expression"),
        (("add", "ann", "--password-stdin"), 2, "a password must not be empty"),
        (("permit", "guest", "--vhost", "nosuch"), 1, "there is no virtual host 'nosuch'"),
        (("add", "", "--password-stdin"), 2, "a user's name has 1 to 255 characters"),
    ],
)
def test_mistakes_are_one_line(users: Users, arguments: tuple[str, ...], exit_code: int, expected: str) -> None:
    result = users(*arguments)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("batonmq: ")
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_user_is_not_added_twice(users: Users) -> None:
    users("add", "ann", "--password-stdin", stdin="secret\n")
    result = users("add", "ann", "--password-stdin", stdin="other\n")
    assert result.exit_code == 1
    assert "there is a user 'ann' already" in result.stderr


def test_a_directory_that_is_none_is_not_made_in_silence(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("add", "ann", "--password-stdin"), ("list",), ("permit", "ann")):
        result = users(*command, stdin="secret\n", place=())
        assert result.exit_code == 2
        assert f"there is no {tmp_path / 'data'}" in result.stderr
    assert list(tmp_path.iterdir()) == []
    made = users("add", "ann", "--password-stdin", stdin="secret\n", place=("--data", "new"))
    assert made.exit_code == 0
    assert f"{tmp_path / 'new'} was not there, and was made" in made.stdout


def test_a_virtual_host_stands_in_the_configuration(users: Users, tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text(f"[server]\ndata = {json.dumps(str(tmp_path))}\n[[vhost]]\nname = 'shop'\n")
    users("add", "ann", "--password-stdin", stdin="secret\n")
    assert users("permit", "ann", "--vhost", "shop", place=("--config", str(file))).exit_code == 0
    result = users("permit", "ann", "--vhost", "nosuch", place=("--config", str(file)))
    assert result.exit_code == 1
    assert "there is no virtual host 'nosuch': the broker has '/', 'shop'" in result.stderr


def test_what_is_not_utf_8_is_refused_before_anything_is_written(users: Users, tmp_path: Path) -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    assert users("add", "ann", "--password-stdin", stdin="secret\n").exit_code == 0
    before = (tmp_path / "users.json").read_bytes()
    for arguments in (
        ["add", name, "--password-stdin"],
        ["add", "bob", "--password-stdin", "--tag", name],
        ["permit", "ann", "--read", name],
        ["permit", "ann", "--vhost", name],
    ):
        refused = users(*arguments, stdin="secret\n")
        assert refused.exit_code == 2
        assert "caf\\xe9 is not UTF-8" in refused.stderr
    refused = users("password", "ann", "--password-stdin", stdin=b"caf\xe9\n")
    assert (refused.exit_code, "UTF-8" in refused.stderr) == (2, True)
    assert (tmp_path / "users.json").read_bytes() == before


def test_no_directory_is_not_the_current_one(users: Users) -> None:
    assert users("list", place=("--data", "")).exit_code == 2


def test_the_built_in_guest_is_deleted_for_good(users: Users, tmp_path: Path) -> None:
    assert users("delete", "guest").exit_code == 0
    assert "there are no users" in users("list").output
    assert users("delete", "guest").exit_code == 1
    users("add", "ann", "--password-stdin", stdin="secret\n")
    assert UserFile(tmp_path).load().guest_deleted
    assert users("add", "guest", "--password-stdin", stdin="secret\n").exit_code == 0
    assert users("delete", "guest").exit_code == 0
    assert list(UserFile(tmp_path).load()) == ["ann"]


def test_topics_and_limits_are_set_shown_and_lifted(users: Users, tmp_path: Path) -> None:
    users("add", "ann", "--password-stdin", stdin="secret\n")
    assert users("permit-topics", "ann", "--write", "^{username}", "--read", "").exit_code == 0
    assert users("limit", "ann", "--max-connections", "3").exit_code == 0
    assert users("limit", "ann", "--max-channels", "7").exit_code == 0
    assert users("permit", "ann").exit_code == 0
    entry = UserFile(tmp_path).load()["ann"]
    assert entry.topic_permissions["/"]["amq.topic"] == TopicEntry(write="^{username}", read="")
    assert entry.limits == {"max-connections": 3, "max-channels": 7}
    shown = [line.split() for line in users("list").output.splitlines()]
    assert ["ann", "/", "amq.topic", "^{username}", "''"] in shown
    assert ["ann", "max-channels", "7"] in shown
    assert users("free-topics", "ann").exit_code == 0
    assert users("limit", "ann", "--max-connections", "-1", "--max-channels", "-1").exit_code == 0
    entry = UserFile(tmp_path).load()["ann"]
    assert (entry.topic_permissions, entry.limits) == ({}, {})


def test_what_was_imported_is_kept_and_told(users: Users, tmp_path: Path) -> None:
    imported = "rabbit_password_hashing_sha256$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    with UserFile(tmp_path).change() as found:
        found["ann"] = UserEntry(password_hash=imported)
        found["bob"] = UserEntry(password_hash="")
    users("permit", "ann")
    users("limit", "bob", "--max-channels", "1")
    assert {name: entry.password_hash for name, entry in UserFile(tmp_path).load().items()} == {
        "ann": imported,
        "bob": "",
    }
    lines = users("list").output.splitlines()
    assert [line.split(maxsplit=1) for line in lines[-2:]] == [
        ["ann", "a password, kept by rabbit_password_hashing_sha256"],
        ["bob", "a certificate alone"],
    ]
    assert "kI3G" not in "".join(lines)


def test_a_virtual_host_that_was_made_while_the_broker_ran(users: Users, tmp_path: Path) -> None:
    driven = Driven(tmp_path / "batonmq.db")
    driven.broker.create_vhost("shop")
    driven.settle()
    # While the broker has the file, after it was killed, and after it has stopped.
    assert users("permit", "guest", "--vhost", "shop").exit_code == 0
    assert users("permit", "guest", "--vhost", "other").exit_code == 1
    driven.crash()
    assert users("permit", "guest", "--vhost", "shop").exit_code == 0
    driven.broker.close()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert users("permit", "guest", "--vhost", "shop").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before
