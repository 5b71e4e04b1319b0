"""Passwords are kept as scrypt hashes."""

from __future__ import annotations

import gc
import hashlib

import pytest
from tests.support.freed import without_collector

from batonmq.server.passwords import check_hash, hash_password, unfitting_hash, verify_password

pytestmark = pytest.mark.usefixtures("at_full_cost")


def test_a_password_fits_its_hash_and_no_other() -> None:
    stored = hash_password("pässword")
    assert verify_password("pässword", stored)
    assert not verify_password("password", stored)
    assert not verify_password("", stored)


def test_a_hash_tells_nothing_and_is_salted() -> None:
    first, second = hash_password("secret"), hash_password("secret")
    assert first != second
    assert first.startswith("scrypt$16384$8$1$")
    assert "secret" not in first


def test_a_hash_that_nothing_fits_costs_as_much_to_check_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[tuple[int, ...]] = []
    real = hashlib.scrypt

    def scrypt(password: bytes, *, salt: bytes, n: int, r: int, p: int, maxmem: int, dklen: int) -> bytes:
        checked.append((len(salt), n, r, p, dklen))
        return real(password, salt=salt, n=n, r=r, p=p, maxmem=maxmem, dklen=dklen)

    stored = hash_password("secret")
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    nothing = unfitting_hash()
    check_hash(nothing)
    assert not checked, "a broker that starts need not wait for it"
    assert nothing != unfitting_hash()
    assert not verify_password("secret", nothing)
    assert not verify_password("", nothing)
    assert verify_password("secret", stored)
    assert checked[0] == checked[2]


def test_a_published_vector_of_scrypt_verifies() -> None:
    # RFC 7914, section 12: N=1024, r=8, p=16, password "password", salt "NaCl".
    stored = (
        "scrypt$1024$8$16$TmFDbA==$"
        "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA=="
    )
    assert verify_password("password", stored)
    assert not verify_password("Password", stored)


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        hash_password("")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "secret",
        "scrypt$16384$8$1$c2FsdA==",
        "scrypt$16383$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt$1$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt$16384$0$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt$1073741824$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt$16384$8$1$$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt$16384$8$1$c2FsdA==$",
        "scrypt$16384$8$1$c2FsdA==$not base64!",
        "bcrypt$16384$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
    ],
)
def test_what_is_not_a_hash_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="expected a password hash"):
        check_hash(stored)


@pytest.mark.parametrize("stored", ["", "scrypt$1", "scrypt$x$8$1$c2FsdA==$aGFzaA==", "scrypt$3$8$1$c2FsdA==$aGFzaA=="])
def test_what_is_no_hash_is_said_without_a_circle(stored: str) -> None:
    with without_collector():
        with pytest.raises(ValueError, match="expected a password hash") as caught:
            check_hash(stored)
        del caught
        assert gc.collect() == 0
