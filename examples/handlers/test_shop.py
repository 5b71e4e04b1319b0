"""The handlers of the shop, tested through real queues in memory, on a clock that can be moved."""

from __future__ import annotations

import pytest
from shop import Receipt, app

import batonmq
from batonmq.testing import TestClient

ORDER = {"id": 17, "items": ["tea", "cup"], "customer": "ann@example.com"}


def test_an_order_has_a_receipt_and_a_mail() -> None:
    with TestClient(app) as client:
        assert client.request("orders", ORDER).json(Receipt) == Receipt(order=17, total=11.2)
        assert [one.queue for one in client.handled] == ["orders", "mails"]


def test_an_order_that_is_none_is_set_aside_with_what_is_wrong() -> None:
    with TestClient(app, raise_errors=False) as client:
        client.send("orders", {**ORDER, "items": []})
        client.send("orders", {**ORDER, "items": ["gold"]})
        client.run_until_idle()
        first, second = (dead.headers["x-reject-reason"] for dead in client.messages("orders.dead"))
        assert "at least 1 item" in str(first)
        assert second == "the shop has no gold"


def test_what_goes_wrong_is_raised_in_the_test() -> None:
    with TestClient(app) as client:
        client.send("orders", b"no JSON")
        with pytest.raises(batonmq.InvalidMessage):
            client.run_until_idle()


def test_the_report_comes_every_working_day() -> None:
    with TestClient(app) as client:
        client.advance(7 * 24 * 3600)
        assert client.results("reports") == ["0 orders wait"] * 5
