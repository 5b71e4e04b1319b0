"""Users that are changed while the broker runs: kept whole, in effect at once, and nothing where it is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from batonmq.broker.model.access import Permission, TopicPermission
from batonmq.errors import NotFound, PreconditionFailed, StoreError
from batonmq.server.authenticator import Authenticator
from batonmq.server.passwords import SCRYPT, hash_password, imported_hash, named_hash, verify_password
from batonmq.server.user_changes import Users
from batonmq.server.user_edit import UserEdit
from batonmq.server.users import Account, UserEntry, UserFile, guest_account, make_user

SALT = b"\x01\x02\x03\x04"
Edit = Callable[[UserEdit], Any]


def rabbitmq_hash(password: str, digest: str = "sha256") -> str:
    return base64.b64encode(SALT + hashlib.new(digest, SALT + password.encode()).digest()).decode()


def make(folder: Path, *, guest: bool = True) -> Users:
    file = UserFile(folder)
    built_in = guest_account(["/"]) if guest else None
    configured = {"filed": Account(make_user("filed", ("a",), {}), password="sesame")}
    return Users(file, Authenticator(file, configured, built_in), built_in)


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    users = make(tmp_path)
    yield users
    users.close()


Run = Callable[[Coroutine[object, object, object]], None]


@pytest.fixture
def change(users: Users) -> Callable[[Edit], object]:
    return lambda edit: asyncio.run(users.change(edit))


Change = Callable[[Edit], Any]


def test_a_user_that_is_put_can_log_in_at_once(users: Users, change: Change) -> None:
    told: list[bool] = []
    users.authenticator.when_changed(lambda: told.append(True))
    assert change(lambda edit: edit.put("ann", password="sesame", tags=["monitoring", "b", "monitoring"])) is True
    assert told
    found = users.authenticator.check("ann", "sesame", is_loopback=False)
    assert found is not None
    assert found.tags == {"monitoring", "b"}
    assert change(lambda edit: edit.put("ann", password="other", tags=[])) is False
    assert users.authenticator.check("ann", "sesame", is_loopback=False) is None
    assert users.authenticator.check("ann", "other", is_loopback=False) is not None


def test_all_of_it_is_there_after_a_restart(users: Users, change: Change, tmp_path: Path) -> None:
    def edit(edit: UserEdit) -> None:
        edit.put("ann", password="sesame", tags=("t",))
        edit.set_permission("ann", "/", "^a", "^b", "^c")
        edit.set_topic_permission("ann", "/", "amq.topic", "^{username}", ".*")
        edit.set_limit("ann", "max-channels", 7)

    change(edit)
    again = make(tmp_path)
    user = again.authenticator.check("ann", "sesame", is_loopback=False)
    assert user is not None
    assert user.permissions == {"/": Permission("^a", "^b", "^c")}
    assert user.topic_permissions == {"/": {"amq.topic": TopicPermission("^{username}", ".*")}}
    assert (user.limits, set(user.tags)) == ({"max-channels": 7}, {"t"})
    again.close()


def test_putting_a_user_again_keeps_its_permissions_and_limits(users: Users, change: Change) -> None:
    change(lambda edit: edit.put("ann", password="sesame"))
    change(lambda edit: edit.set_permission("ann", "/", ".*", ".*", ".*"))
    change(lambda edit: edit.set_limit("ann", "max-connections", 2))
    change(lambda edit: edit.put("ann", tags=["x"]))
    user = users.authenticator.check("ann", "sesame", is_loopback=False)
    assert user is not None
    assert (user.limits, user.may_open("/"), set(user.tags)) == ({"max-connections": 2}, True, {"x"})


def test_permissions_are_set_and_cleared(users: Users, change: Change) -> None:
    change(lambda edit: edit.put("ann", password="sesame"))
    for vhost in ("a", "b"):
        change(lambda edit, vhost=vhost: edit.set_permission("ann", vhost, ".*", "", ".*"))  # type: ignore[misc]
        for exchange in ("e", "f"):
            change(lambda edit, v=vhost, e=exchange: edit.set_topic_permission("ann", v, e, "", ""))  # type: ignore[misc]
    change(lambda edit: edit.clear_permission("ann", "a"))
    change(lambda edit: edit.clear_topic_permission("ann", "a", "e"))
    change(lambda edit: edit.clear_topic_permission("ann", "b"))
    known = users.find("ann")
    assert known is not None
    assert list(known.user.permissions) == ["b"]
    assert {vhost: list(topics) for vhost, topics in known.user.topic_permissions.items()} == {"a": ["f"]}
    for edit in (
        lambda edit: edit.clear_permission("ann", "a"),
        lambda edit: edit.clear_topic_permission("ann", "a", "e"),
        lambda edit: edit.clear_topic_permission("ann", "b"),
    ):
        with pytest.raises(NotFound):
            change(edit)


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda edit: edit.put("", password="x"), PreconditionFailed),
        (lambda edit: edit.put("ü" * 128, password="x"), PreconditionFailed),
        (lambda edit: edit.put("new", password="x", password_hash="y"), PreconditionFailed),
        (lambda edit: edit.put("new", password_hash="!!!"), PreconditionFailed),
        (lambda edit: edit.put("new", password_hash="AAAA"), PreconditionFailed),
        (lambda edit: edit.put("new", password_hash=rabbitmq_hash("x"), hashing_algorithm="rot13"), PreconditionFailed),
        (lambda edit: edit.put("new", password_hash="scrypt$1", hashing_algorithm=SCRYPT), PreconditionFailed),
        (lambda edit: edit.put("new", password="x", tags=["t" * 256]), PreconditionFailed),
        (lambda edit: edit.put("new", password="x", tags=[str(n) for n in range(65)]), PreconditionFailed),
        (lambda edit: edit.set_permission("guest", "/", "(", "", ""), PreconditionFailed),
        (lambda edit: edit.set_topic_permission("guest", "/", "e", "", "("), PreconditionFailed),
        (lambda edit: edit.set_limit("guest", "max-queues", 1), PreconditionFailed),
        (lambda edit: edit.set_limit("guest", "max-channels", "1"), PreconditionFailed),
        (lambda edit: edit.delete("none"), NotFound),
        (lambda edit: edit.set_permission("none", "/", "", "", ""), NotFound),
        (lambda edit: edit.clear_limit("none", "max-channels"), NotFound),
        (lambda edit: edit.put("filed", password="x"), PreconditionFailed),
        (lambda edit: edit.delete("filed"), PreconditionFailed),
    ],
)
def test_what_is_refused_changes_nothing(change: Change, tmp_path: Path, edit: Edit, error: type[Exception]) -> None:
    def both(editing: UserEdit) -> None:
        editing.put("before", password_hash="")
        edit(editing)

    with pytest.raises(error):
        change(both)
    assert not (tmp_path / "users.json").exists()


def test_the_built_in_guest_is_one_of_its_own_with_its_first_change(users: Users, change: Change) -> None:
    change(lambda edit: edit.set_permission("guest", "shop", "a", "b", "c"))
    guest = users.authenticator.check("guest", "guest", is_loopback=True)
    assert guest is not None
    assert set(guest.permissions) == {"/", "shop"}
    assert guest.tags == {"administrator"}


def test_a_deleted_guest_stays_deleted(users: Users, change: Change, tmp_path: Path) -> None:
    change(lambda edit: edit.delete("guest"))
    assert users.find("guest") is None
    again = make(tmp_path)
    assert again.authenticator.check("guest", "guest", is_loopback=True) is None
    again.close()
    with pytest.raises(NotFound):
        change(lambda edit: edit.delete("guest"))
    assert change(lambda edit: edit.put("guest", password="new")) is True
    assert users.authenticator.check("guest", "new", is_loopback=True) is not None
    change(lambda edit: edit.delete("guest"))
    assert users.find("guest") is None


def test_permissions_in_a_deleted_virtual_host_go(users: Users, change: Change) -> None:
    def edit(edit: UserEdit) -> None:
        for name in ("ann", "bob"):
            edit.put(name, password_hash="")
            edit.set_permission(name, "/", ".*", ".*", ".*")
        edit.set_permission("ann", "shop", ".*", ".*", ".*")
        edit.set_topic_permission("bob", "shop", "e", ".*", ".*")

    change(edit)
    asyncio.run(users.forget_vhost("shop"))
    for known in users.all():
        assert "shop" not in known.user.permissions
        assert "shop" not in known.user.topic_permissions
    assert users.authenticator.accounts()["ann"].user.may_open("/")


def test_the_list_of_users_tells_where_they_come_from(users: Users, change: Change) -> None:
    change(lambda edit: edit.put("ann", password_hash=rabbitmq_hash("x"), tags=[]))
    change(lambda edit: edit.put("bob", password="sesame"))
    listed = {known.user.name: known for known in users.all()}
    assert list(listed) == ["ann", "bob", "filed", "guest"]
    assert [name for name, known in listed.items() if known.is_configured] == ["filed"]
    assert (listed["ann"].password_hash, listed["ann"].hashing_algorithm) == (
        rabbitmq_hash("x"),
        "rabbit_password_hashing_sha256",
    )
    # What is shown of our own can be put again, here and elsewhere.
    shown = listed["bob"]
    assert shown.hashing_algorithm == SCRYPT
    change(lambda edit: edit.put("bo2", password_hash=shown.password_hash, hashing_algorithm=shown.hashing_algorithm))
    assert users.authenticator.check("bo2", "sesame", is_loopback=False) is not None


def test_many_changes_at_once_lose_none(users: Users) -> None:
    async def main() -> None:
        await asyncio.gather(
            *(users.change(lambda edit, n=number: edit.put(f"u{n}", password_hash="")) for number in range(20))  # type: ignore[misc]
        )

    asyncio.run(main())
    assert {f"u{number}" for number in range(20)} <= {known.user.name for known in users.all()}


def test_a_file_that_cannot_be_read(users: Users, change: Change, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("{")
    with pytest.raises(StoreError, match="not a file of users"):
        change(lambda edit: edit.put("ann", password_hash=""))
    assert (tmp_path / "users.json").read_text() == "{"
    asyncio.run(users.forget_vhost("shop"))


def test_a_folder_that_cannot_be_written(users: Users, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("batonmq.server.users.os.fsync", full)
    with pytest.raises(StoreError) as caught:
        change(lambda edit: edit.put("ann", password_hash=""))
    assert caught.value.reason == "the users cannot be kept: No space left on device"
    assert users.find("ann") is None


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    stored = hash_password("sesame")
    permission = '{"configure": "", "write": ".*", "read": ".*"}'
    (tmp_path / "users.json").write_text(
        f'{{"users": {{"ann": {{"password_hash": "{stored}", "tags": [], "permissions": {{"/": {permission}}}}}}}}}'
    )
    users = make(tmp_path)
    assert users.authenticator.check("ann", "sesame", is_loopback=False) is not None
    assert UserFile(tmp_path).load()["ann"].topic_permissions == {}
    users.close()


# ---------------------------------------------------------------------- RabbitMQ's hashes


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("rabbit_password_hashing_sha256", "sha256"),
        ("rabbit_password_hashing_sha512", "sha512"),
        ("rabbit_password_hashing_md5", "md5"),
    ],
)
def test_a_hash_of_rabbitmq_lets_its_user_in(users: Users, change: Change, algorithm: str, digest: str) -> None:
    exported = rabbitmq_hash("sésame", digest)
    change(lambda edit: edit.put("ann", password_hash=exported, hashing_algorithm=algorithm))
    # As of old exports, which do not name it.
    change(lambda edit: edit.put("bob", password_hash=exported))
    for name in ("ann", "bob"):
        assert users.authenticator.check(name, "sésame", is_loopback=False) is not None
        assert users.authenticator.check(name, "sesame", is_loopback=False) is None
        assert users.authenticator.check(name, "", is_loopback=False) is None
        known = users.find(name)
        assert known is not None
        assert (known.password_hash, known.hashing_algorithm) == (exported, algorithm)


def test_a_hash_that_rabbitmq_made() -> None:
    """Of the password test12, as its documentation has it."""
    stored = imported_hash("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "rabbit_password_hashing_sha256")
    assert verify_password("test12", stored)
    assert not verify_password("test13", stored)


def test_the_hash_of_an_empty_password_lets_nobody_in() -> None:
    assert not verify_password("", imported_hash(rabbitmq_hash("")))


def test_an_empty_hash_lets_nobody_in_by_password(users: Users, change: Change) -> None:
    change(lambda edit: edit.put("ann", password_hash=""))
    change(lambda edit: edit.put("bob", password=""))
    change(lambda edit: edit.put("cid"))
    for name in ("ann", "bob", "cid"):
        assert users.authenticator.check(name, "", is_loopback=True) is None
        assert users.authenticator.check(name, "x", is_loopback=True) is None
        # A certificate does.
        assert users.authenticator.vouched(name, is_loopback=False) is not None
    assert named_hash("") == ("", "rabbit_password_hashing_sha256")


def test_an_entry_with_a_hash_that_is_none() -> None:
    for wrong in ("nonsense", "rabbit_password_hashing_sha256$AAAA", "rabbit_password_hashing_sha256$!", "scrypt$1"):
        with pytest.raises(ValueError, match="hash"):
            UserEntry(password_hash=wrong)
