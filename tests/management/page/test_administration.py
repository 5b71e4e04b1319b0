"""Exchanges, bindings, connections, virtual hosts, users, policies and definitions, changed by hand."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.support.browsing import Watched, connected, press, said
from tests.support.managed import Http, ManagedServer


def in_row(page: Page, text: str, button: str) -> None:
    page.get_by_role("row").filter(has_text=text).get_by_role("button", name=button).click()


def test_an_exchange_is_declared_bound_and_deleted(page: Page, watched: Watched, ask: Http, queue: str) -> None:
    watched.visit("#/exchanges")
    dialog = press(page, "Declare an exchange")
    dialog.get_by_label("Name", exact=True).fill(queue)
    dialog.get_by_label("Type").select_option("topic")
    dialog.get_by_role("button", name="Declare").click()
    said(page, "The exchange is there.")
    watched.visit(f"#/exchanges/%2F/{queue}")
    dialog = press(page, "Bind")
    dialog.get_by_label("Its name").fill(queue)
    dialog.get_by_label("Routing key").fill("a/b %~.*")
    dialog.get_by_role("button", name="Bind").click()
    said(page, "The binding is there.")
    expect(page.get_by_role("row").filter(has_text="a/b %~.*")).to_be_visible()
    dialog = press(page, "Publish a message")
    dialog.get_by_label("Routing key").fill("nothing")
    dialog.get_by_role("button", name="Publish").click()
    expect(dialog.get_by_role("alert")).to_contain_text("It reached no queue")
    dialog.get_by_role("button", name="Cancel").click()
    in_row(page, "a/b %~.*", "Unbind")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    said(page, "The binding is removed.")
    assert ask.get(f"/api/exchanges/%2F/{queue}/bindings/source") == []
    dialog = press(page, "Delete the exchange")
    dialog.get_by_label("Type the name to go on").fill(queue)
    dialog.get_by_role("button", name="Delete").click()
    said(page, "The exchange is deleted.")
    assert ask("GET", f"/api/exchanges/%2F/{queue}").status == 404


def test_bindings_are_drawn(page: Page, watched: Watched) -> None:
    watched.visit("#/bindings")
    page.get_by_role("button", name="Drawing").click()
    drawing = page.locator(".drawing")
    expect(drawing.locator(".edge title").filter(has_text="shop → orders: order.*")).to_have_count(1)
    drawing.get_by_role("link").filter(has_text="orders.dead").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queue orders.dead in /")


def test_a_connection_is_closed(page: Page, watched: Watched, shop: ManagedServer) -> None:
    with connected(shop, "to be closed") as connection:
        connection.channel()
        watched.visit("#/connections")
        row = page.get_by_role("row").filter(has_text="to be closed")
        row.get_by_role("link").first.click()
        expect(page.locator("main")).to_contain_text("Pika")
        expect(page.get_by_role("table")).to_contain_text("(1)")
        press(page, "Close the connection").get_by_role("button", name="Close").click()
        said(page, "The connection is closed.")
        expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
        expect(row).to_have_count(0)


def test_a_virtual_host_is_made_limited_and_deleted(page: Page, watched: Watched, ask: Http) -> None:
    watched.visit("#/vhosts")
    dialog = press(page, "Add a virtual host")
    dialog.get_by_label("Name", exact=True).fill("a/b")
    dialog.get_by_label("Description").fill("for a test")
    dialog.get_by_role("button", name="Add").click()
    said(page, "The virtual host is there.")
    page.get_by_role("button", name="Limits of a/b").click()
    page.get_by_role("dialog").get_by_label("Queues at most").fill("3")
    page.get_by_role("dialog").get_by_role("button", name="Set").click()
    expect(page.get_by_role("row").filter(has_text="a/b")).to_contain_text("Queues at most: 3")
    assert ask.get("/api/vhosts/a%2Fb")["description"] == "for a test"
    page.get_by_role("button", name="Delete a/b").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type the name to go on").fill("a/b")
    dialog.get_by_role("button", name="Delete").click()
    said(page, "The virtual host is deleted.")
    assert ask("GET", "/api/vhosts/a%2Fb").status == 404


def test_a_user_is_made_permitted_and_deleted(page: Page, watched: Watched, ask: Http) -> None:
    watched.visit("#/users")
    dialog = press(page, "Add a user")
    dialog.get_by_label("Name", exact=True).fill("carla")
    dialog.get_by_label("Password", exact=True).fill("one")
    dialog.get_by_label("Password again").fill("other")
    dialog.get_by_label("Monitoring").check()
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_have_text("The two passwords differ.")
    dialog.get_by_label("Password again").fill("one")
    dialog.get_by_role("button", name="Add").click()
    said(page, "The user is there.")
    page.get_by_role("link", name="carla").click()
    dialog = press(page, "Set a permission")
    dialog.get_by_label("Configure").fill("^carla")
    dialog.get_by_role("button", name="Set").click()
    said(page, "The permission is set.")
    assert ask.get("/api/permissions/%2F/carla")["configure"] == "^carla"
    dialog = press(page, "Set a topic permission")
    dialog.get_by_label("Write").fill("^order")
    dialog.get_by_role("button", name="Set").click()
    said(page, "The topic permission is set.")
    assert [one["write"] for one in ask.get("/api/topic-permissions/%2F/carla")] == ["^order"]
    page.get_by_role("button", name="Clear all in /").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    said(page, "The topic permissions are cleared.")
    page.get_by_role("button", name="Clear the permission for /").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    said(page, "The permission is cleared.")
    dialog = press(page, "Delete the user")
    dialog.get_by_label("Type the name to go on").fill("carla")
    dialog.get_by_role("button", name="Delete").click()
    said(page, "The user is deleted.")
    assert ask("GET", "/api/users/carla").status == 404


def test_policies_are_set_and_cleared(page: Page, watched: Watched, ask: Http) -> None:
    watched.visit("#/policies")
    for kind, button in (("policies", "Add a policy"), ("operator-policies", "Add an operator policy")):
        dialog = press(page, button)
        dialog.get_by_label("Name", exact=True).fill("short")
        dialog.get_by_label("Pattern").fill("^nobody's")
        dialog.get_by_label("Settings").fill('{"max-length": 10}')
        dialog.get_by_role("button", name="Add").click()
        expect(page.get_by_role("row").filter(has_text="short")).to_contain_text("max-length 10")
        assert ask.get(f"/api/{kind}/%2F/short")["definition"] == {"max-length": 10}
        page.get_by_role("button", name="Delete short").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("row").filter(has_text="short")).to_have_count(0)
        assert ask.get(f"/api/{kind}/%2F") == []


def test_definitions_are_exported_and_imported(
    page: Page, watched: Watched, ask: Http, queue: str, tmp_path: Path
) -> None:
    watched.visit("#/definitions")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export").click()
    exported = json.loads(downloading.value.path().read_text())
    assert queue in {one["name"] for one in exported["queues"]}
    changed = tmp_path / "definitions.json"
    queues = [{"name": f"{queue}-2", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}]
    changed.write_text(json.dumps({"queues": queues}))
    page.get_by_label("File").set_input_files(changed)
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 queue")
    dialog.get_by_role("button", name="Import").click()
    said(page, "The definitions are imported.")
    assert ask.get(f"/api/queues/%2F/{queue}-2")["durable"] is True
    changed.write_text("no JSON")
    page.get_by_label("File").set_input_files(changed)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert").filter(has_text="This file is not JSON.")).to_be_visible()
