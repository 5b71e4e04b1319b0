"""A Chromium for tests of the web page, in a thread of its own: Playwright's loop would disturb other tests' loops."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

import pika
from pika.exceptions import AMQPError
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.managed import Http, ManagedServer

Returned = TypeVar("Returned")

# Milliseconds for whatever is awaited: long where everything is slow, and never needed where it is not.
PATIENCE = 60_000

SIZE: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 360, "height": 740}


def chromium() -> str | None:
    """Where the system's Chromium is, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One browser. Whatever touches it runs by ``run``, in its thread."""

    def __init__(self, executable: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chromium")
        self._executable = executable
        self._playwright: Playwright
        self._browser: Browser
        self._kept: Watched | None = None

    def run(self, what: Callable[[], Returned]) -> Returned:
        """Do it in the browser's thread, and return what it returns or raise what it raises."""
        return self._thread.submit(what).result()

    def open(self, address: str, known: StorageState | None = None) -> Watched:
        """A session of its own, with what it knows from before; only in the browser's thread."""
        return Watched(self._session(known).new_page(), address)

    def open_kept(self, address: str, known: StorageState) -> Watched:
        """The one page that is kept: another would read all files again, which takes seconds of a processor."""
        if self._kept is None:
            self._kept = self.open(address, known)
        # Another case may have opened a page of its own, which took the focus.
        self._kept.page.bring_to_front()
        return self._kept

    def discard_kept(self) -> None:
        """Nobody knows in which state the page that is kept is: the next case has another."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _session(self, known: StorageState | None) -> BrowserContext:
        session = self._browser.new_context(
            viewport=SIZE, color_scheme="light", locale="en-GB", timezone_id="UTC", storage_state=known
        )
        session.set_default_timeout(PATIENCE)
        return session

    def __enter__(self) -> Self:
        self.run(self._start)
        return self

    def _start(self) -> None:
        self._playwright = sync_playwright().start()
        expect.set_options(timeout=PATIENCE)
        # As root there is no sandbox to be had; what is opened is only our own page.
        self._browser = self._playwright.chromium.launch(executable_path=self._executable, args=["--no-sandbox"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.run(self._stop)
        self._thread.shutdown()

    def _stop(self) -> None:
        self._browser.close()
        self._playwright.stop()


# Returns when the page has heard of it, and shows what was there before no more.
GO = """place => new Promise((done) => {
  if (new URL(place, location).hash === location.hash) return done();
  addEventListener("hashchange", () => done(), { once: true });
  location.hash = place;
})"""


class Watched:
    """A page, with whatever it complains of, violations of the content security policy included."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error.stack)))
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self.complaints.append(f"a dialog of the browser: {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def log_in(self, name: str = "guest", password: str = "guest") -> None:
        """By the form, as anybody does."""
        self.page.goto(self.address)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def visit(self, place: str = "#/") -> None:
        """Go to a place within the page, and wait until it is shown."""
        if self.page.url == "about:blank":
            self.page.goto(f"{self.address}{place}")
        else:
            self.page.evaluate(GO, place)
        self.await_content()

    def clear(self) -> None:
        """Leave nothing of a case: where it was, what it changed of the window, what it was told."""
        self.page.unroute_all()
        self.page.set_viewport_size(SIZE)
        self.page.emulate_media(color_scheme="light")
        if self.page.url != "about:blank":
            # It asks the broker for nothing.
            self.visit("#/nowhere")
            self.page.evaluate("document.querySelectorAll('.notice, dialog').forEach((one) => one.remove())")
        self.complaints.clear()
        self.requests.clear()

    def await_content(self) -> None:
        """Wait until the page shows what it has asked for."""
        self.page.wait_for_function(
            "() => { const shown = document.querySelector('.content');"
            " return shown && shown.textContent !== 'Loading…' && shown.childElementCount > 0 }"
        )

    def close(self) -> None:
        """Close this page; its session goes with the browser."""
        self.page.close()


def put(ask: Http, queue: str, body: bytes, **properties: object) -> None:
    """Publish a message to a queue."""
    message = {
        "routing_key": queue,
        "payload": base64.b64encode(body).decode(),
        "payload_encoding": "base64",
        "properties": properties,
    }
    assert ask("POST", "/api/exchanges/%2F/amq.default/publish", message).json == {"routed": True}


def ready(ask: Http, queue: str) -> int:
    """How many messages are ready."""
    messages: list[Any] = ask.get(f"/api/baton/queues/%2F/{queue}/peek?count=100")["messages"]
    return len(messages)


def said(page: Page, text: str) -> None:
    """Wait for a notice."""
    expect(page.locator(".notice").filter(has_text=text)).to_be_visible()


def press(page: Page, name: str) -> Locator:
    """Open the dialog of a button."""
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()
    return page.get_by_role("dialog")


@contextlib.contextmanager
def connected(server: ManagedServer, name: str = "") -> Iterator[pika.BlockingConnection]:
    """A connection of AMQP that is closed at the end, by whomever."""
    parameters = pika.URLParameters(f"{server.url}?heartbeat=0")
    parameters.client_properties = {"connection_name": name}
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        with contextlib.suppress(AMQPError):
            connection.close()
