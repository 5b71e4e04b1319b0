"""A look at a file from outside: what it tells, and that nothing is changed by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.errors import StoreError
from batonmq.store.looking import read_vhosts


def test_the_virtual_hosts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "odd ?#%.db"
    assert read_vhosts(str(path)) == set()
    driven = Driven(path)
    driven.queue()
    for name in ("shop", "ü/ %", "b c"):
        driven.broker.create_vhost(name)
    driven.broker.parameters.set_global("x", 1)
    driven.settle()
    assert read_vhosts(str(path)) == {"/", "shop", "ü/ %", "b c"}
    driven.broker.close()
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert read_vhosts(str(path)) == {"/", "shop", "ü/ %", "b c"}
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("no store at all, but long enough to be something" * 100)
    with pytest.raises(StoreError, match="cannot read"):
        read_vhosts(str(path))
