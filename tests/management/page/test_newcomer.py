"""Somebody opens the page and finds out which queue is stuck, why, and gets it going again."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect
from tests.support.browsing import Watched, connected
from tests.support.managed import Http, ManagedServer


def test_the_overview_says_what_is_stuck_and_why(page: Page, watched: Watched) -> None:
    watched.visit()
    stuck = page.locator(".attention")
    expect(stuck).to_contain_text("12 messages wait, and nobody consumes from it.")
    expect(stuck).to_contain_text(
        "Somebody paused it: 12 messages wait, and nothing is handed out until it is resumed."
    )
    expect(stuck).to_contain_text("1 consumer holds 2 messages without settling any, and 10 wait behind.")
    expect(stuck).not_to_contain_text("calm")


def test_a_paused_queue_is_resumed_from_the_overview(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    ask("POST", f"/api/baton/queues/%2F/{queue}/pause", {})
    ask("POST", "/api/exchanges/%2F/amq.default/publish", a_message(queue))
    watched.visit()
    page.get_by_role("button", name=f"Resume {queue}").click()
    expect(page.get_by_role("status").filter(has_text="The queue hands out messages again.")).to_be_visible()
    assert ask.get(f"/api/queues/%2F/{queue}")["paused"] is False


def test_a_paused_queue_says_so_and_is_resumed_on_its_own_page(
    page: Page, watched: Watched, ask: Http, queue: str
) -> None:
    watched.visit(f"#/queues/%2F/{queue}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator(".verdict")).to_contain_text("Somebody paused it")
    assert ask.get(f"/api/queues/%2F/{queue}")["paused"] is True
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".verdict")).to_contain_text("All is well")
    assert ask.get(f"/api/queues/%2F/{queue}")["paused"] is False


def test_the_connection_of_a_consumer_that_hangs_is_closed(
    page: Page, watched: Watched, shop: ManagedServer, ask: Http, queue: str
) -> None:
    ask("POST", "/api/exchanges/%2F/amq.default/publish", a_message(queue))
    ask("POST", "/api/exchanges/%2F/amq.default/publish", a_message(queue))
    with connected(shop) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_: None)
        watched.visit(f"#/queues/%2F/{queue}")
        expect(page.locator(".verdict")).to_contain_text(
            "1 consumer holds 1 message without settling any, and 1 waits behind."
        )
        page.get_by_role("button", name="Close its connection").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        dialog.get_by_role("button", name="Close").click()
        expect(page.locator(".verdict")).to_contain_text("2 messages wait, and nobody consumes from it.")


def test_messages_that_go_round_are_not_taken_for_work(
    page: Page, watched: Watched, shop: ManagedServer, ask: Http, queue: str
) -> None:
    ask("POST", "/api/exchanges/%2F/amq.default/publish", a_message(queue))
    with connected(shop) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda channel, method, *_: channel.basic_nack(method.delivery_tag))
        watched.visit(f"#/queues/%2F/{queue}")
        deadline = time.monotonic() + 25
        while time.monotonic() < deadline and not page.locator(".verdict.stuck").is_visible():
            connection.process_data_events(0.05)
            page.wait_for_timeout(1)
        expect(page.locator(".verdict")).to_contain_text("The same messages are delivered again and again")


def test_a_full_queue_that_refuses_messages_says_so(page: Page, watched: Watched, ask: Http) -> None:
    limits = {"x-max-length-bytes": 10, "x-overflow": "reject-publish"}
    ask("PUT", "/api/queues/%2F/full-up", {"durable": True, "arguments": limits})
    try:
        for _ in range(4):
            ask("POST", "/api/exchanges/%2F/amq.default/publish", a_message("full-up"))
        watched.visit("#/queues/%2F/full-up")
        expect(page.locator(".verdict")).to_contain_text(
            "It is full (10 B) and refuses what is published: 2 messages wait, and nobody consumes from it."
        )
    finally:
        ask("DELETE", "/api/queues/%2F/full-up")


def test_what_can_be_done_about_a_consumer_is_within_the_table(
    page: Page, watched: Watched, shop: ManagedServer, queue: str
) -> None:
    with connected(shop) as connection:
        connection.channel().basic_consume(queue, lambda *_: None)
        page.set_viewport_size({"width": 1280, "height": 900})
        watched.visit(f"#/queues/%2F/{queue}")
        place = page.locator(".table-place", has=page.get_by_role("button", name="Close its connection"))
        expect(place).to_be_visible()
        assert place.evaluate("place => place.scrollWidth <= place.clientWidth")


def a_message(queue: str) -> dict[str, object]:
    return {"routing_key": queue, "payload": "text", "payload_encoding": "string", "properties": {}}
