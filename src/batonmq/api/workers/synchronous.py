"""Threads that work on one queue: one for each message that is worked on at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from types import FrameType

from batonmq.api.handlers.handler import Handler, Middleware
from batonmq.api.synchronous.delivery import Delivery
from batonmq.api.synchronous.receiver import Receiver
from batonmq.api.synchronous.replying import reply_and_accept
from batonmq.api.synchronous.traced import handler_in_span
from batonmq.api.workers.deadlines import Deadlines
from batonmq.api.workers.failed_attempt import FailedAttempt, told_of_loss
from batonmq.api.workers.policy import POLL_SECONDS, WorkerOptions, log
from batonmq.api.workers.report import named, reason_of
from batonmq.api.workers.watching import Watcher
from batonmq.engines.messages import Message
from batonmq.errors import AlreadySettled, BatonError, LeaseLost, UnsupportedFeature

__all__ = ["QueueWorker", "run_worker", "stop_on_signals"]


class QueueWorker:
    """Calls a handler for each message: accepted when it returns, released or rejected when it raises.

    A handler may settle its delivery itself.
    """

    def __init__(
        self,
        receiver: Receiver,
        handler: Handler,
        options: WorkerOptions,
        stop: threading.Event,
        *,
        middlewares: Sequence[Middleware] = (),
        watcher: Watcher | None = None,
    ) -> None:
        self._receiver = receiver
        self._handler = handler
        call = handler.within(middlewares)
        # Where there are spans, a handler runs in that of its message.
        self._called = handler_in_span(call) if receiver._is_traced else call
        self._options = options
        self._stop = stop
        self._watcher = watcher
        self._error: BaseException | None = None
        # The messages that handlers are working on, if they have to be renewed.
        self._at_work: set[Delivery] = set()
        self._over = threading.Event()
        self._deadlines = None if options.timeout is None else Deadlines(options.timeout, self._expired)

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
            if self._deadlines is not None:
                threading.Thread(target=self._deadlines.watch, args=(self._over,), daemon=True).start()
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
            self._over.set()
        if self._error is not None:
            raise self._error

    def step(self) -> bool:
        """Handle one message that is ready now, and return when that is done; False: there is none.

        Not while ``run`` runs. Raises errors that end the receiver, and exceptions by which a handler ends the program.
        """
        deliveries = self._receiver._receive(1, wait=0)
        for delivery in deliveries:
            self._handle(delivery)
        return bool(deliveries)

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
        while not self._over.wait(seconds):
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
        """Call the handler; returns the delivery to try again while it stays held here."""
        if self._options.renewal is not None:
            self._at_work.add(delivery)
        if self._watcher is not None:
            self._watcher.began(self._receiver.queue, delivery)
        try:
            return self._call(delivery)
        finally:
            self._at_work.discard(delivery)

    def _call(self, delivery: Delivery) -> Delivery | None:
        if self._options.is_spent(delivery.delivery_count):
            return self._failed(delivery, None)
        deadlines = self._deadlines
        if deadlines is not None:
            deadlines.begin(delivery)
        value: object = None
        reply: Message | None = None
        failure: Exception | None = None
        try:
            value = self._called(delivery)
            reply = self._handler.reply(delivery.message, value)
        except Exception as error:  # noqa: BLE001  (the handler is not ours: whatever it raises is its own)
            failure = error
        if deadlines is not None and not deadlines.end(delivery):
            self._came_late(delivery, failure)
            return None
        if failure is None:
            failure = self._succeeded(delivery, reply)
        if failure is not None:
            return self._failed(delivery, failure)
        self._ended(delivery, value, None)
        return None

    def _succeeded(self, delivery: Delivery, reply: Message | None) -> BatonError | None:
        """Accept it, with the reply if there is one; returns the error that kept the reply from being sent."""
        with told_of_loss(delivery.message, self._receiver.queue):
            if reply is not None:
                try:
                    reply_and_accept(delivery, reply)
                except LeaseLost:
                    raise
                except BatonError as error:
                    return error
            elif not delivery.settled:
                delivery.accept()
        return None

    def _ended(self, delivery: Delivery, value: object, error: BaseException | None) -> None:
        if self._watcher is not None:
            self._watcher.ended(self._receiver.queue, delivery, value, error)

    def _expired(self, delivery: Delivery) -> None:
        """The time of its handler is up. The handler goes on, as a thread cannot be stopped."""
        self._at_work.discard(delivery)
        error = TimeoutError(f"the handler took longer than {self._options.timeout:g} s")
        try:
            self._failed(delivery, error, keeps=False)
        except Exception as failure:  # noqa: BLE001  (the receiver may be closed; others' deadlines are watched on)
            log.warning("%s could not be given back: %s", named(delivery.message, self._receiver.queue), failure)

    def _came_late(self, delivery: Delivery, error: Exception | None) -> None:
        came = "returned" if error is None else f"failed with {reason_of(error)}"
        message = named(delivery.message, self._receiver.queue)
        log.warning("%s: its handler %s after its time was over, which changes nothing any more", message, came)

    def _failed(self, delivery: Delivery, error: BaseException | None, *, keeps: bool = True) -> Delivery | None:
        """Give it back, or up, and log that; without an error the last attempt has ended with its process.

        Returns the delivery to try again while it stays held here; without ``keeps``, none.
        """
        try:
            return self._give_back_or_up(delivery, error, keeps=keeps)
        finally:
            self._ended(delivery, None, error)

    def _give_back_or_up(self, delivery: Delivery, error: BaseException | None, *, keeps: bool) -> Delivery | None:
        failed = FailedAttempt(delivery.message, self._receiver.queue, delivery.delivery_count, self._options, error)
        if delivery.settled:
            failed.log_settled()
            return None
        again: Delivery | None = None
        with told_of_loss(delivery.message, self._receiver.queue):
            step = failed.judge(self._receiver._fate())
            if step == "try again":
                again = self._release_later(delivery, failed.pause, keeps=keeps)
            else:
                or_else = delivery.reject if step == "reject" else delivery.release
                self._give_up(delivery, failed.cause, or_else)
        return again

    def _give_up(self, delivery: Delivery, reason: str, or_else: Callable[[], None]) -> None:
        try:
            delivery.reject(reason=reason)
        except UnsupportedFeature:
            or_else()

    def _release_later(self, delivery: Delivery, seconds: float, *, keeps: bool) -> Delivery | None:
        """Give it back for later; or keep it so long, where the engine cannot, and on where it would not count it."""
        if delivery._is_counted:
            try:
                delivery.release(delay=seconds or None)
            except UnsupportedFeature:
                pass
            else:
                return None
        if keeps:
            self._stop.wait(seconds)
        if keeps and not self._stop.is_set() and (again := delivery._once_more()) is not None:
            return again
        delivery.release()
        return None


@contextlib.contextmanager
def stop_on_signals(
    stop: threading.Event, again: threading.Event | None = None, *, interrupts: bool = False
) -> Iterator[None]:
    """SIGTERM and SIGINT set the event while the block runs; in the main thread only.

    The next one sets ``again``, or raises KeyboardInterrupt if it ``interrupts``.
    """
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

    def heard(number: int, frame: FrameType | None) -> None:
        if interrupts and stop.is_set():
            signal.default_int_handler(number, frame)
        told.put(number)

    before = {number: signal.signal(number, heard) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        told.put(0)
        listener.join()


def run_worker(
    receiver: Receiver, function: Callable[..., object], options: WorkerOptions, stop: threading.Event | None
) -> None:
    """For ``Connection.run``. Raises TypeError."""
    handler = Handler(function)
    if handler.is_async:
        raise TypeError("a handler that is async def needs batonmq.aio.connect, or a batonmq.Worker")
    stop = stop or threading.Event()
    with stop_on_signals(stop):
        QueueWorker(receiver, handler, options, stop).run()
