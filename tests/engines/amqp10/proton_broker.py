"""A broker of a few lines over proton's engine: another implementation of the protocol to speak to.

It knows the queues that it is told of, gives messages in turn, and takes back what is released or modified.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pytest

# Where it is not installed, tests that import this are skipped.
proton: Any = pytest.importorskip("proton", reason="python-qpid-proton is not installed: `make clients` builds it")
handlers: Any = pytest.importorskip("proton.handlers")
reactor: Any = pytest.importorskip("proton.reactor")


class ProtonBroker(handlers.MessagingHandler):  # type: ignore[misc]  # which carries no types
    """Listens on a free port of the loopback, in a thread of its own."""

    def __init__(self, *queues: str) -> None:
        super().__init__(prefetch=100, auto_accept=False, auto_settle=False)
        self._queues: dict[str, deque[Any]] = {name: deque() for name in queues}
        self._senders: list[Any] = []
        self._held: dict[Any, tuple[str, Any]] = {}
        self._numbers = 0
        self._listening = threading.Event()
        self.port = 0
        self._acceptor: Any = None
        self._container = reactor.Container(self)
        # Calls from other threads, which the container looks for when it is told so.
        self._injector = reactor.EventInjector()
        self._container.selectable(self._injector)
        self._thread = threading.Thread(target=self._container.run, daemon=True)
        self._thread.start()
        assert self._listening.wait(10.0)

    def close(self) -> None:
        self._injector.trigger(reactor.ApplicationEvent("stop"))
        self._thread.join(10.0)
        assert not self._thread.is_alive()

    # ------------------------------------------------------------------ proton's calls

    def on_start(self, event: Any) -> None:  # noqa: ANN401
        self._acceptor = event.container.listen("127.0.0.1:0")
        # The acceptor does not tell its port.
        self.port = self._acceptor._selectable.fileno() and _port_of(self._acceptor._selectable.fileno())
        self._listening.set()

    def on_stop(self, event: Any) -> None:  # noqa: ANN401
        self._injector.close()
        self._acceptor.close()
        self._container.stop()

    def on_link_opening(self, event: Any) -> None:  # noqa: ANN401
        link = event.link
        if link.is_sender:
            if link.remote_source.dynamic:
                name = f"node-{len(self._queues)}"
                self._queues[name] = deque()
            else:
                name = link.remote_source.address
            if name not in self._queues:
                self._refuse(link, name)
                return
            link.source.address = name
            self._senders.append(link)
        else:
            name = link.remote_target.address
            if name not in self._queues:
                self._refuse(link, name)
                return
            link.target.address = name

    def _refuse(self, link: Any, name: str | None) -> None:  # noqa: ANN401
        link.condition = proton.Condition("amqp:not-found", f"there is no {name}")

    def on_link_opened(self, event: Any) -> None:  # noqa: ANN401
        if event.link.condition is not None:
            event.link.close()

    def on_link_closing(self, event: Any) -> None:  # noqa: ANN401
        link = event.link
        if link in self._senders:
            self._senders.remove(link)
            for delivery in [held for held in self._held if held.link == link]:
                self._put_back(delivery, failed=True)

    def on_message(self, event: Any) -> None:  # noqa: ANN401
        queue = self._queues.get(event.link.target.address)
        if queue is None:
            # Sent before its link was refused.
            return
        queue.append(event.message)
        event.delivery.update(proton.Delivery.ACCEPTED)
        event.delivery.settle()
        self._hand_out()

    def on_sendable(self, event: Any) -> None:  # noqa: ANN401
        self._hand_out()

    def on_link_flow(self, event: Any) -> None:  # noqa: ANN401
        if event.link.is_sender:
            self._hand_out()

    def on_delivery(self, event: Any) -> None:  # noqa: ANN401
        delivery = event.delivery
        if delivery in self._held and (delivery.remote_state or delivery.settled):
            if delivery.remote_state in (proton.Delivery.RELEASED, proton.Delivery.MODIFIED):
                self._put_back(delivery, failed=delivery.remote_state == proton.Delivery.MODIFIED)
            else:
                del self._held[delivery]
            delivery.settle()
            self._hand_out()

    def _put_back(self, delivery: Any, *, failed: bool) -> None:  # noqa: ANN401
        name, message = self._held.pop(delivery)
        message.first_acquirer = False
        if failed:
            message.delivery_count += 1
        self._queues[name].appendleft(message)

    def _hand_out(self) -> None:
        for link in self._senders:
            if not link.state & proton.Endpoint.LOCAL_ACTIVE:
                continue
            queue = self._queues[link.source.address]
            while queue and link.credit > 0:
                message = queue.popleft()
                self._numbers += 1
                delivery = link.delivery(str(self._numbers))
                link.stream(message.encode())
                link.advance()
                self._held[delivery] = (link.source.address, message)
            if link.drain_mode:
                link.drained()


def _port_of(descriptor: int) -> int:
    import os
    import socket

    with socket.socket(fileno=os.dup(descriptor)) as listener:
        port: int = listener.getsockname()[1]
        return port
