"""The result backend that Celery creates from a URL such as ``batonmq:////var/lib/shop/tasks.db``."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from celery import maybe_signature, states
from celery.backends.base import KeyValueStoreBackend
from celery.exceptions import ChordError, ImproperlyConfigured, TimeoutError as CeleryTimeoutError
from celery.result import GroupResult, ResultSet, result_from_tuple
from celery.utils.log import get_logger
from kombu.utils.encoding import bytes_to_str, ensure_bytes
from kombu.utils.url import sanitize_url

from batonmq.contrib.celery.chords import Chords, Complete, Part, as_header
from batonmq.contrib.celery.results import Results

__all__ = ["BatonBackend"]

logger = get_logger(__name__)

SUFFIX = "-results"
SCHEMES = ("batonmq", "file")
HOW = "batonmq:////var/lib/shop/tasks.db for an absolute path, batonmq:///tasks.db for a relative one"


class BatonBackend(KeyValueStoreBackend):
    """Results in an SQLite file beside the file of the queues, ``tasks.db-results``.

    ``batonmq://`` alone is the file of ``broker_url``. Also ``batonmq+file:///var/lib/shop/tasks.db``.
    """

    supports_autoexpire = True
    # Reads return what is there now. Waiting for each result in turn would gain nothing.
    supports_native_join = True

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        """Raises ImproperlyConfigured for a URL that names no file."""
        super().__init__(*args, **kwargs)
        self.url = url
        self.path = _path_of(url or "", self.app.conf.broker_url or "") + SUFFIX
        self._results = Results(self.path)
        self._chords = Chords(self._results)
        weakref.finalize(self, self._results.close)

    def __reduce__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return super().__reduce__(args, {**(kwargs or {}), "url": self.url})

    def as_uri(self, include_password: bool = True) -> str:
        """The URL; it holds no password."""
        return self.url or "batonmq://"

    # ------------------------------------------------------------------ values

    def get(self, key: str | bytes) -> bytes | None:
        """The value of a key; None: there is none."""
        return self._results.get(ensure_bytes(key))

    def mget(self, keys: Iterable[str | bytes]) -> list[bytes | None]:
        """The value of each key."""
        return self._results.get_all(ensure_bytes(key) for key in keys)

    def set(self, key: str | bytes, value: str | bytes) -> None:
        """Keep a value for as long as ``result_expires`` says."""
        self._results.set(ensure_bytes(key), ensure_bytes(value), self._seconds(self.expires))

    def delete(self, key: str | bytes) -> None:
        """Forget a value."""
        self._results.delete(ensure_bytes(key))

    def expire(self, key: str | bytes, value: Any) -> None:
        """Forget a value after so many seconds."""
        self._results.expire(ensure_bytes(key), self._seconds(value))

    def cleanup(self) -> None:
        """Drop all expired results. Each write drops a few as well, so this is seldom needed."""
        self._results.sweep()
        self._chords.sweep()

    def close(self) -> None:
        """Close the file."""
        self._results.close()

    @staticmethod
    def _seconds(expires: Any) -> float | None:
        return float(expires) if expires else None

    # ------------------------------------------------------------------ chords

    def apply_chord(self, header_result_args: tuple[Any, ...], body: Any, **kwargs: Any) -> None:
        """Remember how the groups in the header are nested. A header from a generator has none."""
        _, parts = header_result_args
        shape = None
        if isinstance(parts, list | tuple) and any(isinstance(part, GroupResult) for part in parts):
            shape = ensure_bytes(self.encode(self.app.GroupResult(*header_result_args).as_tuple()))
        self._chords.start(header_result_args[0], shape, self._chord_seconds())

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Set how many parts will return."""
        self._chords.set_size(group_id, chord_size, self._chord_seconds())

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Expect one more part: a task of the header sent it."""
        self._chords.add_one(chord_id, self._chord_seconds())

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> Any:
        """Keep what a task of a header returned; the last one calls the body, or its errbacks with a ChordError."""
        if not request.group or not request.id:
            return None
        group = str(request.group)
        value = ensure_bytes(self.encode(self.encode_result(result, state)))
        part = Part(str(request.id), request.group_index, state, value)
        complete = self._chords.take(group, part, self._chord_seconds())
        if complete is None:
            return None
        body = maybe_signature(request.chord, app=self.app)
        # A process that is killed here has not finished: the part comes again, and calls the body.
        try:
            self._call_body(body, complete, group)
        except ChordError as error:
            try:
                return self.chord_error_from_stack(body, error)
            finally:
                self._chords.finish(group)
        self._chords.finish(group)
        return None

    def _call_body(self, body: Any, complete: Complete, group: str) -> None:
        """Raises ChordError."""
        try:
            arguments = self._header(complete)
        except ChordError as error:
            logger.error("Chord %r: %s", group, error)
            raise
        except Exception as error:
            logger.exception("Chord %r: its results cannot be joined", group)
            raise ChordError(f"Join error: {error!r}") from error
        try:
            # Celery 5.7 waits between attempts.
            publish = getattr(self.app.amqp, "_retry_publish", None)
            if publish is None:
                body.delay(arguments)
            else:
                publish(body.delay, arguments)
        except Exception as error:
            logger.exception("Chord %r: its body cannot be sent", group)
            raise ChordError(f"Callback error: {error!r}") from error

    def _header(self, complete: Complete) -> list[Any]:
        values: list[tuple[str, Any]] = []
        for part in complete.parts:
            value = self.decode(part.value)
            if part.state in states.EXCEPTION_STATES:
                value = self.exception_to_python(value)
            if part.state in states.PROPAGATE_STATES:
                cause = value if isinstance(value, BaseException) else None
                raise ChordError(f"Dependency {part.task_id} raised {value!r}") from cause
            values.append((part.task_id, value))
        shape = None if complete.shape is None else result_from_tuple(self.decode(complete.shape), self.app)
        return as_header(shape, values, self.app.conf.result_chord_join_timeout)

    def _chord_seconds(self) -> float | None:
        # `result_chord_expires` came with Celery 5.7.
        return self._seconds(getattr(self, "chord_expires", self.expires))

    # ------------------------------------------------------------------ waiting

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Wait for a task's result, which is seen within 20 ms. Raises celery's TimeoutError."""
        self._ensure_not_eager()
        for _ in self._versions(timeout, interval, on_interval):
            meta: dict[str, Any] = self.get_task_meta(task_id)
            if meta["status"] in states.READY_STATES:
                if on_interval is not None:
                    # It may raise what came before: a chord's body fails in the moment in which one of its parts does.
                    on_interval()
                return meta
        raise CeleryTimeoutError(f"The operation timed out: task {task_id} has no result after {timeout} s")

    def iter_native(
        self,
        result: ResultSet,
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Each task of a group with its result, as they come.

        A task that failed before the group in its chain is raised: the group never begins.
        """
        before = list(_parents(result))

        def look() -> None:
            for one in before:
                one.maybe_throw()
            if on_interval is not None:
                on_interval()

        found: Iterator[tuple[str, Any]] = super().iter_native(
            result,
            timeout=timeout,
            interval=interval,
            no_ack=no_ack,
            on_message=on_message,
            on_interval=look if before else on_interval,
        )
        return found

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        max_iterations: int | None = None,
        READY_STATES: frozenset[str] = states.READY_STATES,  # noqa: N803
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each task with its result, as they come. Raises celery's TimeoutError."""
        missing = dict.fromkeys(bytes_to_str(task_id) for task_id in task_ids)
        for task_id in list(missing):
            known = self._cache.get(task_id)
            if known is not None and known["status"] in READY_STATES:
                del missing[task_id]
                yield task_id, known
        if not missing:
            return
        for looked, _ in enumerate(self._versions(timeout, interval, on_interval), 1):
            keys = {task_id: self.get_key_for_task(task_id) for task_id in missing}
            for task_id, value in zip(keys, self.mget(keys.values()), strict=True):
                meta = None if value is None else self.decode_result(value)
                if meta is None or meta["status"] not in READY_STATES:
                    continue
                del missing[task_id]
                self._cache[task_id] = meta
                if on_message is not None:
                    on_message(meta)
                yield task_id, meta
            if not missing or (max_iterations and looked >= max_iterations):
                return
        raise CeleryTimeoutError(
            f"Operation timed out ({timeout}): {len(missing)} tasks have no result, as {next(iter(missing))}"
        )

    def _versions(
        self, timeout: float | None, interval: float | None, on_interval: Callable[[], object] | None
    ) -> Iterator[None]:
        """Yield whenever there may be something new; end when the time is up."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = interval or 0.5
        while True:
            version = self._results.version()
            yield
            left = pause if end is None else min(pause, end - time.monotonic())
            if left <= 0:
                return
            if on_interval is not None:
                on_interval()
            self._results.wait(version, left)


def _parents(result: Any) -> Iterator[Any]:
    """The results before it in its chain, the last first."""
    while (result := getattr(result, "parent", None)) is not None:
        yield result


def _path_of(url: str, broker_url: Any) -> str:
    """The file that a URL names, or the broker's. Raises ImproperlyConfigured."""
    is_brokers = url in ("", "batonmq://")
    if is_brokers:
        url = broker_url if isinstance(broker_url, str) else ""
    elif "://" not in url:
        raise ImproperlyConfigured(f"result_backend {url!r} is no URL: {HOW}")
    parts = urlsplit(url)
    is_here = not parts.hostname or (parts.hostname == "localhost" and parts.scheme.endswith("file"))
    if not is_here or parts.scheme.partition("+")[0] not in SCHEMES:
        if is_brokers:
            raise ImproperlyConfigured(f"result_backend 'batonmq://' has no file, as broker_url has none: {HOW}")
        shown = sanitize_url(url)
        raise ImproperlyConfigured(f"{shown} names a host, where results cannot be kept: use rpc://, or a file: {HOW}")
    # batonmq:///relative and batonmq:////absolute, as in kombu; file:///absolute, as everywhere else.
    path = unquote(parts.path)
    if not parts.scheme.endswith("file"):
        path = path.removeprefix("/")
    if not path or path.endswith("/"):
        raise ImproperlyConfigured(f"{url} names no file: {HOW}")
    return os.path.abspath(path)  # noqa: PTH100
