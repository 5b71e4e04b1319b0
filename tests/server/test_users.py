"""Who may log in: three sources, one order, and a file that is replaced whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from batonmq.broker.model.access import Permission, User
from batonmq.server import authenticator as module
from batonmq.server.authenticator import Authenticator
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import hash_password
from batonmq.server.users import Account, PermissionEntry, UserEntry, UserFile, guest_account

pytestmark = pytest.mark.usefixtures("at_full_cost")


def add(file: UserFile, name: str, password: str, **permissions: PermissionEntry) -> None:
    with file.change() as users:
        users[name] = UserEntry(password_hash=hash_password(password), tags=("t",), permissions=permissions)


def authenticator(file: UserFile, *configured: Account, guest: bool = True) -> Authenticator:
    return Authenticator(
        file, {account.user.name: account for account in configured}, guest_account(["/"]) if guest else None
    )


def test_guest_may_log_in_from_this_machine_only(tmp_path: Path) -> None:
    users = authenticator(UserFile(tmp_path))
    guest = users.check("guest", "guest", is_loopback=True)
    assert guest is not None
    assert guest.permissions == {"/": Permission(".*", ".*", ".*")}
    assert users.check("guest", "guest", is_loopback=False) is None
    assert users.check("guest", "wrong", is_loopback=True) is None


def test_guest_can_be_switched_off(tmp_path: Path) -> None:
    assert authenticator(UserFile(tmp_path), guest=False).check("guest", "guest", is_loopback=True) is None


def test_guest_with_a_new_password_has_no_old_one(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    users = authenticator(file)
    add(file, "guest", "new")
    assert users.check("guest", "guest", is_loopback=True) is None
    assert users.check("guest", "new", is_loopback=True) is not None
    assert users.check("guest", "new", is_loopback=False) is None


def test_a_user_of_the_file_has_its_tags_and_permissions(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    add(file, "ann", "secret", shop=PermissionEntry(configure="", write="^orders$", read=".*"))
    user = authenticator(file).check("ann", "secret", is_loopback=False)
    assert user == User("ann", frozenset({"t"}), {"shop": Permission("", "^orders$", ".*")})


def test_a_running_broker_notices_that_the_file_has_changed(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    users = authenticator(file)
    assert users.check("ann", "secret", is_loopback=True) is None
    add(file, "ann", "secret")
    assert users.check("ann", "secret", is_loopback=True) is not None
    add(file, "ann", "other")
    assert users.check("ann", "secret", is_loopback=True) is None
    with file.change() as content:
        del content["ann"]
    assert users.check("ann", "other", is_loopback=True) is None


def test_a_file_that_breaks_leaves_the_users_that_were_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = UserFile(tmp_path)
    add(file, "ann", "secret")
    users = authenticator(file)
    file.path.write_text("{")
    assert users.check("ann", "secret", is_loopback=True) is not None
    assert "not a file of users" in caplog.text
    with pytest.raises(ConfigError, match=r"users\.json: not a file of users"):
        authenticator(file)


def test_the_configuration_comes_before_the_file(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    add(file, "ann", "of the file")
    users = authenticator(file, Account(User("ann"), password="of the configuration"))
    assert users.check("ann", "of the configuration", is_loopback=True) == User("ann")
    assert users.check("ann", "of the file", is_loopback=True) is None


def test_only_the_first_log_in_costs_scrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def count(password: str, stored: str) -> bool:
        checked.append(stored)
        return password == "secret"

    monkeypatch.setattr(module, "verify_password", count)
    file = UserFile(tmp_path)
    add(file, "ann", "secret")
    users = authenticator(file)
    for _ in range(3):
        assert users.check("ann", "secret", is_loopback=True) is not None
    assert len(checked) == 1
    assert users.check("ann", "wrong", is_loopback=True) is None
    assert len(checked) == 2


def test_an_unknown_user_costs_as_much_as_a_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def count(password: str, stored: str) -> bool:
        checked.append(stored)
        return False

    monkeypatch.setattr(module, "verify_password", count)
    users = authenticator(UserFile(tmp_path))
    assert users.check("nobody", "secret", is_loopback=True) is None
    assert users.check("guest", "wrong", is_loopback=True) is None
    assert [stored.split("$")[:4] for stored in checked] == [["scrypt", "16384", "8", "1"]] * 2


def test_the_file_is_for_its_owner_alone_and_holds_no_password(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    add(file, "ann", "secret")
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert b"secret" not in file.path.read_bytes()
    assert [path.name for path in tmp_path.glob("*.new")] == []


KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from batonmq.server.users import UserEntry, UserFile
os.fsync = lambda _: os._exit(9)
with UserFile(Path(sys.argv[1])).change() as users:
    users["ann"] = UserEntry(password_hash="")
"""


def test_what_a_crash_has_left_of_a_change_goes_with_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        child = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path)], check=False)
        assert child.returncode == 9
    file = UserFile(tmp_path)
    assert file.load() == {}
    add(file, "ben", "sesame")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["users.json", "users.lock"]
    assert set(file.load()) == {"ben"}


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    add(file, "ann", "secret")
    before = file.path.read_bytes()

    def change() -> None:
        with file.change() as users:
            users.clear()
            raise KeyError("ann")

    with pytest.raises(KeyError):
        change()
    assert file.path.read_bytes() == before


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    file = UserFile(tmp_path)
    entry = UserEntry(password_hash=hash_password("secret"))

    def change(name: str) -> None:
        with UserFile(tmp_path).change() as users:
            users[name] = entry

    threads = [threading.Thread(target=change, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.load()) == 8


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="write: '\\(' is not a regular expression"):
        PermissionEntry(write="(")


def test_a_password_does_not_show_in_an_accounts_text() -> None:
    assert "secret" not in repr(Account(User("ann"), password="secret"))
