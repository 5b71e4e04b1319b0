"""`users.json` after what disks do to it: the users that there were, or a line that says that they may not be."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest
from proof.disk import Disk, Fault, lay
from proof.platter import Event, Platter

from batonmq.server.authenticator import Authenticator
from batonmq.server.failures import ConfigError
from batonmq.server.users import PermissionEntry, UserEntry, UserFile, UserTable

ANN = UserEntry(password_hash="", tags=("monitoring",), permissions={"/": PermissionEntry("^mine-", ".*", "")})
BEN = UserEntry(password_hash="", limits={"max-connections": 7})


@pytest.fixture
def file(tmp_path: Path) -> UserFile:
    file = UserFile(tmp_path)
    with file.change() as users:
        users["ann"] = ANN
        users.remove("guest")
    return file


def test_what_was_written_is_not_doubted(file: UserFile) -> None:
    assert file.load() == {"ann": ANN}
    assert file.load().doubt == ""
    with file.change() as users:
        users["ben"] = BEN
    assert file.load() == {"ann": ANN, "ben": BEN}
    assert file.load().doubt == ""


def test_no_bit_of_it_is_changed_in_silence(file: UserFile) -> None:
    whole, before = file.path.read_bytes(), file.load()
    for at in range(len(whole)):
        for bit in range(8):
            file.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                users = file.load()
            except ConfigError:
                continue
            is_same = users == before and users.guest_deleted == before.guest_deleted
            assert is_same or users.doubt.startswith(f"{file.path}: not as it was written")


@pytest.mark.parametrize("size", [0, 1, 40])
def test_what_is_cut_off_is_refused(file: UserFile, size: int) -> None:
    file.path.write_bytes(file.path.read_bytes()[:size])
    with pytest.raises(ConfigError, match="not a file of users"):
        file.load()


@pytest.mark.parametrize("data", [b"[" * 5000, b'{"users": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"users": "\xff"}'])
def test_what_nobody_of_ours_has_written_is_refused_in_a_line(file: UserFile, data: bytes) -> None:
    file.path.write_bytes(data)
    with pytest.raises(ConfigError, match=f"^{file.path}: not a file of users: .*$"):
        file.load()


def test_one_of_an_earlier_release_has_no_checksum(file: UserFile) -> None:
    file.path.write_text('{"users": {"ann": {"password_hash": ""}}}')
    assert file.load() == {"ann": UserEntry(password_hash="")}
    assert file.load().doubt == ""


def test_a_change_by_hand_counts_is_told_and_is_right_after_the_next(
    file: UserFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.write_text(file.path.read_text().replace("monitoring", "administrator"))
    users = Authenticator(file, {}, None)
    assert users.accounts()["ann"].user.tags == {"administrator"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "changed by hand, or damaged" in caplog.text
    with file.change() as table:
        table["ben"] = BEN
    assert file.load().doubt == ""


def test_a_file_that_is_gone_is_told_at_the_start(file: UserFile, caplog: pytest.LogCaptureFixture) -> None:
    file.path.unlink()
    assert dict(Authenticator(file, {}, None).accounts()) == {}
    assert f"{file.path}: gone, though there were users" in caplog.text


def test_a_running_broker_keeps_the_users_of_a_file_that_goes(file: UserFile, caplog: pytest.LogCaptureFixture) -> None:
    users = Authenticator(file, {}, None)
    file.path.unlink()
    users.refresh()
    assert list(users.accounts()) == ["ann"]
    assert "the users that were known before stay" in caplog.text


def test_a_new_folder_is_not_doubted(tmp_path: Path) -> None:
    assert UserFile(tmp_path).load().doubt == ""


def test_a_loss_of_power_leaves_the_users_before_a_change_or_after_it(file: UserFile, tmp_path: Path) -> None:
    folder = file.path.parent
    before = file.load()
    events: list[Event] = []
    there = {"users.json": (file.path.read_bytes(), file.path.stat().st_size)}
    (folder / "users.lock").unlink()
    with Disk(folder, events), file.change() as users:
        users["ben"] = BEN
    after = file.load()
    assert after != before
    chance = random.Random(1)
    platter = Platter(there)
    found: list[UserTable] = []
    for event in [*events, None]:
        for number in range(50):
            place = tmp_path / f"{len(found)}-{number}"
            place.mkdir()
            lay(platter.left(chance), place)
            found.append(UserFile(place).load())
            assert found[-1] in (before, after)
            assert found[-1].doubt == ""
        if event is not None:
            platter.happen(event)
    # Once it is done it stays.
    assert found[0] == before
    assert found[-50:] == [after] * 50


@pytest.mark.parametrize("what", ["write", "sync", "rename", "open"])
def test_a_change_that_a_disk_refuses_is_raised_and_changes_nothing(file: UserFile, what: str) -> None:
    before = file.path.read_bytes()
    with Disk(file.path.parent) as disk:
        disk.fault = lambda done, _: Fault.FAILED if done == what else None
        with pytest.raises(OSError, match="the disk cannot be written"), file.change() as users:
            users["ben"] = BEN
    assert file.path.read_bytes() == before
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["users.json", "users.lock"]
