"""Logging in and out, a broker that goes and comes back, what is asked for, colours and the keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect
from tests.support.browsing import PHONE, Watched
from tests.support.managed import Http, ManagedServer


def test_a_wrong_password_is_explained_and_a_right_one_opens_the_page(stranger: Watched) -> None:
    page = stranger.page
    page.goto(stranger.address)
    expect(page.get_by_label("Name")).to_be_focused()
    stranger.log_in(password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("This name and password are not known")
    assert all("401" in complaint for complaint in stranger.complaints)
    stranger.complaints.clear()
    page.keyboard.type("guest")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_session_outlives_a_reload_and_ends_with_the_log_out(stranger: Watched) -> None:
    page = stranger.page
    stranger.log_in()
    stranger.await_content()
    page.reload()
    stranger.await_content()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert page.context.cookies() == []


def test_a_session_that_has_ended_asks_again_and_says_why(stranger: Watched) -> None:
    page = stranger.page
    stranger.log_in()
    stranger.await_content()
    page.context.clear_cookies()
    page.evaluate("() => { location.hash = '#/queues' }")
    expect(page.get_by_role("alert")).to_have_text("Your session has ended. Log in again.")
    stranger.complaints.clear()
    page.get_by_label("Name").fill("guest")
    page.get_by_label("Password").fill("guest")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_scripts_see_neither_cookie_nor_password(page: Page, watched: Watched) -> None:
    watched.visit()
    assert page.evaluate("document.cookie") == ""
    assert "guest" not in page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")


def test_a_user_who_may_only_look_sees_no_more_and_is_told_why(stranger: Watched) -> None:
    page = stranger.page
    stranger.log_in("monitor", "sesame")
    stranger.await_content()
    navigation = page.get_by_role("navigation", name="Pages")
    expect(navigation).to_contain_text("Log")
    expect(navigation).not_to_contain_text("Users")
    stranger.visit("#/queues/%2F/orders")
    page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Pause").click()
    expect(dialog.get_by_role("alert")).to_contain_text("refused")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Queue orders in /")
    stranger.complaints.clear()


def test_a_broker_that_cannot_be_reached_is_said_and_missed_only_for_so_long(page: Page, watched: Watched) -> None:
    watched.visit()

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/api/**", refuse)
    page.get_by_role("button", name="An hour").click()
    lost = page.locator(".connection")
    expect(lost).to_contain_text("The broker cannot be reached. Trying again… What you see is from")
    expect(page.locator("main")).to_contain_text("What needs attention")
    page.unroute("**/api/**", refuse)
    expect(page.get_by_role("status").filter(has_text="The broker is reached again.")).to_be_visible()
    expect(lost).to_be_empty()
    watched.complaints.clear()


def test_what_is_not_the_brokers_answer_is_said(page: Page, watched: Watched) -> None:
    watched.visit()
    page.route("**/api/queues?**", lambda route: route.fulfill(status=200, body="<h1>a proxy</h1>"))
    page.evaluate("() => { location.hash = '#/queues' }")
    expect(page.locator(".error-card")).to_contain_text("something stands between")
    watched.complaints.clear()


def test_nothing_is_asked_while_the_page_is_hidden(alone: Watched) -> None:
    page = alone.page
    page.clock.install()
    alone.visit("#/connections")
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    before = len(alone.requests)
    page.clock.run_for(60_000)
    assert len(alone.requests) == before
    with page.expect_response("**/api/connections*"):
        page.evaluate(hide, False)
    with page.expect_response("**/api/connections*"):
        page.clock.run_for(6_000)


def test_what_is_typed_and_focused_stays_when_the_page_asks_again(page: Page, watched: Watched) -> None:
    watched.visit("#/queues/%2F/orders?part=messages")
    field = page.get_by_label("Only those where")
    field.fill("customer = 1")
    with page.expect_response("**/api/queues/%2F/orders?**"):
        pass
    expect(field).to_be_focused()
    expect(field).to_have_value("customer = 1")


def test_the_colours_are_chosen_and_kept(alone: Watched) -> None:
    page = alone.page
    alone.visit()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Colours: as the system has it").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Colours: light").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    alone.await_content()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Colours: dark").click()
    assert page.evaluate(ground) == light


def test_the_keyboard_reaches_everything(alone: Watched) -> None:
    page = alone.page
    alone.visit()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("link", name="Queues").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    declare = page.get_by_role("button", name="Declare a queue")
    declare.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(declare).to_be_focused()


def test_the_navigation_opens_on_a_phone(page: Page, watched: Watched) -> None:
    watched.visit()
    page.set_viewport_size(PHONE)
    navigation = page.get_by_role("navigation", name="Pages")
    expect(navigation).to_be_hidden()
    menu = page.get_by_role("button", name="Menu")
    expect(menu).to_have_attribute("aria-expanded", "false")
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    navigation.get_by_role("link", name="Connections").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    expect(navigation).to_be_hidden()


def test_a_long_list_is_sorted_searched_and_cut_into_pages(page: Page, watched: Watched, ask: Http) -> None:
    ask("PUT", "/api/vhosts/many", {})
    ask("PUT", "/api/permissions/many/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    for number in range(120):
        ask("PUT", f"/api/queues/many/q{number:03}", {})
    watched.visit("#/queues?vhost=many")
    names = page.get_by_role("rowheader")
    expect(names).to_have_count(50)
    page.get_by_role("button", name="Last").click()
    expect(names).to_have_count(20)
    expect(page.locator(".pager")).to_contain_text("Page 3 of 3")
    page.get_by_role("button", name="Name").click()
    expect(names.first).to_have_text("q119")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Search").fill("q05")
    expect(names).to_have_count(10)
    expect(page.locator(".found")).to_have_text("10 of 120")
    page.go_back()
    expect(page.locator(".pager")).to_contain_text("Page 3 of 3")
    # What is shown is asked for again and again, and must be there.
    watched.visit("#/users")
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    ask("DELETE", "/api/vhosts/many")


def test_the_log_shows_a_line_as_it_comes(page: Page, watched: Watched, shop: ManagedServer) -> None:
    watched.visit("#/log")
    expect(page.locator(".found")).to_have_text("Live")
    failed = shop.http("nobody-<b>", "wrong")
    assert failed("GET", "/api/whoami").status == 401
    expect(page.locator(".log")).to_contain_text("nobody-<b>")
