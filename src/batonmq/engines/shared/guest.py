"""Another process, seen from the owner: commands come in, answers go out.

There are two threads: one reads and executes, the other waits for commits and answers. So a send that waits for its
commit does not delay the next command, and commands that come during a commit share the next one. As long as there is
only one command at a time, the first thread answers as well.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable

import msgspec

from batonmq.engines.embedded.core import Core
from batonmq.engines.forks import when_forked
from batonmq.engines.futures import Future
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.claims import Claims
from batonmq.engines.shared.command_stream import CommandStream
from batonmq.engines.shared.guest_answers import GuestAnswers, say_done
from batonmq.engines.shared.guest_commands import GuestCommands
from batonmq.engines.shared.guest_engine import GuestEngine
from batonmq.errors import BatonError
from batonmq.points import reached

__all__ = ["Guest"]

log = logging.getLogger("batonmq.embedded")


class Guest:
    """Serves one process over one socket, from ``start`` until it is gone or dismissed."""

    def __init__(
        self,
        core: Core,
        peer: socket.socket,
        claims: Claims,
        on_end: Callable[[Guest], None],
        is_only: Callable[[], bool],
    ) -> None:
        """``on_end`` is called when the guest is gone. ``is_only``: is there no other one?"""
        self._core = core
        self._claims = claims
        self._peer = peer
        self._stream = CommandStream(peer)
        self._on_end = on_end
        self._engine = GuestEngine(core, claims)
        self._says = GuestAnswers(peer, self._stream, is_only)
        self._commands = GuestCommands(core, self._engine, self._says)
        # The number of the last command that was begun.
        self._last = 0
        self._is_dismissed = False
        self._has_closed = False
        self._reader = threading.Thread(target=self._read, name="batonmq-guest", daemon=True)
        self._answerer = threading.Thread(target=self._answer, name="batonmq-answers", daemon=True)
        when_forked(self)

    def start(self) -> None:
        """Say hello, and serve."""
        # In this order: the answering thread waits for the end of the reading one.
        self._reader.start()
        self._answerer.start()

    def dismiss(self) -> None:
        """The owner ends: answer commands that have begun, and begin no other. Returns at once."""
        self._is_dismissed = True
        # Wakes the reader; answers still go out.
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RD)

    def wait(self, timeout: float) -> None:
        """Return when the guest is gone; after that many seconds it is disconnected."""
        self._answerer.join(timeout)
        if self._answerer.is_alive():
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
            self._answerer.join()
        self._reader.join()

    def hand_on(self) -> None:
        """Leave what a dismissed guest holds to the next owner. Call it after ``wait``."""
        with contextlib.suppress(BatonError):
            self._core.run(self._hand_on)

    def forked(self) -> None:
        """Close the copy of the socket in a forked child: the parent goes on using its own."""
        with contextlib.suppress(OSError):
            os.close(self._peer.detach())

    # ------------------------------------------------------------------ commands

    def _read(self) -> None:
        try:
            while True:
                command = wire.read_command(self._stream)
                if command is None or self._is_dismissed:
                    break
                if not self._engine.guest:
                    if not isinstance(command, commands.Resume):
                        raise ValueError("a process that shares the file does not say who it is")
                    self._resume(command)
                    continue
                if isinstance(command, commands.Resume):
                    raise ValueError("a process that shares the file says twice who it is")  # noqa: TRY004
                self._last = command.number or self._last
                reached("guest.begun")
                self._do(command)
                reached("guest.done")
        except (OSError, msgspec.DecodeError, ValueError, BatonError) as error:
            # A peer that cannot be understood must not be trusted with anything else.
            log.warning("a process that shares the file is not served any more: %s", error)
        finally:
            # In this order: the next owner answers waiting receives, rather than this one with an empty list.
            self._says.end()
            self._leave()

    def _do(self, command: commands.Command) -> None:
        self._engine.begin(command)
        try:
            if isinstance(command, commands.Close):
                self._close(command)
            else:
                self._commands.do(command)
        except Exception as error:  # an answer in any case: a bug of ours must not keep another process waiting
            if not isinstance(error, (BatonError, ValueError, TypeError)):
                log.exception("a command of another process failed in an unexpected way")
            failed: Future[None] = Future()
            failed.fail(error)
            self._says.promise(command.number, failed, say_done)

    def _resume(self, command: commands.Resume) -> None:
        """The first command: who the guest is, and what it holds."""
        self._engine.serve(command.guest)
        resumed = self._core.run_reading(self._resume_now, command)
        reached("take_over.claimed")
        if resumed.done:
            # If only the connection was lost, these are of this opening: none counts as done until it is on the disk.
            self._core.flush()
        reached("take_over.answered")
        self._says.say(resumed)
        self._claims.resumed(command.guest, command.process)
        self._claims.wait()

    def _resume_now(self, command: commands.Resume) -> answers.Resumed:
        claims, engine = self._claims, self._engine
        resumed = answers.Resumed(0, [], sorted(claims.done.get(command.guest, {}).items()), [], [])
        for subscribed in command.subscriptions:
            try:
                self._commands.adopt(subscribed[0], engine.resume(subscribed))
            except BatonError as error:
                failed = wire.error_to(0, error)
                resumed.ended.append((subscribed[0], failed.error, failed.text))
        for number, tag, row, count, seconds in command.holds:
            subscription = self._commands.subscriptions.get(number)
            if subscription is None or not claims.is_good(subscription.consumer.source, row, command.openings):
                continue
            if subscription.consumer.adopt(tag, row, count, seconds):
                resumed.kept.append((number, tag))
        for settlement in command.settlements:
            number = settlement[0]
            if engine.settle_for(settlement, command.openings):
                self._commands.settled.note(number)
            else:
                resumed.passed.append((number, not claims.is_waiting or engine.has_ready(settlement)))
        return resumed

    def _close(self, command: commands.Close) -> None:
        self._has_closed = True
        self._leave()
        # Its settlements outlive this process by the time it gets the answer.
        written = self._core.run(lambda: self._core.future(None, sync=False))
        self._says.promise(command.number, written, say_done)

    def _leave(self) -> None:
        """Give everything back to the queues; what a dismissed guest holds stays, to be handed on."""
        with contextlib.suppress(BatonError):
            self._commands.forget_requests()
            if self._has_closed or not self._is_dismissed:
                self._engine.close()
                if self._engine.guest:
                    self._claims.gone(self._engine.guest, for_good=self._has_closed)

    def _hand_on(self) -> None:
        for subscription in self._commands.subscriptions.values():
            subscription.consumer.hand_on()

    # ------------------------------------------------------------------ answers

    def _answer(self) -> None:
        try:
            hello = answers.Hello(0, wire.VERSION, os.getpid(), self._claims.opening)
            self._peer.sendall(wire.frame(hello), wire.NO_SIGNAL)
            self._says.send_all()
            if self._is_dismissed:
                self._peer.sendall(wire.frame(answers.Bye(self._last)), wire.NO_SIGNAL)
                reached("hand_over.dismissed")
        except OSError:
            # The process is gone, and the reader notices.
            pass
        finally:
            self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._stream.close()
        self._peer.close()
        self._on_end(self)
