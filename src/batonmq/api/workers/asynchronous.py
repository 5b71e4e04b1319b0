"""Tasks that work on one queue: one for each message that is worked on at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence

from batonmq.api.asynchronous.delivery import Delivery
from batonmq.api.asynchronous.receiver import Receiver
from batonmq.api.asynchronous.replying import reply_and_accept
from batonmq.api.asynchronous.traced import handler_in_span
from batonmq.api.handlers.handler import Handler, Middleware
from batonmq.api.workers.failed_attempt import FailedAttempt, told_of_loss
from batonmq.api.workers.policy import POLL_SECONDS, WorkerOptions, log
from batonmq.api.workers.report import named
from batonmq.api.workers.watching import Watcher
from batonmq.engines.messages import Message
from batonmq.errors import AlreadySettled, BatonError, LeaseLost, UnsupportedFeature

__all__ = ["QueueWorker", "run_worker", "stop_on_signals"]


class QueueWorker:
    """Awaits a handler for each message: accepted when it returns, released or rejected when it raises.

    A handler may settle its delivery itself.
    """

    def __init__(
        self,
        receiver: Receiver,
        handler: Handler,
        options: WorkerOptions,
        stop: asyncio.Event,
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
        # The task that runs this, those that call handlers, and whether they are being ended.
        self._runner: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ends = False

    async def run(self) -> None:
        """Work until ``stop`` is set. Raises what ended the receiver: ConnectionLost, NotFound ..."""
        self._runner = asyncio.current_task()
        async with self._receiver:
            tasks = self._tasks = [asyncio.create_task(self._work()) for _ in range(self._options.concurrency)]
            renewer = asyncio.create_task(self._renew(self._options.renewal))
            try:
                await self._stop.wait()
                _, late = await asyncio.wait(tasks, timeout=self._options.drain)
                if late:
                    log.warning("%d handlers were still at work after %s s", len(late), self._options.drain)
            finally:
                self._ends = True
                for task in (*tasks, renewer):
                    task.cancel()
                await asyncio.gather(*tasks, renewer, return_exceptions=True)
        if self._error is not None:
            raise self._error

    async def step(self) -> bool:
        """Handle one message that is ready now, and return when that is done; False: there is none.

        Not while ``run`` runs. Raises errors that end the receiver, and exceptions by which a handler ends the program.
        """
        deliveries = await self._receiver._receive(1, wait=0)
        for delivery in deliveries:
            await self._handle(delivery)
        return bool(deliveries)

    async def _work(self) -> None:
        try:
            while not self._stop.is_set():
                for delivery in await self._receiver._receive(1, wait=POLL_SECONDS):
                    await self._handle(delivery)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  (a handler may have called sys.exit, and nobody else would hear)
            if not self._stop.is_set():
                self._error = error
                self._stop.set()

    async def _renew(self, seconds: float | None) -> None:
        while seconds is not None:
            await asyncio.sleep(seconds)
            for delivery in list(self._at_work):
                try:
                    await delivery.renew()
                except AlreadySettled:
                    self._at_work.discard(delivery)
                except LeaseLost:
                    self._at_work.discard(delivery)
                    if not delivery.settled:
                        message = named(delivery.message, self._receiver.queue)
                        log.warning("%s was renewed too late: its lease is over, and it comes again", message)
                except BatonError as error:
                    log.warning("%s could not be renewed: %s", named(delivery.message, self._receiver.queue), error)

    async def _handle(self, delivery: Delivery) -> None:
        again: Delivery | None = delivery
        while again is not None:
            again = await self._attempt(again)

    async def _attempt(self, delivery: Delivery) -> Delivery | None:
        """Call the handler; returns the delivery to try again while it stays held here."""
        if self._options.renewal is not None:
            self._at_work.add(delivery)
        if self._watcher is not None:
            self._watcher.began(self._receiver.queue, delivery)
        try:
            return await self._call(delivery)
        finally:
            self._at_work.discard(delivery)

    async def _call(self, delivery: Delivery) -> Delivery | None:
        if self._options.is_spent(delivery.delivery_count):
            return await self._failed(delivery, None)
        value: object = None
        try:
            try:
                value = await self._in_time(delivery)
            finally:
                await self._forget_its_cancel()
            reply = self._handler.reply(delivery.message, value)
        except (Exception, asyncio.CancelledError) as error:
            # Whatever a handler raises is its own, unless this task itself is being cancelled.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            return await self._failed(delivery, error)
        if (failure := await self._succeeded(delivery, reply)) is not None:
            return await self._failed(delivery, failure)
        self._ended(delivery, value, None)
        return None

    async def _in_time(self, delivery: Delivery) -> object:
        """Await the handler, which is cancelled when its time is up. Raises its errors, and TimeoutError."""
        seconds = self._options.timeout
        if seconds is None:
            return await self._called(delivery)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._called(delivery)
        except TimeoutError:
            if limit.expired():
                raise TimeoutError(f"the handler took longer than {seconds:g} s") from None
            raise

    async def _forget_its_cancel(self) -> None:
        """Go on with a task that its handler has cancelled; it is ours, and would end without a word."""
        task = asyncio.current_task()
        if task is None or not task.cancelling() or task not in self._tasks or self._is_ended():
            return
        # What was asked for and has not come yet comes now.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        if self._is_ended():
            raise asyncio.CancelledError
        while task.uncancel():
            pass

    def _is_ended(self) -> bool:
        """Are the tasks being cancelled by ``run``, or by who cancels that and all else at the end of a loop?"""
        return self._ends or (self._runner is not None and bool(self._runner.cancelling()))

    async def _succeeded(self, delivery: Delivery, reply: Message | None) -> BatonError | None:
        """Accept it, with the reply if there is one; returns the error that kept the reply from being sent."""
        with told_of_loss(delivery.message, self._receiver.queue):
            if reply is not None:
                try:
                    await reply_and_accept(delivery, reply)
                except LeaseLost:
                    raise
                except BatonError as error:
                    return error
            elif not delivery.settled:
                await delivery.accept()
        return None

    def _ended(self, delivery: Delivery, value: object, error: BaseException | None) -> None:
        if self._watcher is not None:
            self._watcher.ended(self._receiver.queue, delivery, value, error)

    async def _failed(self, delivery: Delivery, error: BaseException | None) -> Delivery | None:
        """Give it back, or up, and log that; without an error the last attempt has ended with its process.

        Returns the delivery to try again while it stays held here.
        """
        try:
            return await self._give_back_or_up(delivery, error)
        finally:
            self._ended(delivery, None, error)

    async def _give_back_or_up(self, delivery: Delivery, error: BaseException | None) -> Delivery | None:
        failed = FailedAttempt(delivery.message, self._receiver.queue, delivery.delivery_count, self._options, error)
        if delivery.settled:
            failed.log_settled()
            return None
        again: Delivery | None = None
        with told_of_loss(delivery.message, self._receiver.queue):
            step = failed.judge(await self._receiver._fate())
            if step == "try again":
                again = await self._release_later(delivery, failed.pause)
            else:
                or_else = delivery.reject if step == "reject" else delivery.release
                await self._give_up(delivery, failed.cause, or_else)
        return again

    async def _give_up(self, delivery: Delivery, reason: str, or_else: Callable[[], Awaitable[None]]) -> None:
        try:
            await delivery.reject(reason=reason)
        except UnsupportedFeature:
            await or_else()

    async def _release_later(self, delivery: Delivery, seconds: float) -> Delivery | None:
        """Give it back for later; or keep it so long, where the engine cannot, and on where it would not count it."""
        if delivery._is_counted:
            try:
                await delivery.release(delay=seconds or None)
            except UnsupportedFeature:
                pass
            else:
                return None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        if not self._stop.is_set() and (again := delivery._once_more()) is not None:
            return again
        await delivery.release()
        return None


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event, as long as the block runs; where a loop cannot do that nothing happens."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    try:
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
    except (NotImplementedError, RuntimeError, ValueError):
        # Windows, or a loop that is not in the main thread.
        yield
        return
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def run_worker(
    receiver: Receiver,
    function: Callable[..., Awaitable[object]],
    options: WorkerOptions,
    stop: asyncio.Event | None,
) -> None:
    """For ``Connection.run``. Raises TypeError."""
    handler = Handler(function, is_async=True)
    stop = stop or asyncio.Event()
    with stop_on_signals(stop):
        await QueueWorker(receiver, handler, options, stop).run()
