"""Threads that work on one queue: one for each message that is worked on at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.synchronous.receiver import Receiver
from batonmq.api.synchronous.traced import handler_in_span
from batonmq.api.workers.failed_attempt import FailedAttempt, told_of_loss
from batonmq.api.workers.policy import POLL_SECONDS, WorkerOptions, check_handler, log
from batonmq.api.workers.report import named
from batonmq.errors import AlreadySettled, BatonError, LeaseLost, UnsupportedFeature

__all__ = ["Handler", "QueueWorker", "run_worker", "stop_on_signals"]

Handler = Callable[[Delivery], object]


class QueueWorker:
    """Calls a handler for each message: accepted when it returns, released or rejected when it raises.

    A handler may settle its delivery itself.
    """

    def __init__(self, receiver: Receiver, handler: Handler, options: WorkerOptions, stop: threading.Event) -> None:
        self._receiver = receiver
        # Where there are spans, a handler runs in that of its message.
        self._handler = handler_in_span(handler) if receiver._is_traced else handler
        self._options = options
        self._stop = stop
        self._error: BaseException | None = None
        # What handlers are at work on, if it has to be renewed.
        self._at_work: set[Delivery] = set()
        self._ended = threading.Event()

    def run(self) -> None:
        """Work until ``stop`` is set. Raises what ended the receiver: ConnectionLost, NotFound ..."""
        with self._receiver:
            threads = [
                threading.Thread(target=self._work, name=f"batonmq-worker-{number}", daemon=True)
                for number in range(self._options.concurrency)
            ]
            for thread in threads:
                thread.start()
            if self._options.renewal is not None:
                renewer = threading.Thread(target=self._renew, args=(self._options.renewal,), daemon=True)
                renewer.start()
            # In pieces: a wait without an end keeps Python from calling a handler of signals on some systems.
            while not self._stop.wait(POLL_SECONDS):
                pass
            end = time.monotonic() + self._options.drain
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            late = sum(thread.is_alive() for thread in threads)
            if late:
                log.warning(
                    "%d handlers were still at work after %s s: their messages go back", late, self._options.drain
                )
            self._ended.set()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                for delivery in self._receiver._receive(1, wait=POLL_SECONDS):
                    self._handle(delivery)
        except BaseException as error:  # noqa: BLE001  (a handler may have called sys.exit, and nobody else would hear)
            # What ends one thread ends the others, too. After the drain the receiver is closed.
            if not self._stop.is_set():
                self._error = error
                self._stop.set()

    def _renew(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            for delivery in list(self._at_work):
                try:
                    delivery.renew()
                except AlreadySettled:
                    self._at_work.discard(delivery)
                except LeaseLost:
                    self._at_work.discard(delivery)
                    if not delivery.settled:
                        message = named(delivery.message, self._receiver.queue)
                        log.warning("%s was renewed too late: its lease is over, and it comes again", message)
                except BatonError as error:
                    log.warning("%s could not be renewed: %s", named(delivery.message, self._receiver.queue), error)

    def _handle(self, delivery: Delivery) -> None:
        again: Delivery | None = delivery
        while again is not None:
            again = self._attempt(again)

    def _attempt(self, delivery: Delivery) -> Delivery | None:
        """Call the handler; tells what is to be tried again in these hands."""
        if self._options.renewal is not None:
            self._at_work.add(delivery)
        try:
            return self._call(delivery)
        finally:
            self._at_work.discard(delivery)

    def _call(self, delivery: Delivery) -> Delivery | None:
        if self._options.is_spent(delivery.delivery_count):
            return self._failed(delivery, None)
        try:
            self._handler(delivery)
        except Exception as error:  # noqa: BLE001  (the handler is not ours: whatever it raises is its own)
            return self._failed(delivery, error)
        if not delivery.settled:
            with told_of_loss(delivery.message, self._receiver.queue):
                delivery.accept()
        return None

    def _failed(self, delivery: Delivery, error: BaseException | None) -> Delivery | None:
        """Give it back, or up, and say so; without an error the last attempt has ended with its process.

        Tells what is to be tried again in these hands.
        """
        failed = FailedAttempt(delivery.message, self._receiver.queue, delivery.delivery_count, self._options, error)
        if delivery.settled:
            failed.log_settled()
            return None
        again: Delivery | None = None
        with told_of_loss(delivery.message, self._receiver.queue):
            step = failed.judge(self._receiver._fate())
            if step == "try again":
                again = self._release_later(delivery, failed.pause)
            else:
                or_else = delivery.reject if step == "reject" else delivery.release
                self._give_up(delivery, failed.cause, or_else)
        return again

    def _give_up(self, delivery: Delivery, reason: str, or_else: Callable[[], None]) -> None:
        try:
            delivery.reject(reason=reason)
        except UnsupportedFeature:
            or_else()

    def _release_later(self, delivery: Delivery, seconds: float) -> Delivery | None:
        """Give it back for later; or keep it so long, where the engine cannot, and on where it would not count it."""
        if delivery._is_counted:
            try:
                delivery.release(delay=seconds or None)
            except UnsupportedFeature:
                pass
            else:
                return None
        self._stop.wait(seconds)
        if not self._stop.is_set() and (again := delivery._once_more()) is not None:
            return again
        delivery.release()
        return None


@contextlib.contextmanager
def stop_on_signals(stop: threading.Event, again: threading.Event | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT set the event while the block runs, the next one ``again``; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler of signals interrupts the main thread anywhere, even where it holds the event's own lock: it only puts
    # into a queue that is made for that, and another thread sets the event.
    told: SimpleQueue[int] = SimpleQueue()

    def listen() -> None:
        while told.get():
            if stop.is_set() and again is not None:
                again.set()
            stop.set()

    listener = threading.Thread(target=listen, name="batonmq-signals", daemon=True)
    listener.start()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, _frame: told.put(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        told.put(0)
        listener.join()


def run_worker(receiver: Receiver, handler: Handler, options: WorkerOptions, stop: threading.Event | None) -> None:
    """For ``Connection.run``. Raises TypeError."""
    check_handler(handler, is_async=False)
    stop = stop or threading.Event()
    with stop_on_signals(stop):
        QueueWorker(receiver, handler, options, stop).run()
