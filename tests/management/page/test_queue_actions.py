"""What can be done with one queue on its page."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect
from tests.support.browsing import Watched, press, put, ready, said
from tests.support.managed import Http, ManagedServer
from tests.support.waiting import until

import batonmq


def test_messages_are_looked_at_as_text_json_and_hex(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    put(ask, queue, b'{"order": 17}', headers={"customer": 3})
    put(ask, queue, "Grüße".encode())
    put(ask, queue, b"\x00\xff\x10")
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    page.get_by_role("button", name="Look", exact=True).click()
    messages = page.locator(".message")
    expect(messages).to_have_count(3)
    as_json, as_text, as_hex = messages.nth(0), messages.nth(1), messages.nth(2)
    expect(as_json.locator("pre")).to_have_text('{\n  "order": 17\n}')
    as_json.get_by_role("button", name="Text").click()
    expect(as_json.locator("pre")).to_have_text('{"order": 17}')
    as_json.get_by_role("button", name="Hex").click()
    expect(as_json.locator("pre")).to_contain_text("7b 22 6f 72 64 65 72 22")
    as_json.locator("summary").click()
    expect(as_json).to_contain_text("customer")
    expect(as_text.locator("pre")).to_have_text("Grüße")
    expect(as_hex.locator("pre")).to_contain_text("00 ff 10")
    expect(as_hex.get_by_role("button", name="Text")).to_have_count(0)
    page.get_by_label("Only those where").fill("customer = 3")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(messages).to_have_count(1)
    assert ready(ask, queue) == 3


def test_what_a_consumer_holds_is_shown_with_how_far_it_is(
    page: Page, watched: Watched, ask: Http, shop: ManagedServer, queue: str
) -> None:
    put(ask, queue, b"a film")
    with batonmq.connect(f"amqp://guest:guest@127.0.0.1:{shop.port}/") as mq, mq.receiver(queue) as receiver:
        (delivery,) = receiver.receive(wait=30)
        delivery.progress(0.4, "resizing")
        until(lambda: ask.get(f"/api/baton/queues/%2F/{queue}/peek?held=true")["messages"][0]["progress"] is not None)
        watched.visit(f"#/queues/%2F/{queue}?part=messages")
        page.get_by_label("Those that consumers hold, too").check()
        page.get_by_role("button", name="Look", exact=True).click()
        expect(page.locator(".message header")).to_contain_text("40 % resizing")
        delivery.accept()


def test_a_condition_that_is_none_is_explained(page: Page, watched: Watched, queue: str) -> None:
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    page.get_by_label("Only those where").fill("customer = = 3")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.locator(".notice.bad")).to_contain_text("bad selector at character 12")
    assert all("400" in complaint for complaint in watched.complaints)
    watched.complaints.clear()


def test_a_message_is_published(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    dialog = press(page, "Publish a message")
    dialog.get_by_label("Content type").fill("text/plain")
    dialog.get_by_label("Headers").fill("{customer")
    dialog.get_by_label("Body", exact=True).fill("by hand")
    dialog.get_by_role("button", name="Publish").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Headers: this is not JSON")
    dialog.get_by_label("Headers").fill('{"customer": 5}')
    dialog.get_by_role("button", name="Publish").click()
    said(page, "The message is published.")
    (message,) = ask.get(f"/api/baton/queues/%2F/{queue}/peek")["messages"]
    assert message["body"] == "by hand"
    assert message["headers"] == {"customer": 5}
    assert message["properties"]["content_type"] == "text/plain"


def test_messages_are_taken_out(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    put(ask, queue, b"first")
    put(ask, queue, b"second")
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    dialog = press(page, "Take messages out")
    dialog.get_by_label("And then").select_option("ack_requeue_false")
    dialog.get_by_role("button", name="Take").click()
    said(page, "1 message taken out.")
    expect(page.locator(".message pre")).to_have_text("first")
    assert ready(ask, queue) == 1


def test_messages_are_moved(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    ask("PUT", f"/api/queues/%2F/{queue}-old", {"durable": True})
    for number in range(3):
        put(ask, queue, b"x", headers={"customer": number})
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    dialog = press(page, "Move messages")
    dialog.get_by_label("To the queue").fill("there is none such")
    dialog.get_by_role("button", name="Move").click()
    expect(dialog.get_by_role("alert")).to_contain_text("there is none such")
    watched.complaints.clear()
    dialog.get_by_label("To the queue").fill(f"{queue}-old")
    dialog.get_by_label("Only those where").fill("customer > 0")
    dialog.get_by_role("button", name="Move").click()
    said(page, "2 messages moved.")
    assert (ready(ask, queue), ready(ask, f"{queue}-old")) == (1, 2)


def test_dead_letters_are_replayed(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    ask("PUT", f"/api/exchanges/%2F/{queue}", {"type": "fanout"})
    ask("PUT", f"/api/queues/%2F/{queue}-work", {"arguments": {"x-dead-letter-exchange": queue}})
    ask("POST", f"/api/bindings/%2F/e/{queue}/q/{queue}", {})
    put(ask, f"{queue}-work", b"a failure")
    ask(
        "POST", f"/api/queues/%2F/{queue}-work/get", {"count": 1, "ackmode": "reject_requeue_false", "encoding": "auto"}
    )
    watched.visit("#/dead-letters")
    card = page.locator("section").filter(has=page.get_by_role("link", name=queue, exact=True))
    expect(card).to_contain_text("A consumer rejected them.")
    page.get_by_role("button", name=f"Replay the dead letters in {queue}").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    said(page, "1 message brought back.")
    assert (ready(ask, queue), ready(ask, f"{queue}-work")) == (0, 1)


def test_a_queue_is_purged_after_its_name_is_typed(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    put(ask, queue, b"x")
    put(ask, queue, b"y")
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    dialog = press(page, "Purge")
    expect(dialog).to_contain_text(f"2 messages in {queue} will be dropped for good")
    button = dialog.get_by_role("button", name="Purge")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type the name to go on").fill(queue[:-1])
    expect(button).to_be_disabled()
    dialog.get_by_role("button", name="Cancel").click()
    assert ready(ask, queue) == 2
    dialog = press(page, "Purge")
    dialog.get_by_label("Type the name to go on").fill(queue)
    dialog.get_by_role("button", name="Purge").click()
    said(page, "2 messages dropped.")
    assert ready(ask, queue) == 0


def test_a_button_opens_its_dialog_again_while_the_broker_is_slow_to_answer(
    page: Page, watched: Watched, queue: str
) -> None:
    watched.visit(f"#/queues/%2F/{queue}?part=messages")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/**", hold)
    dialog = press(page, "Purge")
    with page.expect_request("**/api/**"):
        dialog.get_by_role("button", name="Cancel").click()
    expect(press(page, "Purge")).to_be_visible()
    for route in held:
        route.continue_()


def test_a_setting_is_changed_in_place(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    watched.visit(f"#/queues/%2F/{queue}?part=settings")
    dialog = press(page, "Set another")
    dialog.get_by_label("Setting").select_option("x-max-length")
    dialog.get_by_label("Value").fill("17")
    dialog.get_by_role("button", name="Change").click()
    said(page, "The setting is changed.")
    expect(page.get_by_role("row").filter(has_text="x-max-length")).to_contain_text("17")
    page.get_by_role("button", name="Change x-max-length").click()
    page.get_by_role("dialog").get_by_label("Value").fill("")
    page.get_by_role("dialog").get_by_role("button", name="Change").click()
    expect(page.get_by_role("row").filter(has_text="x-max-length")).to_have_count(0)
    assert "x-max-length" not in ask.get(f"/api/queues/%2F/{queue}")["arguments"]


def test_a_queue_is_deleted_after_its_name_is_typed(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    watched.visit(f"#/queues/%2F/{queue}?part=settings")
    dialog = press(page, "Delete the queue")
    dialog.get_by_label("Type the name to go on").fill(queue)
    dialog.get_by_role("button", name="Delete").click()
    said(page, "The queue is deleted.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    assert ask("GET", f"/api/queues/%2F/{queue}").status == 404


def test_delayed_messages_are_cancelled_and_delivered(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    for body in (b"first", b"second"):
        put(ask, queue, body, headers={"x-delay": 3_600_000})
    watched.visit(f"#/queues/%2F/{queue}?part=delayed")
    first = page.locator(".message").filter(has_text="first")
    first.get_by_role("button", name="Deliver now").click()
    expect(page.locator(".message")).to_have_count(1)
    page.get_by_role("button", name="Cancel it").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the message").click()
    said(page, "The message is dropped.")
    expect(page.locator(".message")).to_have_count(0)
    assert [one["body"] for one in ask.get(f"/api/baton/queues/%2F/{queue}/peek")["messages"]] == ["first"]


def test_a_queue_is_declared(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    watched.visit("#/queues")
    dialog = press(page, "Declare a queue")
    dialog.get_by_label("Name", exact=True).fill(f"{queue}-new")
    dialog.get_by_label("It holds at most").fill("10")
    dialog.get_by_role("button", name="Declare").click()
    said(page, "The queue is there.")
    assert ask.get(f"/api/queues/%2F/{queue}-new")["arguments"] == {"x-max-length": 10}
